import { readArticle, spanOf } from "./catalogue.ts";

/** Returns lines of the saved article, such as `208` or `60-70`; it is the only copy of its manifests, commands and samples. */
export function printed(lines: string): string {
  const article = readArticle();
  const span = spanOf(article, { lines });
  if (span === undefined) throw new RangeError(`the article has no lines ${lines}`);
  return article.slice(span.start, span.end);
}

/** Returns a command as the article prints it, without the prompt. */
export function printedCommand(line: number): string {
  return printed(String(line)).replace(/^> /, "");
}
