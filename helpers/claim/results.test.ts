import { expect, test } from "vitest";
import { type ClaimResult, exitCodeOf } from "./results.ts";
import type { Verdict } from "./verdict.ts";

const result = (verdict: Verdict, expected: "holds" | "refuted" = "holds"): ClaimResult => ({
  id: "a",
  ref: 1,
  section: "s",
  quote: "q",
  en: "e",
  zh: "z",
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
  zh: "z",
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
])("%s", (_name, claims, complete, code) => {
  expect(exitCodeOf({ claims, complete })).toBe(code);
});
