import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { readArticle } from "../helpers/article/article.ts";
import type { ClaimResult } from "../helpers/claim/results.ts";
import { withNotes } from "./corrected.ts";
import { piecesOf } from "./pages/diff-page.ts";
import { writePages } from "./pages/pages.ts";
import { collectResults } from "./results.ts";
import { sampleFolder, sampleResult, writeResult, writeRun } from "./samples.ts";
import { notedClaims } from "./sentences.ts";
import { summaryOf } from "./summary.ts";

const folder = mkdtempSync(join(tmpdir(), "corrected-"));
afterAll(() => rmSync(folder, { recursive: true }));
const article = readArticle(sampleFolder);

/** Makes the pages of a run in which the correction of the one wrong sentence came out like that. */
function run(name: string, correction: Pick<ClaimResult, "correction">) {
  const out = join(folder, name);
  mkdirSync(out);
  writeRun(out);
  for (const claim of article.claims) {
    const verdict = claim.expect?.[0]?.verdict ?? "holds";
    const result = sampleResult(claim, { verdict, why: "" }, article);
    writeResult(out, verdict === "refuted" ? { ...result, ...correction } : result);
  }
  const results = collectResults(out, article);
  writePages(out, results, article);
  return { out, results, read: (file: string) => readFileSync(join(out, file), "utf8") };
}

const wrong = "Un conteneur qui redémarre donne à son Pod une autre adresse.";
const right = "Un conteneur qui redémarre laisse à son Pod son adresse.";

test.each([
  ["held", { correction: { verdict: "holds" as const, why: "", deciding: [] } }],
  ["was not judged, in an older run", {}],
])("a correction that %s is in the errata, the pages and the corrected text", (name, correction) => {
  const { read, out, results } = run(name, correction);
  for (const page of ["errata.md", "article.html"]) expect(read(page)).toContain(right);
  expect(read("sample.corrected.md")).toBe(article.text.replace(wrong, right));
  expect(read("sample.diff.html")).toMatch(/<del>donne<\/del><ins>laisse<\/ins> à son Pod /);
  expect(read("index.html")).toMatch(/href="sample.diff.html".*href="sample.corrected.md"/);
  expect(summaryOf(results, article, out)).toMatch(/^text: .*sample\.corrected\.md/m);
});

test("a correction that does not hold is nowhere, and the summary says so", () => {
  const correction = { verdict: "refuted" as const, why: "the address: another, not the same", deciding: [] };
  const { read, out, results } = run("not held", { correction });
  for (const page of ["errata.md", "article.html"]) {
    expect(read(page)).toContain(wrong);
    expect(read(page)).not.toContain(right);
  }
  expect(["sample.corrected.md", "sample.diff.html"].filter((file) => existsSync(join(out, file)))).toEqual([]);
  expect(summaryOf(results, article, out)).toContain(
    "corrections that do not hold here either, and are not shown: restart-changes-the-address",
  );
});

test("notes are footnotes, behind the words that they are about", () => {
  const { results } = run("notes", {});
  const text = withNotes(article, notedClaims(results.claims));
  expect(text).toContain("par <nœud>:<port>.[^1]\n");
  expect(text.endsWith("\n\n[^1]: Seulement si le Service a un tel port.\n")).toBe(true);
  const code = { ...article, text: `Type:\n\n\`\`\`sh\n${article.claims[1]?.quote}\n\`\`\`\n` };
  expect(withNotes(code, notedClaims(results.claims))).toMatch(/^Type:\[\^1\]\n\n```sh\n/);
  expect(withNotes(article, [])).toBe(article.text);
});

test("two texts are compared word by word, without blanks between words too, and as they are", () => {
  const pieces = piecesOf("它有三種模式。\n舊的", "它有兩種模式。\n舊的", "zh-Hant");
  expect(pieces.map(({ kind, text }) => `${kind} ${text}`)).toEqual([
    "same 它有",
    "gone 三種",
    "new 兩種",
    "same 模式。\n舊的",
  ]);
  for (const [kind, whole] of [
    ["new", "它有三種模式。\n舊的"],
    ["gone", "它有兩種模式。\n舊的"],
  ])
    expect(
      pieces
        .filter((piece) => piece.kind !== kind)
        .map(({ text }) => text)
        .join(""),
    ).toBe(whole);
});
