import { type Article, type Claim, quotePosition, spanOf } from "../helpers/article/article.ts";
import type { ClaimResult } from "../helpers/claim/results.ts";
import type { Bilingual } from "./words.ts";

/** Returns the line of the saved article, from 1, in which a claim's quote begins. @throws RangeError for a claim that is not in the catalogue */
export function lineOf({ id }: Pick<ClaimResult, "id">, article: Article): number {
  return lineAt(article.text, quotePosition(article.text, entryOf(id, article)));
}

/** Returns the lines of the saved article in which a claim is made, those where it is made again too. */
export function linesOf({ id }: Pick<ClaimResult, "id">, article: Article): number[] {
  const entry = entryOf(id, article);
  const places = [entry, ...entry.also].flatMap((place) => spanOf(article.text, place) ?? []);
  return [...new Set(places.map(({ start }) => lineAt(article.text, start)))].toSorted((a, b) => a - b);
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
  article: Article,
): { before: string; words: string; after: string } {
  const { text } = article;
  const start = quotePosition(text, entryOf(id, article));
  const words = quote.split("\n")[0] ?? "";
  const line = text.slice(text.lastIndexOf("\n", start - 1) + 1, start);
  const rest = text.slice(start + words.length).split("\n")[0] ?? "";
  const before = line.replace(/^[-#\s\d.*]+/, "");
  return {
    before: before.length > around ? `…${before.slice(-around)}` : before,
    words,
    after: rest.length > around ? `${rest.slice(0, around)}…` : rest,
  };
}

/** Returns what the catalogue says of a claim. @throws RangeError for a claim that is not in it */
export function entryOf(id: string, { claims }: Pick<Article, "claims">): Claim {
  const entry = claims.find((claim) => claim.id === id);
  if (entry === undefined) throw new RangeError(`the catalogue has no claim ${id}`);
  return entry;
}

/** Words in the saved article: lines and columns from 1, columns in UTF-16 code units as JavaScript and SARIF count them; the end is behind the last. */
export interface Region {
  readonly startLine: number;
  readonly startColumn: number;
  readonly endLine: number;
  readonly endColumn: number;
}

/** Returns where a claim is made in the saved article, then where it is made again. @throws RangeError for a claim that is not in it */
export function regionsOf(id: string, article: Article): [Region, ...Region[]] {
  const entry = entryOf(id, article);
  const [first, ...others] = [entry, ...entry.also].flatMap((place) => spanOf(article.text, place) ?? []);
  if (first === undefined) throw new RangeError(`the article does not have the words of ${id}`);
  return [regionOf(first, article), ...others.map((span) => regionOf(span, article))];
}

/** Returns where words between two string indices of the saved article are. */
export function regionOf({ start, end }: { start: number; end: number }, { text }: Pick<Article, "text">): Region {
  const [from, to] = [positionAt(text, start), positionAt(text, end)];
  return { startLine: from.line, startColumn: from.column, endLine: to.line, endColumn: to.column };
}

function positionAt(text: string, index: number): { line: number; column: number } {
  return { line: lineAt(text, index), column: index - text.lastIndexOf("\n", index - 1) };
}

function lineAt(text: string, position: number): number {
  return text.slice(0, position).split("\n").length;
}
