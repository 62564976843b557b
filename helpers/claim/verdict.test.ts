import { expect, test } from "vitest";
import { Inconclusive, judgementOf, NeedsFeature, positiveControl } from "./verdict.ts";

test("a judge that objects to nothing holds", () => {
  expect(judgementOf(() => {})).toEqual({ verdict: "holds", why: "" });
});

test.each<[() => void, string]>([
  [() => expect("refused", "the port").toBe("answered"), "the port: 'refused', not 'answered'"],
  [() => expect("answered", "the port").not.toBe("answered"), "the port: 'answered', which the sentence rules out"],
  [() => expect(20, "answers").toBe(0), "answers: 20, not 0"],
  [() => expect([".plugins[].mtu"], "fields").toEqual([]), "fields: [ '.plugins[].mtu' ], not none"],
  [() => expect([], "packets").not.toEqual([]), "packets: none, and the sentence needs some"],
  [() => expect(["a"], "modes").toContain("b"), "modes: [ 'a' ], without 'b'"],
  [() => expect("NOW: +0000", "the page").toContain("nginx"), "the page: 'NOW: +0000', without 'nginx'"],
  [() => expect(0, "rules").toBeGreaterThan(0), "rules: 0, and the sentence needs more than 0"],
  [() => expect("a", "the name").toMatch(/b/), "the name: expected 'a' to match /b/"],
])("a failed assertion refutes, in words that need no knowledge of tests (%#)", (judge, why) => {
  expect(judgementOf(judge)).toEqual({ verdict: "refuted", why });
});

test("a missing feature is external", () => {
  const judgement = judgementOf(() => {
    throw new NeedsFeature("the kernel has no IP_VS");
  });
  expect(judgement).toEqual({ verdict: "external", why: "the kernel has no IP_VS" });
});

test.each([
  ["an error", new TypeError("x is undefined"), "TypeError: x is undefined"],
  [
    "a failed control",
    new Inconclusive("positive control failed: DNS answers"),
    "Inconclusive: positive control failed: DNS answers",
  ],
  ["no error at all", "a string", "a value that is no Error was thrown: a string"],
])("%s is inconclusive, never a verdict", (_name, thrown, why) => {
  const judgement = judgementOf(() => {
    throw thrown;
  });
  expect(judgement).toEqual({ verdict: "inconclusive", why });
});

test("a positive control that fails makes its check inconclusive", () => {
  expect(() => positiveControl(true, "the server answers")).not.toThrow();
  expect(judgementOf(() => positiveControl(false, "the server answers")).verdict).toBe("inconclusive");
});
