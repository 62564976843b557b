import { expect, test } from "vitest";
import { longestFirst } from "./longest-first.ts";

test("first come claims that take no time, then the longest; the others stay in their order", () => {
  const known = new Map([
    ["long", 60_000],
    ["middle", 8_000],
    ["quick", 300],
    ["as long", 60_000],
  ]);
  const tests = ["middle", "new", "long", "quick", "as long"].map((name) => ({ name }));
  expect(longestFirst(tests, known).map(({ name }) => name)).toEqual(["new", "quick", "long", "as long", "middle"]);
});
