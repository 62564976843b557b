import { existsSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { z } from "zod";
import { type Article, type Claim, quotePosition, textFile } from "./article.ts";
import { parsed } from "./files.ts";

/** The list of Kubernetes' conformance tests in an article's folder. */
export const conformanceFile = "conformance.yaml";

const ConformanceTest = z.strictObject({ codename: z.string(), file: z.string(), release: z.string() });
/** A test of Kubernetes' own conformance suite: its name with its tags, its source file, and since when it is one. */
export type ConformanceTest = z.infer<typeof ConformanceTest>;

const ConformanceList = z.strictObject({ kubernetes: z.string(), tests: z.array(ConformanceTest).min(1) });
/** The conformance tests of a version, of networking alone, in Kubernetes' order. */
export type ConformanceList = z.infer<typeof ConformanceList>;

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

/** Returns the list in an article's folder, or undefined if there is none. @throws UserError if it is malformed */
export function conformanceListOf(folder: string): ConformanceList | undefined {
  return existsSync(join(folder, conformanceFile)) ? parsed(ConformanceList, folder, conformanceFile) : undefined;
}

/** Returns the tests of networking in the text of Kubernetes' `test/conformance/testdata/conformance.yaml`. @throws ZodError if it is no such text */
export function networkTestsIn(text: string): ConformanceTest[] {
  const all = z.array(z.looseObject(ConformanceTest.shape)).parse(parse(text));
  return all
    .filter(({ codename }) => codename.startsWith("[sig-network]"))
    .map(({ codename, file, release }) => ({ codename, file, release }));
}

/** Returns a list as its file has it. */
export function conformanceListAsYaml(list: ConformanceList): string {
  return `# What npm run conformance took from ${conformanceSource} of the module k8s.io/kubernetes.\n${stringify(list, { lineWidth: 0 })}`;
}

/** Where Kubernetes' module has the list of all its conformance tests. */
export const conformanceSource = "test/conformance/testdata/conformance.yaml";

/** Returns a test's name as claims have it: without its [tags]. */
export function untagged({ codename }: Pick<ConformanceTest, "codename">): string {
  return codename
    .replaceAll(/\[[^\]]*\]/g, "")
    .replaceAll(/ {2,}/g, " ")
    .trim();
}

/** A test and the claims that cover it. */
export interface Covered {
  readonly test: ConformanceTest;
  readonly by: readonly Claim[];
}

/** Returns each test of a list with the claims that cover it, and names in claims that no test of the list has. */
export function conformanceCoverage(
  { claims }: Pick<Article, "claims">,
  { tests }: ConformanceList,
): { readonly tests: readonly Covered[]; readonly unknown: readonly string[] } {
  const names = new Set(tests.map(untagged));
  return {
    tests: tests.map((test) => ({ test, by: claims.filter(({ covers }) => covers.includes(untagged(test))) })),
    unknown: claims.flatMap(({ id, covers }) =>
      covers.filter((name) => !names.has(name)).map((name) => `${id}: ${name}`),
    ),
  };
}

/**
 * Returns the page on which of Kubernetes' conformance tests the claims of an article cover, as Markdown.
 *
 * @param folder the article's, from the page's own folder, as links have it
 */
export function conformanceAsMarkdown(article: Article, list: ConformanceList, folder: string): string {
  const { tests } = conformanceCoverage(article, list);
  const judged = article.claims.filter(({ expect }) => expect !== undefined);
  const covering = judged.filter(({ covers }) => covers.length > 0).length;
  const link = (claim: Claim) => {
    const line = article.text.slice(0, quotePosition(article.text, claim)).split("\n").length;
    return `[${cell(claim.en)}](${folder}/${textFile}?plain=1#L${line} "${claim.id}")`;
  };
  const source = `https://github.com/kubernetes/kubernetes/blob/${list.kubernetes}`;
  return `${[
    "# Kubernetes' own conformance tests, and the claims that cover them",
    `Written by \`npm run conformance\` from the claims of [${article.title.en}](${folder}/${textFile}) and from Kubernetes' [list of its conformance tests](${source}/${conformanceSource}).`,
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
