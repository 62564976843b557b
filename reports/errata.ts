import { type Catalogue, quotePosition } from "../helpers/claim/catalogue.ts";
import type { ClaimResult, Results } from "../helpers/claim/results.ts";

/** A place of the article that is wrong, and what could stand there. */
export interface Erratum {
  /** Of the saved article, from 1. */
  readonly line: number;
  readonly old: string;
  /** Absent where the refutation was not expected: nobody has thought of other words yet. */
  readonly becomes: ClaimResult["instead"];
  readonly because: ClaimResult["because"];
}

/** Returns what should be corrected by a refuted claim. @throws RangeError where the catalogue does not have the claim */
export function erratumOf(claim: ClaimResult, article: string, catalogue: Catalogue): Erratum {
  const entry = catalogue.claims.find(({ id }) => id === claim.id);
  if (entry === undefined) throw new RangeError(`the catalogue has no claim ${claim.id}`);
  const line = article.slice(0, quotePosition(article, entry)).split("\n").length;
  return { line, old: claim.quote, becomes: claim.instead, because: claim.because };
}

/** Returns the errata of a run as Markdown, in the article's language and in English, with the evidence behind each. */
export function errataAsMarkdown(results: Results, article: string, catalogue: Catalogue): string {
  const { world, started } = results;
  const wrong = results.claims.filter(({ verdict }) => verdict === "refuted");
  return [
    `# 勘誤 · Errata: ${results.article.zh}`,
    "",
    `Kubernetes ${world.kubernetes}, kind ${world.kind}, kube-proxy ${world.proxyMode}, ${started.slice(0, 10)}`,
    "",
    ...wrong.flatMap((claim, index) => {
      const { line, old, becomes, because } = erratumOf(claim, article, catalogue);
      return [
        `## ${index + 1}. 第 ${line} 行 · line ${line} (\`${claim.id}\`)`,
        "",
        ...quoted(old),
        "",
        ...(becomes === undefined
          ? []
          : ["可改寫為 · could say:", "", ...quoted(becomes.zh), "", `(${becomes.en})`, ""]),
        ...(because === undefined ? [] : [because.zh, "", because.en, ""]),
        `${claim.since === undefined ? "" : `Since ${claim.since}. `}Evidence: ${[...claim.evidence.slice(0, 1), claim.link ?? ""].filter(Boolean).join(", ")}`,
        "",
      ];
    }),
  ].join("\n");
}

function quoted(text: string): string[] {
  return text.split("\n").map((line) => `> ${line}`);
}
