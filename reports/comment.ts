import type { Article } from "../helpers/article/article.ts";
import type { ClaimResult, Results } from "../helpers/claim/results.ts";
import { worldInWords } from "../helpers/claim/world.ts";
import { linesOf } from "./places.ts";
import { correctionOf, misleadingInWords, wrongSentences } from "./sentences.ts";
import { inSourceLanguage } from "./words.ts";

/** Returns what marks the one comment on an article in a pull request: the next run finds it again. */
export function markerOf({ id }: Pick<Article, "id">): string {
  return `<!-- kind-network-conformance: ${id} -->`;
}

/**
 * Returns what a pull request changes for the readers of an article, as Markdown, or undefined if nothing: sentences that mislead now and did
 * not, or no longer do, and other verdicts that changed.
 *
 * @param base the results of the branch that it goes to; without them all sentences that mislead are told
 */
export function commentOf(results: Results, article: Article, base: Results | undefined): string | undefined {
  const wrong = wrongSentences(results.claims).map(({ claim }) => claim);
  const before = new Map(base?.claims.map((claim) => [claim.id, claim]));
  const wrongBefore = new Set(wrongSentences(base?.claims ?? []).map(({ claim }) => said(claim)));
  const wrongNow = new Set(wrong.map(said));
  const worse = wrong.filter((claim) => !wrongBefore.has(said(claim)));
  const better = wrongSentences(base?.claims ?? [])
    .map(({ claim }) => claim)
    .filter((claim) => !wrongNow.has(said(claim)));
  const others = results.claims.filter(({ id, verdict, quote }) => {
    const was = before.get(id);
    const told = verdict === "refuted" || was?.verdict === "refuted";
    return was?.verdict !== undefined && verdict !== was.verdict && !told && quote === was.quote;
  });
  if (worse.length + better.length + others.length === 0) return undefined;
  return [
    markerOf(article),
    `### ${results.article.en}`,
    "",
    `${worldInWords(results.world)}: ${misleadingInWords(wrong)}${base === undefined ? "" : `, ${wrongBefore.size} on the branch that this goes to`}.`,
    "",
    ...list(base === undefined ? "Misleading" : "Misleading since this change", worse, (claim) =>
      wrongOf(claim, article),
    ),
    ...list("No longer misleading", better, ({ quote }) => quoted(quote)),
    ...list("Other verdicts", others, ({ id, en, verdict }) => `${en}: ${before.get(id)?.verdict} → ${verdict}`),
  ].join("\n");
}

function wrongOf(claim: ClaimResult, article: Article): string {
  const { quote, because } = claim;
  const instead = correctionOf(claim);
  return [
    `line ${linesOf(claim, article).join(", ")}: ${quoted(quote)}`,
    ...(because === undefined ? [] : [`  ${because.en}`]),
    ...(instead === undefined ? [] : [`  It could say: ${quoted(inSourceLanguage(instead, article))}`]),
  ].join("\n");
}

/** A claim whose words were changed is another sentence. */
function said({ id, quote }: ClaimResult): string {
  return `${id}\n${quote}`;
}

function list(title: string, claims: readonly ClaimResult[], show: (claim: ClaimResult) => string): string[] {
  return claims.length === 0
    ? []
    : [`**${title}: ${claims.length}**`, "", ...claims.map((claim) => `- ${show(claim)}`), ""];
}

/** Words of the article between quotation marks, on one line, and none of them Markdown. */
function quoted(text: string): string {
  return `“${text.replaceAll(/\s*\n\s*/g, " ").replaceAll(/[\\`*_|[\]<>]/g, String.raw`\$&`)}”`;
}
