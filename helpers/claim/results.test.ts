import { expect, test } from "vitest";
import type { ExpectedVerdict } from "../article/article.ts";
import { type ClaimResult, exitCodeOf, Results } from "./results.ts";
import type { Verdict } from "./verdict.ts";

const result = (verdict: Verdict, expected: ExpectedVerdict = "holds"): ClaimResult => ({
  id: "a",
  ref: 1,
  section: "s",
  quote: "q",
  en: "e",
  needs: [],
  verdict,
  expected,
  standIns: [],
  evidence: [],
  controls: [],
});
const excluded: ClaimResult = {
  id: "b",
  ref: 2,
  section: "s",
  quote: "q",
  en: "e",
  needs: [],
  excluded: "an opinion",
  standIns: [],
  evidence: [],
  controls: [],
};

test.each([
  ["all as expected", [result("holds"), result("refuted", "refuted"), excluded], true, 0],
  ["a surprise", [result("holds"), result("refuted")], true, 1],
  ["something that holds though it was expected to be refuted", [result("holds", "refuted")], true, 1],
  ["something inconclusive", [result("holds"), result("inconclusive")], true, 2],
  ["a surprise and something inconclusive", [result("refuted"), result("inconclusive")], true, 1],
  ["an incomplete run", [result("holds")], false, 2],
  ["no claim at all", [], true, 2],
  ["nothing but exclusions", [excluded], true, 2],
  ["something external beside what was judged", [result("holds"), result("external", "external")], true, 0],
  ["nothing but what is external", [result("external", "external"), excluded], true, 2],
])("%s", (_name, claims, complete, code) => {
  expect(exitCodeOf({ claims, complete, world: {} })).toBe(code);
});

test("that nothing could be judged is as expected only where kube-proxy does not start, and the cell says that it may not", () => {
  const run = { claims: [result("external", "external")], complete: true };
  const proxyFailure = "can't use the IPVS proxier";
  expect(exitCodeOf({ ...run, world: { mayNotStart: true, proxyFailure } })).toBe(0);
  expect(exitCodeOf({ ...run, world: { mayNotStart: true } })).toBe(2);
  expect(exitCodeOf({ ...run, world: { proxyFailure } })).toBe(2);
  expect(exitCodeOf({ ...run, complete: false, world: { mayNotStart: true, proxyFailure } })).toBe(2);
});

test("results of a time when they counted their evidence are read without that", () => {
  const { claims } = Results.shape;
  expect(claims.parse([{ ...result("holds"), attempts: 3 }])).toEqual([result("holds")]);
  expect(() => claims.parse([{ ...result("holds"), attempt: 3 }])).toThrow("attempt");
});
