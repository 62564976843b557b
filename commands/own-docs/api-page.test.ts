import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { projectRoot } from "../../helpers/host/settings.ts";
import { apiAsMarkdown, readApi } from "./api-page.ts";

const groups = readApi();
const entries = groups.flatMap((group) => group.entries);

test("the page has what specs may import as it is; npm run api writes it anew", () => {
  expect(readFileSync(join(projectRoot, "docs", "api.md"), "utf8")).toBe(apiAsMarkdown(groups));
});

test("each export, and each function that it has, says what it is", () => {
  const functions = entries.flatMap(({ members }) => members).filter(({ code }) => /^[\w.]+(<.*>)?\(/.test(code));
  expect(functions.length).toBeGreaterThan(40);
  expect([...entries, ...functions].filter(({ comment }) => comment === "").map(({ name }) => name)).toEqual([]);
});

test("a name is on the page once, and the lab with what it has", () => {
  const names = entries.map(({ name }) => name);
  expect(new Set(names).size).toBe(names.length);
  const lab = entries.find(({ name }) => name === "Lab")?.members.map(({ name }) => name);
  expect(lab).toEqual(expect.arrayContaining(["pod", "services", "outsider", "eventually"]));
  expect(lab).not.toContain("constructor");
});
