import { expect, test } from "vitest";
import { asTyped } from "./command.ts";

test.each([
  ["npm run claims lists them", "npx knc claims lists them"],
  ["npm run new-claim -- ID", "npx knc new-claim ID"],
  ["npm run --silent matrix -- --list", "npx knc matrix --list"],
  ["npm test -- -t a, npm test", "npx knc check -t a, npx knc check"],
])("in the package, %s is typed %s", (text, typed) => {
  expect(asTyped(text, ".js")).toBe(typed);
  expect(asTyped(text, ".ts")).toBe(text);
});
