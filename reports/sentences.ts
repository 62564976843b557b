import type { Texts } from "../helpers/article/languages.ts";
import type { ClaimResult } from "../helpers/claim/results.ts";

/** A sentence that misleads: the claim that has its correction, and others that look at the same mistake. */
export interface WrongSentence {
  readonly claim: ClaimResult;
  readonly others: readonly ClaimResult[];
}

/** Returns the sentences that are wrong in a run, in the article's order: claims that repeat one another are one sentence. */
export function wrongSentences(claims: readonly ClaimResult[]): WrongSentence[] {
  const wrong = claims.filter(({ verdict }) => verdict === "refuted");
  const bySentence = Map.groupBy(wrong, ({ id, repeats = id }) => repeats);
  return [...bySentence].flatMap(([corrected, same]) => {
    // Where the claim with the correction is not refuted here, the first of the others stands for it.
    const claim = same.find(({ id }) => id === corrected) ?? same[0];
    return claim === undefined ? [] : [{ claim, others: same.filter((other) => other !== claim) }];
  });
}

/** Returns how many sentences mislead, in English. */
export function misleadingInWords({ length }: readonly unknown[]): string {
  if (length === 0) return "no sentence misleads";
  return length === 1 ? "1 sentence misleads" : `${length} sentences mislead`;
}

/** Returns the claims that hold as expected, with something to know beside. */
export function notedClaims(claims: readonly ClaimResult[]): ClaimResult[] {
  return claims.filter(
    ({ verdict, expected, note }) => verdict === "holds" && expected === "holds" && note !== undefined,
  );
}

/** Returns whether a claim is refuted as expected, and its correction was not found wrong; older runs did not judge corrections. */
export function isCorrected({ verdict, expected, correction }: ClaimResult): boolean {
  return verdict === "refuted" && expected === "refuted" && (correction?.verdict ?? "holds") === "holds";
}

/** Returns what a refuted sentence could say, unless that does not hold in the run either. */
export function correctionOf(claim: ClaimResult): Texts | undefined {
  return (claim.correction?.verdict ?? "holds") === "holds" ? claim.instead : undefined;
}
