import { expect, test } from "vitest";
import { readArticle } from "../helpers/article/article.ts";
import { type ClaimResult, Results } from "../helpers/claim/results.ts";
import { readSettings } from "../helpers/host/settings.ts";
import { annotationsOf, jobSummaryOf } from "./github.ts";
import { recordedRun } from "./pages/pages.ts";
import { wrongSentences } from "./sentences.ts";
import { countsOf } from "./summary.ts";

const recorded = recordedRun(readArticle(readSettings().article)) as Results;
const article = readArticle(readSettings().article);
const held = recorded.claims.find(({ verdict }) => verdict === "holds") as ClaimResult;
const altered = (change: object): Results => ({
  ...recorded,
  claims: recorded.claims.map((claim) => (claim.id === held.id ? { ...claim, ...change } : claim)),
});

test("a run with every verdict as expected annotates nothing, and sums up what is wrong", () => {
  expect(annotationsOf(recorded, article)).toEqual([]);
  const summary = jobSummaryOf(recorded);
  expect(summary).toContain(countsOf(recorded.claims));
  const wrong = wrongSentences(recorded.claims).length;
  expect(wrong).toBeGreaterThan(5);
  expect(summary).toContain(`### Where the article is wrong on this cluster: ${wrong}`);
  expect(summary).not.toContain("Not as expected");
  for (const { claim } of wrongSentences(recorded.claims))
    expect(summary.match(new RegExp(`^\\| .*\\(${claim.id}\\)`, "gm"))).toHaveLength(1);
});

test("a verdict that is not the expected one is an error in the article's line, an untested one a warning", () => {
  const line = article.text.slice(0, article.text.indexOf(held.quote)).split("\n").length;
  const why = "100 % is\nnot: this, one";
  expect(annotationsOf(altered({ verdict: "refuted", why }), article)).toEqual([
    expect.stringMatching(
      new RegExp(
        `^::error file=specs/[^/]+/article.md,line=${line},title=${held.id}%3A expected holds%2C got refuted::.*%0A100 %25 is%0Anot: this, one$`,
      ),
    ),
  ]);
  expect(annotationsOf(altered({ verdict: "inconclusive", why: "not in time" }), article)).toEqual([
    expect.stringMatching(/^::warning .*got inconclusive::/),
  ]);
});

test("what came from a cluster stays text in the summary", () => {
  const summary = jobSummaryOf(altered({ verdict: "refuted", why: "<img src=x> | *a*\n`b`" }));
  expect(summary).toContain(String.raw`| &lt;img src=x> \| \*a\*<br>\`b\` |`);
});
