import type { ClaimResult, Results } from "../../helpers/claim/results.ts";

/** Something that an author or a reviewer should see at a sentence. */
export interface Finding {
  readonly claim: ClaimResult;
  /** SARIF's: `error` another verdict than expected, `warning` a sentence that misleads, `note` what to know beside, `none` not tested. */
  readonly level: "error" | "warning" | "note" | "none";
  /** What is the matter, in English. */
  readonly text: string;
}

/** Returns what a run found that belongs at a sentence, in the article's order. */
export function findingsOf({ claims }: Pick<Results, "claims">): Finding[] {
  return claims.flatMap((claim): Finding[] => {
    const { en, verdict, expected, why = "", because, note } = claim;
    if (verdict === undefined) return [];
    if (verdict === "inconclusive") return [{ claim, level: "none", text: `Could not be tested: ${why || en}` }];
    if (verdict !== expected)
      return [{ claim, level: "error", text: `Expected ${expected}, and is ${verdict}: ${en} ${why}`.trim() }];
    if (verdict === "refuted") return [{ claim, level: "warning", text: because?.en ?? why }];
    return verdict === "holds" && note !== undefined ? [{ claim, level: "note", text: note.en }] : [];
  });
}
