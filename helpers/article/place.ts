import { z } from "zod";

/** Words of the article, and which time they stand in it. */
export const Quote = z.strictObject({ quote: z.string().min(1), occurrence: z.int().min(1).default(1) });
const Lines = z.strictObject({ lines: z.string().regex(/^[1-9]\d*(-[1-9]\d*)?$/, "must be a line or lines as 60-64") });
/** A place in the article: words, or whole lines where it prints a manifest, a command or an output. */
export const Place = z.union([Quote, Lines]);
export type Place = z.infer<typeof Place>;

/** Returns where a place begins and ends in the article, as string indices, or undefined where it is not there. */
export function spanOf(article: string, place: Place): { start: number; end: number } | undefined {
  if ("lines" in place) {
    const [first = 0, last = first] = place.lines.split("-").map(Number);
    const lines = article.split("\n");
    if (first > last || last > lines.length) return undefined;
    const start = lines.slice(0, first - 1).reduce((length, line) => length + line.length + 1, 0);
    return { start, end: start + lines.slice(first - 1, last).join("\n").length };
  }
  const start = quotePosition(article, place);
  return start === -1 ? undefined : { start, end: start + place.quote.length };
}

/** Returns the index in the article at which the quote begins, or -1 where it has no such occurrence. */
export function quotePosition(article: string, { quote, occurrence }: z.infer<typeof Quote>): number {
  let position = -1;
  for (let n = 0; n < occurrence; n++) {
    position = article.indexOf(quote, position + 1);
    if (position === -1) return -1;
  }
  return position;
}
