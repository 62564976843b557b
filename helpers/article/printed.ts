import { z } from "zod";

/** Words above something that an article prints, or several, of which each is looked for below the one before. */
export const Quotes = z.preprocess(
  (words) => (typeof words === "string" ? [words] : words),
  z.array(z.string().min(1)).min(1),
);

/** Where an article prints a manifest or an output: below some words, so that nothing written elsewhere moves it. */
export const BelowShape = {
  below: Quotes,
  block: z.int().min(1).optional().describe("it is that fenced block below them"),
  lines: z.int().min(1).optional().describe("it is so many lines, beginning with the first one of text below them"),
  until: z.string().min(1).optional().describe("it is all below them, as far as the first line with these words"),
};
export type Below = z.infer<z.ZodObject<typeof BelowShape>>;

/** Lines of an article. */
export interface Passage {
  readonly text: string;
  /** The place as a reader finds it: `208` or `60-70`. */
  readonly lines: string;
}

/** Returns what an article prints at a place. @throws RangeError that says what is not there */
export function passageOf(article: string, place: Below): Passage {
  const lines = article.split("\n");
  const above = indexBelow(lines, place.below);
  const [first, end] = rangeOf(lines, above, place);
  return { text: lines.slice(first, end).join("\n"), lines: first + 1 === end ? `${end}` : `${first + 1}-${end}` };
}

/**
 * Returns the number of the first line that ends with a command, below some words if there are any.
 *
 * @throws RangeError if there is none
 */
export function lineOfCommand(article: string, command: string, below: readonly string[] = []): number {
  const lines = article.split("\n");
  const above = indexBelow(lines, below);
  const found = lines.findIndex((line, index) => index >= above && line.trimEnd().endsWith(command));
  if (found !== -1) return found + 1;
  const partly = lineWith(lines, command, above);
  throw new RangeError(`is only a part of line ${partly + 1}: ${lines[partly]}`);
}

/** Returns the index of the line below the last of these words. */
function indexBelow(lines: readonly string[], below: readonly string[]): number {
  return below.reduce((after, words) => lineWith(lines, words, after) + 1, 0);
}

/** Returns the index of the first line with these words from there on. */
function lineWith(lines: readonly string[], words: string, from: number): number {
  const found = lines.findIndex((line, index) => index >= from && line.includes(words));
  if (found === -1) throw new RangeError(`not in the article${from === 0 ? "" : ` below line ${from}`}: ${words}`);
  return found;
}

/** Returns which lines are meant, counted from 0, the last one excluded. */
function rangeOf(lines: readonly string[], above: number, { block, lines: count = 1, until }: Below) {
  if (until !== undefined) return [above, lineWith(lines, until, above) + 1] as const;
  if (block !== undefined) {
    const fences = lines.flatMap((line, index) => (isFence(line) ? [index] : []));
    const openings = fences.filter((line, index) => index % 2 === 0 && line >= above);
    const opening = openings[block - 1];
    const closing = opening === undefined ? undefined : fences[fences.indexOf(opening) + 1];
    if (opening === undefined || closing === undefined)
      throw new RangeError(`there is no fenced block ${block} below line ${above}`);
    const last = lines.slice(0, closing).findLastIndex((line) => line.trim() !== "");
    return [opening + 1, last + 1] as const;
  }
  const isText = (line: string) => line.trim() !== "" && !isFence(line);
  const first = lines.findIndex((line, index) => index >= above && isText(line));
  const found = first === -1 ? [] : lines.slice(first, first + count);
  if (found.length < count || !found.every(isText))
    throw new RangeError(`there are no ${count} lines of text together below line ${above}`);
  return [first, first + count] as const;
}

function isFence(line: string): boolean {
  return line.startsWith("```");
}

/** Returns the lines of a table as kubectl or docker prints it, by columns; lines that are blank are left out. */
export function rowsOf(table: string): string[][] {
  return table
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => line.trim().split(/ {2,}/));
}
