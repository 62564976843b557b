import { type Article, type Place, spanOf } from "./article.ts";

/** How much of the article has a claim or a stated reason for having none. */
export interface Coverage {
  /** Letters and digits of the article, in all and inside of some place that the catalogue names. */
  readonly characters: number;
  readonly covered: number;
  /** 100 only where nothing is left out. */
  readonly percent: number;
  /** What is left out, by the article's line number. */
  readonly missing: readonly { readonly line: number; readonly text: string }[];
}

/** Returns how much of the article the catalogue's claims, exclusions and unclaimed places cover, by letters and digits. */
export function coverageOf({ text, claims, unclaimed }: Pick<Article, "text" | "claims" | "unclaimed">): Coverage {
  const places: Place[] = [
    ...claims.flatMap((claim) => [claim, ...claim.also]),
    ...unclaimed.flatMap((entry) => entry.places),
  ];
  const inside = new Uint8Array(text.length);
  for (const place of places) {
    const span = spanOf(text, place);
    if (span !== undefined) inside.fill(1, span.start, span.end);
  }
  const counts = [...text.matchAll(/[\p{L}\p{N}]/gu)].map(({ index }) => index);
  const outside = counts.filter((index) => inside[index] === 0);
  return {
    characters: counts.length,
    covered: counts.length - outside.length,
    percent: Math.floor(((counts.length - outside.length) / counts.length) * 1000) / 10,
    missing: gaps(text, outside),
  };
}

function gaps(article: string, outside: readonly number[]): Coverage["missing"] {
  const left = new Set(outside);
  const found: { line: number; text: string }[] = [];
  let index = 0;
  article.split("\n").forEach((line, number) => {
    const text = line.replaceAll(/./gsu, (char, at: number) => (left.has(index + at) ? char : " "));
    if (text.trim() !== "") found.push({ line: number + 1, text: text.trim().replaceAll(/ {2,}/g, " … ") });
    index += line.length + 1;
  });
  return found;
}
