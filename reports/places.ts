import { type Catalogue, quotePosition, spanOf } from "../helpers/article/catalogue.ts";
import type { ClaimResult } from "../helpers/claim/results.ts";
import type { Bilingual } from "./look.ts";

/** Returns the line of the saved article, from 1, in which a claim's quote begins. @throws RangeError for a claim that is not in the catalogue */
export function lineOf({ id }: Pick<ClaimResult, "id">, article: string, catalogue: Catalogue): number {
  return lineAt(article, quotePosition(article, entryOf(id, catalogue)));
}

/** Returns the lines of the saved article in which a claim is made, those where it is made again too. */
export function linesOf({ id }: Pick<ClaimResult, "id">, article: string, catalogue: Catalogue): number[] {
  const entry = entryOf(id, catalogue);
  const places = [entry, ...entry.also].flatMap((place) => spanOf(article, place) ?? []);
  return [...new Set(places.map(({ start }) => lineAt(article, start)))].toSorted((a, b) => a - b);
}

/** Returns lines in words, in both languages. */
export function linesInWords(lines: readonly number[]): Bilingual {
  return { en: `${lines.length === 1 ? "line" : "lines"} ${lines.join(", ")}`, zh: `第 ${lines.join("、")} 行` };
}

/** So many characters are shown on each side of a quote. */
const around = 40;

/** Returns a claim's words and what stands beside them on the same line, since a few words alone say little. */
export function wordsOf(
  { id, quote }: Pick<ClaimResult, "id" | "quote">,
  article: string,
  catalogue: Catalogue,
): { before: string; words: string; after: string } {
  const start = quotePosition(article, entryOf(id, catalogue));
  const words = quote.split("\n")[0] ?? "";
  const line = article.slice(article.lastIndexOf("\n", start - 1) + 1, start);
  const rest = article.slice(start + words.length).split("\n")[0] ?? "";
  const before = line.replace(/^[-#\s\d.*]+/, "");
  return {
    before: before.length > around ? `…${before.slice(-around)}` : before,
    words,
    after: rest.length > around ? `${rest.slice(0, around)}…` : rest,
  };
}

/** Returns what the catalogue says of a claim. @throws RangeError for a claim that is not in it */
export function entryOf(id: string, catalogue: Catalogue): Catalogue["claims"][number] {
  const entry = catalogue.claims.find((claim) => claim.id === id);
  if (entry === undefined) throw new RangeError(`the catalogue has no claim ${id}`);
  return entry;
}

function lineAt(article: string, position: number): number {
  return article.slice(0, position).split("\n").length;
}
