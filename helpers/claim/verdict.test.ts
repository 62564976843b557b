import { expect, test } from "vitest";
import { Inconclusive, judgementOf, NeedsFeature, positiveControl } from "./verdict.ts";

test("a judge that objects to nothing holds", () => {
  expect(judgementOf(() => {})).toEqual({ verdict: "holds", why: "" });
});

test("a failed assertion refutes, in its own words", () => {
  const judgement = judgementOf(() => expect("refused", "the port, asked from outside").toBe("answered"));
  expect(judgement.verdict).toBe("refuted");
  expect(judgement.why).toContain("the port, asked from outside");
  expect(judgement.why).toContain("expected 'refused' to be 'answered'");
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
