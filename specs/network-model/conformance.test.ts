import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readArticle } from "../../helpers/article/article.ts";
import { conformanceCoverage, conformanceListOf, untagged } from "../../helpers/article/conformance.ts";
import { projectRoot } from "../../helpers/host/settings.ts";
import { conformanceAsMarkdown } from "../../reports/conformance.ts";

const article = readArticle(import.meta.dirname);
const list = conformanceListOf(article.folder) ?? { kubernetes: "", tests: [] };

test("claims cover tests that Kubernetes has", () => {
  expect(list.tests.length).toBeGreaterThan(0);
  expect(conformanceCoverage(article, list).unknown).toEqual([]);
});

test("the page has the claims and the tests as they are; npm run conformance writes it anew", () => {
  const docs = join(projectRoot, "docs");
  expect(readFileSync(join(docs, "conformance.md"), "utf8")).toBe(conformanceAsMarkdown(article, list, docs));
});

test("every conformance test is covered", () => {
  const { tests } = conformanceCoverage(article, list);
  expect(tests.flatMap(({ test: each, by }) => (by.length === 0 ? [untagged(each)] : []))).toEqual([]);
});
