import { cpSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type Claim, readArticle } from "../helpers/article/article.ts";
import { Results } from "../helpers/claim/results.ts";
import { UserError } from "../helpers/host/errors.ts";
import { readSettings } from "../helpers/host/settings.ts";
import { collectResults } from "./results.ts";
import { sampleResult, writeResult, writeRun } from "./samples.ts";

const article = readArticle(readSettings().article);
const { claims } = article;
const checked = claims.filter(({ excluded }) => excluded === undefined);

function outputFolder(): string {
  const out = mkdtempSync(join(tmpdir(), "results-"));
  onTestFinished(() => rmSync(out, { recursive: true }));
  return out;
}

function asExpected(claim: Claim) {
  return sampleResult(claim, { verdict: claim.expect?.[0]?.verdict ?? "holds", why: "" }, article);
}

/** Writes a run in which the given claims ran. */
function ran(entries: readonly Claim[], selection = ""): string {
  const out = outputFolder();
  writeRun(out, selection);
  for (const claim of entries) writeResult(out, asExpected(claim));
  return out;
}

test("gives every claim of the catalogue in its order and is complete when all have a verdict", () => {
  const out = ran(checked.toReversed());
  const results = collectResults(out, article);
  expect(results.claims.map(({ id }) => id)).toEqual(claims.map(({ id }) => id));
  expect(results.complete).toBe(true);
  expect(Results.parse(JSON.parse(readFileSync(join(out, "results.json"), "utf8")))).toEqual(results);
  expect(results.suite.commit).toMatch(/^([0-9a-f]{40}|unknown)$/);
  expect(results.article.sha256).toMatch(/^[0-9a-f]{64}$/);
});

test("lists a claim that never got its verdict, and is incomplete", () => {
  const [missing, ...others] = checked;
  const results = collectResults(ran(others), article);
  expect(results.claims).toHaveLength(claims.length);
  expect(results.claims.find(({ id }) => id === missing?.id)).toMatchObject({ evidence: [] });
  expect(results.claims.find(({ id }) => id === missing?.id)).not.toHaveProperty("verdict");
  expect(results.complete).toBe(false);
});

test("is the same when it is put together again later, elsewhere", () => {
  const out = ran(checked);
  for (const { id } of checked) utimesSync(join(out, "claims", `${id}.json`), 1_795_523_219, 1_795_523_219);
  utimesSync(join(out, "run.json"), 1_795_523_190, 1_795_523_190);
  const first = collectResults(out, article);
  expect(first.finished).toBe("2026-11-24T12:26:59.000Z");
  const copy = outputFolder();
  cpSync(out, copy, { recursive: true, preserveTimestamps: true });
  expect(collectResults(copy, article)).toEqual(first);
});

test("of a run that was asked for some claims it lists those that ran, and no others", () => {
  const out = ran(checked.slice(0, 2), "-t Pods");
  writeFileSync(join(out, "tests.json"), '{"run":2}');
  const results = collectResults(out, article);
  expect(results.claims.map(({ id }) => id)).toEqual(checked.slice(0, 2).map(({ id }) => id));
  expect(results).toMatchObject({ complete: true, selection: "-t Pods" });
});

test.each([
  ["a test without a result", '{"run":3}'],
  ["no end of the run", undefined],
])("of such a run it is incomplete with %s", (_what, report) => {
  const out = ran(checked.slice(0, 2), "-t Pods");
  if (report !== undefined) writeFileSync(join(out, "tests.json"), report);
  expect(collectResults(out, article).complete).toBe(false);
});

test.each([
  ["a file that is missing", (out: string) => rmSync(join(out, "world.json")), /world\.json: ENOENT/],
  [
    "a file that is cut off",
    (out: string) => writeFileSync(join(out, "phases.json"), '[{"name'),
    /phases\.json: .*JSON/,
  ],
  [
    "an unknown verdict",
    (out: string) => writeResult(out, { ...asExpected(checked[0] as Claim), verdict: "maybe" as "holds" }),
    /\.json: verdict: Invalid option/,
  ],
  [
    "a claim that the catalogue does not have",
    (out: string) => writeResult(out, { ...asExpected(checked[0] as Claim), id: "gone" }),
    /claims\/gone\.json: no such claim/,
  ],
])("refuses %s in one line", (_what, spoil, message) => {
  const out = ran(checked);
  spoil(out);
  expect(() => collectResults(out, article)).toThrow(UserError);
  expect(() => collectResults(out, article)).toThrow(message);
});
