import { expect, test } from "vitest";
import type { Expectation } from "../article/article.ts";
import type { Check } from "./check.ts";
import { correctionOf } from "./correction.ts";

const refuted: Expectation = {
  verdict: "refuted",
  because: { en: "It was seen to be otherwise." },
  instead: { en: "there are two" },
  link: "https://kubernetes.io/",
};
const without: Check<unknown, { count: number }> = {
  observe: async () => ({ count: 2 }),
  judge: ({ count }) => expect(count).toBe(3),
};
const check: typeof without = {
  ...without,
  corrected: ({ count }, words) => expect(`there are ${{ 2: "two", 4: "four" }[count]}`, "so many").toBe(words),
};

test("a correction is judged by its words and the claim's own observation, and what decides it is told", () => {
  expect(correctionOf(check, refuted, { count: 2 })).toEqual({
    correction: { verdict: "holds", why: "", deciding: [{ place: "count", value: "2" }] },
  });
  expect(correctionOf(check, refuted, { count: 4 }).correction).toMatchObject({
    verdict: "refuted",
    why: "so many: 'there are four', not 'there are two'",
  });
});

test("nothing is told of a correction that is not in force, or that the check does not judge", () => {
  expect(correctionOf(check, { ...refuted, verdict: "holds" }, { count: 2 })).toEqual({});
  expect(correctionOf(without, refuted, { count: 2 })).toEqual({});
});
