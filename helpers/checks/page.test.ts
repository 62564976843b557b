import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { checksAsMarkdown } from "./page.ts";

test("the page has the checks as they are; npm run checks writes it anew", () => {
  expect(readFileSync(new URL("../../docs/checks.md", import.meta.url), "utf8")).toBe(checksAsMarkdown());
});
