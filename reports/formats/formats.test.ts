import { readFileSync } from "node:fs";
import { RDFormatValidator } from "@umbrelladocs/rdformat-validator";
import draft04 from "ajv-draft-04";
import { expect, test } from "vitest";
import { readArticle } from "../../helpers/article/article.ts";
import type { ClaimResult, Results } from "../../helpers/claim/results.ts";
import { readSettings } from "../../helpers/host/settings.ts";
import { correctedIn } from "../corrected.ts";
import { recordedRun } from "../pages/pages.ts";
import { regionsOf } from "../places.ts";
import { junitOf } from "./junit.ts";
import { rdjsonOf } from "./rdjson.ts";
import { sarifOf } from "./sarif.ts";

// The format's own schema; what its formats such as `uri` are is not looked at.
const schema = import.meta.resolve("@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json");
const sarif = new draft04.default({ strict: false, unicodeRegExp: false, validateFormats: false, allErrors: true });
const isSarif = sarif.compile(JSON.parse(readFileSync(new URL(schema), "utf8")) as object);

function expectSarif(log: object): void {
  expect(isSarif(log), JSON.stringify(isSarif.errors)).toBe(true);
}

const article = readArticle(readSettings().article);
const recorded = recordedRun(article) as Results;
const misleading = recorded.claims.filter(({ verdict }) => verdict === "refuted");
const lines = article.text.split("\n");
const file = "docs/an article.md";

/** The same run, but one claim came out otherwise, and one could not be tested; a program printed what no XML may have. */
const [first, second] = recorded.claims.filter(({ verdict }) => verdict === "holds");
const otherwise: Results = {
  ...recorded,
  claims: recorded.claims.map((claim): ClaimResult => {
    if (claim.id === first?.id) return { ...claim, verdict: "refuted", why: 'one & <two>"\u0007' };
    return claim.id === second?.id ? { ...claim, verdict: "inconclusive", why: "not in time" } : claim;
  }),
};

test("there are sentences that mislead", () => {
  expect(misleading.length).toBeGreaterThan(10);
});

test("a claim's region has its words in it, from the first letter to the last", () => {
  for (const { id, quote } of recorded.claims) {
    const [{ startLine, startColumn, endLine, endColumn }] = regionsOf(id, article);
    const between = lines.slice(startLine - 1, endLine);
    const words = [...between.slice(0, -1), (between.at(-1) ?? "").slice(0, endColumn - 1)].join("\n");
    expect(words.slice(startColumn - 1), id).toBe(quote);
  }
});

test("SARIF is valid, and has each misleading sentence at its place", () => {
  const log = sarifOf(recorded, article, file);
  expect(log).toEqual(expect.objectContaining({ version: "2.1.0" }));
  expectSarif(log);
  expect(isSarif({ ...log, runs: [{ results: [{ level: "bad" }] }] })).toBe(false);
  const results = log.runs[0]?.results ?? [];
  expect(results.filter(({ level }) => level === "warning").map(({ ruleId }) => ruleId)).toEqual(
    misleading.map(({ id }) => id),
  );
  for (const { id, quote } of misleading) {
    const region = results.find(({ ruleId }) => ruleId === id)?.locations?.[0]?.physicalLocation?.region;
    expect(region, id).toMatchObject(regionsOf(id, article)[0]);
    const line = lines[(region?.startLine ?? 0) - 1] ?? "";
    expect(line.slice((region?.startColumn ?? 0) - 1).startsWith(quote.split("\n")[0] ?? ""), id).toBe(true);
  }
  const rules = new Map(log.runs[0]?.tool.driver.rules?.map((rule) => [rule.id, rule]));
  for (const { id, because, instead } of misleading) {
    expect(rules.get(id)?.help?.text).toContain(because?.en);
    if (instead !== undefined) expect(rules.get(id)?.help?.text).toContain("It could say: ");
  }
});

test("a result keeps its fingerprint when the text is edited elsewhere, and no two have the same", () => {
  const prints = (text: string) =>
    (sarifOf(recorded, { ...article, text }, file).runs[0]?.results ?? []).map(
      ({ partialFingerprints }) => partialFingerprints,
    );
  const before = prints(article.text);
  const edited = prints(`One line more.\n\n${article.text}`);
  expect(edited).toEqual(before);
  expect(new Set(before.map((each) => JSON.stringify(each))).size).toBe(before.length);
});

test("SARIF tells other verdicts than expected from sentences that mislead, and what could not be tested", () => {
  const log = sarifOf(otherwise, article, file);
  expectSarif(log);
  const results = log.runs[0]?.results ?? [];
  expect(results.find(({ ruleId }) => ruleId === first?.id)).toMatchObject({ level: "error", kind: "fail" });
  expect(results.find(({ ruleId }) => ruleId === second?.id)).toMatchObject({ level: "none", kind: "review" });
});

test("rdjson is valid, has each misleading sentence at its place in bytes, and its correction as a replacement", () => {
  const rdjson = rdjsonOf(recorded, article, file);
  const { valid, errors } = new RDFormatValidator({ strictMode: true }).validateObject(rdjson);
  expect({ valid, errors }).toEqual({ valid: true, errors: [] });
  for (const { id, quote } of misleading) {
    const found = rdjson.diagnostics.find(({ code }) => code.value === id);
    const { start, end } = found?.location.range ?? { start: { line: 0, column: 0 }, end: { line: 0, column: 0 } };
    const between = lines.slice(start.line - 1, end.line).map((line) => Buffer.from(line));
    const last = between.pop()?.subarray(0, end.column - 1) ?? Buffer.alloc(0);
    expect([...between, last].join("\n").length, id).toBeGreaterThan(0);
    const words = Buffer.from([...between, last].map(String).join("\n"))
      .subarray(start.column - 1)
      .toString();
    expect(words, id).toBe(quote);
  }
});

test("who commits all suggestions has the corrected text", () => {
  const { diagnostics } = rdjsonOf(recorded, article, file);
  const bytes = Buffer.from(article.text);
  const starts = lines.map((_, index) =>
    Buffer.byteLength(
      lines
        .slice(0, index)
        .map((line) => `${line}\n`)
        .join(""),
    ),
  );
  const at = ({ line, column }: { line: number; column: number }) => (starts[line - 1] ?? 0) + column - 1;
  const edits = diagnostics
    .flatMap(({ suggestions = [] }) => suggestions)
    .map(({ range, text }) => ({ from: at(range.start), to: at(range.end), text }))
    .toSorted((a, b) => b.from - a.from);
  const corrected = edits.reduce(
    (text, edit) => Buffer.concat([text.subarray(0, edit.from), Buffer.from(edit.text), text.subarray(edit.to)]),
    bytes,
  );
  expect(edits.length).toBeGreaterThan(10);
  expect(corrected.toString()).toBe(correctedIn(recorded, article).article.text);
  for (const { location, suggestions = [] } of diagnostics)
    for (const { range } of suggestions) {
      expect(range.start.line).toBeGreaterThanOrEqual(location.range.start.line);
      expect(range.end.line).toBeLessThanOrEqual(location.range.end.line);
    }
});

test("JUnit has a test for each claim at its line of the article, and says what came of it", () => {
  const xml = junitOf(otherwise, article, file);
  const counts = /^<testsuites [^>]*tests="(\d+)" failures="(\d+)" errors="(\d+)"/m.exec(xml)?.slice(1).map(Number);
  const judged = recorded.claims.filter(({ verdict }) => verdict !== undefined);
  expect(counts).toEqual([judged.length, 1, 1]);
  for (const { id } of misleading)
    expect(xml).toMatch(
      new RegExp(
        `<testcase [^>]*file="docs/an article\\.md" line="${regionsOf(id, article)[0].startLine}"[^>]*><properties><property name="claim" value="${id}">`,
      ),
    );
  expect(xml).toContain("one &amp; &lt;two>");
  expect(xml).not.toContain("\u0007");
});
