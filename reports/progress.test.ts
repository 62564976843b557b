import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { TestCase } from "vitest/node";
import { readArticle } from "../helpers/article/article.ts";
import { readSettings } from "../helpers/host/settings.ts";
import { ClaimProgress } from "./progress.ts";
import { collectResults } from "./results.ts";
import { sampleResult, writeResult, writeRun } from "./samples.ts";

const article = readArticle(readSettings().article);
const claims = article.claims.filter(({ expect: expected }) => expected?.[0]?.verdict === "holds");
let out: string;

beforeEach(() => {
  out = mkdtempSync(join(tmpdir(), "progress-test-"));
});
afterEach(() => rmSync(out, { recursive: true, force: true }));

/** Judges so many claims, as vitest tells of them, and returns what was written. */
function written(count: number, live: boolean): string[] {
  const lines: string[] = [];
  const progress = new ClaimProgress(out, {
    write: (text) => void lines.push(text),
    colour: false,
    live,
    columns: 200,
  });
  for (const claim of claims.slice(0, count)) {
    writeResult(out, sampleResult(claim, { verdict: "holds", why: "" }, article));
    progress.onTestCaseResult({
      meta: () => ({ claim: claim.id }),
      result: () => ({ state: "passed" }),
      fullName: claim.en,
    } as unknown as TestCase);
  }
  progress.onTestRunEnd([], []);
  return lines;
}

test("a terminal always shows how far the run is, below the claims, and at last only these", () => {
  writeRun(out);
  const text = written(2, true).join("");
  const takenBack = "\r\u001B[K";
  expect(text.split(takenBack)).toHaveLength(3);
  expect(text).toMatch(/ {2}✓ holds .* 1\.2 s\n {2}1 of \d+: 1 hold, 0 refuted, 0 external, 0 inconclusive; \d+ s\r/);
  expect(text.endsWith(takenBack)).toBe(true);
});

test("plain output tells it now and then, in lines of their own", () => {
  writeRun(out);
  const lines = written(50, false).filter((line) => line.includes(" of "));
  expect(lines.map((line) => /(\d+) of/.exec(line)?.[1])).toEqual(["25", "50"]);
  expect(lines.join("")).not.toContain("\r");
});

test("a run for the same claims before tells how long it takes; another does not", () => {
  writeRun(out);
  mkdirSync(join(out, "claims"), { recursive: true });
  collectResults(out, article);
  const before = join(out, "previous-results.json");
  rmSync(before, { force: true });
  writeFileSync(before, JSON.stringify(collectResults(out, article)));
  expect(written(1, true).join("")).toMatch(/; \d+ s of about 27 s/);
  writeRun(out, "-t another");
  expect(written(1, true).join("")).toMatch(/1 judged: 1 hold.*; \d+ s\r/);
});
