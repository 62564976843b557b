import type { ClaimResult, Results } from "../helpers/claim/results.ts";

/** What is not as it was in the run before. */
export interface Changes {
  /** Claims that had no verdict then. */
  readonly added: readonly ClaimResult[];
  readonly flipped: readonly { readonly claim: ClaimResult; readonly before: ClaimResult }[];
  /** Took more than twice the time, and five seconds more. */
  readonly slower: readonly { readonly claim: ClaimResult; readonly before: ClaimResult }[];
}

const noticeableMs = 5_000;

/** Returns what changed from one run to the next, in the article's order. */
export function changesBetween(before: Results, after: Results): Changes {
  const earlier = new Map(before.claims.map((claim) => [claim.id, claim]));
  const judged = after.claims.filter(({ verdict }) => verdict !== undefined);
  const pairs = judged.flatMap((claim) => {
    const was = earlier.get(claim.id);
    return was?.verdict === undefined ? [] : [{ claim, before: was }];
  });
  const known = new Set(pairs.map(({ claim }) => claim));
  return {
    added: judged.filter((claim) => !known.has(claim)),
    flipped: pairs.filter((pair) => pair.claim.verdict !== pair.before.verdict),
    slower: pairs.filter((pair) => {
      const [now, then] = [pair.claim.milliseconds ?? 0, pair.before.milliseconds ?? 0];
      return now > 2 * then && now - then > noticeableMs;
    }),
  };
}
