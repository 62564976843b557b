import { expect, test } from "vitest";
import { readArticle } from "../../helpers/article/article.ts";
import type { Results } from "../../helpers/claim/results.ts";
import { errataAsMarkdown } from "../../reports/errata.ts";
import { recordedRun } from "../../reports/pages/pages.ts";

const article = readArticle(import.meta.dirname);

test("the errata name every line in which a claim is made", () => {
  // Line 260 prints the first of them too, in a command that is another claim.
  expect(errataAsMarkdown(recordedRun(article) as Results, article)).toContain(
    "行 · lines 250, 293 (`sample-cluster-ips-are-possible`)",
  );
});
