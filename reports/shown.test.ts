import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { Claim } from "../helpers/article/article.ts";
import type { ClaimResult } from "../helpers/claim/results.ts";
import { piecesOf, shownOf } from "./shown.ts";

/** Writes pieces of evidence and returns where they are, with a claim that has them. */
function kept(texts: readonly string[], deciding: readonly string[] = []): { out: string; claim: ClaimResult } {
  const out = mkdtempSync(join(tmpdir(), "shown-"));
  onTestFinished(() => rmSync(out, { recursive: true }));
  mkdirSync(join(out, "evidence"));
  const evidence = texts.map((text, index) => {
    const path = join("evidence", `0${index + 1}.txt`);
    writeFileSync(join(out, path), text);
    return path;
  });
  return { out, claim: { evidence, deciding: deciding.map((value) => ({ value })) } as unknown as ClaimResult };
}

/** Returns what is shown of that claim in that folder. */
const shownIn = (out: string, claim: ClaimResult, pattern: Claim["shown"]) =>
  shownOf(piecesOf(out, claim), claim, pattern);

const ask = (answer: string) => `# a → b: ask\n$ curl b\nHTTP 200\n${answer}\n[exit 0 after 5 ms]\n`;

test("the first step after the one named that printed the line, with file and line", () => {
  const { out, claim } = kept([ask("before"), "# take it away\ndone\n", ask("within"), ask("after")]);
  expect(shownIn(out, claim, { after: /^take/, by: /ask$/, line: /^[a-z]+$/ })).toEqual({
    ...{ path: "evidence/03.txt", title: "a → b: ask", line: 4, text: "within" },
  });
  expect(shownIn(out, claim, { by: /^take/, line: /done/ })).toMatchObject({ path: "evidence/02.txt", line: 2 });
});

test("before others, the line in which a value stands that decided", () => {
  const { out, claim } = kept([ask("10.0.0.1"), ask("10.0.0.2")], ["10.0.0.2"]);
  expect(shownIn(out, claim, { by: /ask/, line: /^10.*/ })).toMatchObject({
    path: "evidence/02.txt",
    text: "10.0.0.2",
  });
});

test("only the step where what is not there decided; quotes of quotes are quotes", () => {
  const { out, claim } = kept([ask(String.raw`say \"no\"`)]);
  expect(shownIn(out, claim, { by: /ask/ })).toEqual({ path: "evidence/01.txt", title: "a → b: ask" });
  expect(shownIn(out, claim, { by: /ask/, line: /say.*/ })?.text).toBe('say "no"');
});

test("nothing where no step fits, none was kept, or nobody said which", () => {
  const { out, claim } = kept([ask("yes")]);
  expect(shownIn(out, claim, { by: /ask/, line: /^no$/ })).toBeUndefined();
  expect(shownIn(out, claim, { after: /^nobody/, by: /ask/, line: /yes/ })).toBeUndefined();
  expect(shownIn(join(out, "elsewhere"), claim, { by: /ask/, line: /yes/ })).toBeUndefined();
  expect(shownIn(out, claim, undefined)).toBeUndefined();
});
