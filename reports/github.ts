import { appendFileSync } from "node:fs";
import { relative } from "node:path";
import type { Article } from "../helpers/article/article.ts";
import { furtherTexts } from "../helpers/article/languages.ts";
import type { ClaimResult, Results } from "../helpers/claim/results.ts";
import { worldInWords } from "../helpers/claim/world.ts";
import { lineOf } from "./places.ts";
import { wrongSentences } from "./sentences.ts";
import { countsOf } from "./summary.ts";
import { symbols } from "./words.ts";

/** Tells GitHub, where it runs this, what came out: an annotation for each claim that is not as expected, and the job's summary. */
export function tellGitHub(results: Results, article: Article, environment: NodeJS.ProcessEnv = process.env): void {
  if (environment["GITHUB_ACTIONS"] === undefined) return;
  for (const line of annotationsOf(results, article)) process.stdout.write(`${line}\n`);
  const summary = environment["GITHUB_STEP_SUMMARY"];
  if (summary !== undefined) appendFileSync(summary, jobSummaryOf(results));
}

/**
 * Returns GitHub's workflow commands that mark the article's lines whose claims came out otherwise than expected (errors) or
 * could not be tested (warnings). Source: GitHub Docs, "Workflow commands for GitHub Actions".
 */
export function annotationsOf(results: Results, article: Article): string[] {
  return notAsExpected(results).map((claim) => {
    const { id, verdict, expected, en, why = "" } = claim;
    const properties = Object.entries({
      file: relative(process.cwd(), article.file),
      line: String(lineOf(claim, article)),
      title: `${id}: expected ${expected}, got ${verdict}`,
    }).map(([name, value]) => `${name}=${escaped(value).replaceAll(":", "%3A").replaceAll(",", "%2C")}`);
    const text = why === "" ? en : `${en}\n${why}`;
    return `::${verdict === "inconclusive" ? "warning" : "error"} ${properties.join(",")}::${escaped(text)}`;
  });
}

function escaped(text: string): string {
  return text.replaceAll("%", "%25").replaceAll("\r", "%0D").replaceAll("\n", "%0A");
}

/** Returns a run's outcome as Markdown: counts, what is not as expected, and which sentences are wrong and why. */
export function jobSummaryOf(results: Results): string {
  const { world, article, claims } = results;
  const wrong = wrongSentences(claims.filter(({ verdict, expected }) => verdict === expected)).map(
    ({ claim }) => claim,
  );
  return [
    `## ${article.en}: ${worldInWords(world)}`,
    "",
    countsOf(claims),
    "",
    ...table("Not as expected", notAsExpected(results), ({ expected, verdict = "inconclusive", why = "" }) => [
      `${symbols[verdict]} ${verdict}, expected ${expected}`,
      why,
    ]),
    ...table("Where the article is wrong on this cluster", wrong, ({ because, tried, why = "" }) => [
      because === undefined ? "" : [because.en, ...furtherTexts(because, article.languages)].join("\n"),
      [tried?.en, why].filter(Boolean).join("\n"),
    ]),
  ].join("\n");
}

function notAsExpected({ claims }: Results): ClaimResult[] {
  return claims.filter(({ verdict, expected }) => verdict !== undefined && verdict !== expected);
}

function table(title: string, claims: readonly ClaimResult[], cells: (claim: ClaimResult) => string[]): string[] {
  if (claims.length === 0) return [];
  const row = (words: readonly string[]) => `| ${words.map(cell).join(" | ")} |`;
  return [
    `### ${title}: ${claims.length}`,
    "",
    "| sentence | claim | | |",
    "| --- | --- | --- | --- |",
    ...claims.map((claim) => row([claim.quote, `${claim.en} (${claim.id})`, ...cells(claim)])),
    "",
  ];
}

/** What a cluster says must not become Markdown or HTML. */
function cell(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(/[\\`*_|[\]]/g, String.raw`\$&`)
    .replaceAll(/\s*\n\s*/g, "<br>");
}
