import type { Article, Expectation } from "../article/article.ts";
import { type Corrected, correctedArticle } from "../article/corrected.ts";
import type { Facts } from "../article/expectation.ts";
import type { Check } from "./check.ts";
import { expectationIn } from "./expected.ts";
import { decidingValues } from "./mutants.ts";
import type { ClaimResult } from "./results.ts";
import { type Judgement, judgementOf } from "./verdict.ts";

/** Environment variable that has the specs judge the corrected text instead of the article's own. */
export const correctedVariable = "KIND_NETWORK_CONFORMANCE_CORRECTED";

/** Returns the words of an expectation's correction that a check is given; empty where only the claim has it that is repeated. */
export function wordsOf({ instead }: Expectation): string {
  return instead?.en ?? "";
}

/** Returns what a check's correction is by an observation, where it is in force and the check judges it. */
export function judgeCorrection<Lab, Observation>(
  check: Check<Lab, Observation>,
  expectation: Expectation,
  observation: Observation,
): Judgement | undefined {
  if (expectation.verdict !== "refuted" || check.corrected === undefined) return undefined;
  return judgementOf(() => check.corrected?.(observation, wordsOf(expectation)));
}

/** Returns what a claim's result tells of its correction. */
export function correctionOf<Lab, Observation>(
  check: Check<Lab, Observation>,
  expectation: Expectation,
  observation: Observation,
): Pick<ClaimResult, "correction"> {
  const judgement = judgeCorrection(check, expectation, observation);
  if (judgement === undefined) return {};
  const deciding = decidingValues(observation, (seen) => check.corrected?.(seen, wordsOf(expectation)));
  return { correction: { ...judgement, deciding } };
}

/**
 * Returns the article with all corrections that are to hold on a cluster.
 *
 * @param missing what it lacks of a claim's needs, in words
 */
export function correctedOn(
  article: Article,
  world: Facts,
  missing: (needs: readonly string[]) => string | undefined,
): Corrected {
  const known = article.claims.flatMap((claim) => {
    if (claim.expect === undefined) return [];
    const expectation = expectationIn(claim, world, missing(claim.needs));
    return expectation.verdict === "refuted" ? [[claim.id, expectation] as const] : [];
  });
  return correctedArticle(article, new Map(known));
}
