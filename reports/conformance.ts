import { existsSync } from "node:fs";
import { join, relative } from "node:path";
import { z } from "zod";
import type { Article, Claim } from "../helpers/article/article.ts";
import {
  type ConformanceList,
  conformanceCoverage,
  conformanceSource,
  untagged,
} from "../helpers/article/conformance.ts";
import { parsed } from "../helpers/article/files.ts";
import { lineOf } from "./places.ts";

/** Where an article's folder has the last comparison with those tests: its claims and the tests on one cluster, in one run. */
export const comparisonFile = join("recordings", "conformance-run.json");

const Comparison = z.strictObject({
  date: z.iso.date(),
  kubernetes: z.string(),
  claims: z.strictObject({ judged: z.int(), unexpected: z.array(z.string()), seconds: z.number() }),
  tests: z.strictObject({
    run: z.int(),
    failed: z.array(z.strictObject({ name: z.string(), why: z.string() })),
    seconds: z.number(),
    images: z.enum(["published", "built"]),
  }),
});
/** An article's claims and Kubernetes' own conformance tests of networking, on one cluster in one run. */
export type Comparison = z.infer<typeof Comparison>;

/** Returns the comparison in an article's folder, or undefined if there is none. @throws UserError if it is malformed */
function comparisonOf(folder: string): Comparison | undefined {
  return existsSync(join(folder, comparisonFile)) ? parsed(Comparison, folder, comparisonFile) : undefined;
}

/**
 * Returns the page on which of Kubernetes' conformance tests the claims of an article cover, as Markdown.
 *
 * @param docs the page's own folder, from which its links lead
 */
export function conformanceAsMarkdown(article: Article, list: ConformanceList, docs: string): string {
  const { tests } = conformanceCoverage(article, list);
  const judged = article.claims.filter(({ expect }) => expect !== undefined);
  const covering = judged.filter(({ covers }) => covers.length > 0).length;
  const text = relative(docs, article.file);
  const link = (claim: Claim) => `[${cell(claim.en)}](${text}?plain=1#L${lineOf(claim, article)} "${claim.id}")`;
  const source = `https://github.com/kubernetes/kubernetes/blob/${list.kubernetes}`;
  return `${[
    "# Kubernetes' own conformance tests, and the claims that cover them",
    `Written by \`npm run conformance\` from the claims of [${article.title.en}](${text}) and from Kubernetes' [list of its conformance tests](${source}/${conformanceSource}).`,
    `Of the ${tests.length} tests \`[sig-network] … [Conformance]\` of Kubernetes ${list.kubernetes}, **${tests.filter(({ by }) => by.length > 0).length} of ${tests.length}** are covered: what the test asserts, the claims beside it assert between them. Claims that cover a test: ${covering}. Claims on what the list leaves out: ${judged.length - covering}.`,
    [
      "| | test | since | claims |",
      "| --- | --- | --- | --- |",
      ...tests.map(
        ({ test, by }, index) =>
          `| ${index + 1} | [${cell(untagged(test))}](${source}/${test.file}) | ${test.release} | ${by.length === 0 ? "–" : by.map(link).join("<br>")} |`,
      ),
    ].join("\n"),
    ...comparisonAsMarkdown(article, comparisonOf(article.folder)),
  ].join("\n\n")}\n`;
}

/** Returns the paragraphs on how long the claims and the tests take; none without a comparison. */
function comparisonAsMarkdown({ id: article }: Pick<Article, "id">, comparison: Comparison | undefined): string[] {
  if (comparison === undefined) return [];
  const { date, kubernetes, claims, tests } = comparison;
  const row = (what: string, count: number, failed: number, seconds: number) =>
    `| ${what} | ${count} | ${failed} | ${seconds} | ${(seconds / count).toFixed(2)} |`;
  const times = tests.seconds / tests.run / (claims.seconds / claims.judged);
  return [
    "## How long both take",
    `One after the other on one cluster of ${kubernetes}, on ${date}, by \`npm run bench -- --conformance --article ${article}\`, which builds Kubernetes' own program of the tests from its module${tests.images === "built" ? "; their images were built here, too" : ""}. A claim takes 1/${times.toFixed(1)} of a test.`,
    [
      "| | checked | not as expected | seconds | seconds each |",
      "| --- | --- | --- | --- | --- |",
      row("claims of the article", claims.judged, claims.unexpected.length, claims.seconds),
      row("conformance tests", tests.run, tests.failed.length, tests.seconds),
    ].join("\n"),
    ...claims.unexpected.map((id) => `Not as expected: the claim \`${id}\`.`),
    ...tests.failed.map(({ name, why }) => `Failed: ${name}: ${cell(why)}`),
  ];
}

function cell(text: string): string {
  return text.replaceAll("|", String.raw`\|`);
}
