import type { Claim, Expectation } from "../article/article.ts";
import { expectationFor, type Facts } from "../article/expectation.ts";
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
  return { verdict: "external", because: { en: missing, zh: `這裡缺少這項主張所需的功能：${missing}` }, link };
}

/** Returns what a claim's result tells of the statement itself. */
export function statementResult({
  id,
  ref,
  section,
  quote,
  en,
  zh,
  tried,
  needs,
  repeats,
}: Claim): Pick<ClaimResult, "id" | "ref" | "section" | "quote" | "en" | "zh" | "tried" | "needs" | "repeats"> {
  return {
    ...{ id, ref, section, quote, en, zh, needs },
    ...(tried === undefined ? {} : { tried }),
    ...(repeats === undefined ? {} : { repeats }),
  };
}

/** Returns what a claim's result tells of its expectation. */
export function expectedResult(
  expectation: Expectation,
): Pick<ClaimResult, "expected" | "because" | "instead" | "note" | "since" | "link"> {
  const { when: _, verdict, ...known } = expectation;
  return { expected: verdict, ...known };
}
