import type { Article, Claim, Expectation } from "../article/article.ts";
import { expectationFor, type Facts } from "../article/expectation.ts";
import { onlyTexts } from "../article/languages.ts";
import type { ClaimResult } from "./results.ts";

/**
 * Returns what has to come out on a cluster: `external` if it lacks something that the claim needs, else what
 * {@link expectationFor} finds.
 *
 * @param missing what it lacks, in words
 */
export function expectationIn(claim: Claim, facts: Facts, missing: string | undefined): Expectation {
  if (missing === undefined) return expectationFor(claim, facts);
  const link = claim.expect?.[0]?.link;
  if (link === undefined) throw new RangeError(`claim ${claim.id} has no expectation`);
  const because = { en: missing, zh: `這裡缺少這項主張所需的功能：${missing}` };
  return { verdict: "external", because, link };
}

/** Returns what a claim's result tells of the statement itself, in the article's languages. */
export function statementResult(
  claim: Claim,
  { languages }: Pick<Article, "languages">,
): Pick<ClaimResult, "id" | "ref" | "section" | "quote" | "en" | "tried" | "needs" | "repeats"> {
  const { id, ref, section, quote, tried, needs, repeats } = claim;
  return {
    ...{ id, ref, section, quote, ...onlyTexts(claim, languages), needs },
    ...(tried === undefined ? {} : { tried }),
    ...(repeats === undefined ? {} : { repeats }),
  };
}

/** Returns what a claim's result tells of its expectation. */
export function expectedResult(
  expectation: Expectation,
): Pick<ClaimResult, "expected" | "because" | "instead" | "note" | "since" | "link"> {
  const { when: _, edits: __, verdict, ...known } = expectation;
  return { expected: verdict, ...known };
}
