import { type Article, spanOf } from "./article.ts";

/** Returns lines of an article, such as `208` or `60-70`: it is the only copy of its manifests, commands and samples. */
export function printed({ text }: Pick<Article, "text">, lines: string): string {
  const span = spanOf(text, { lines });
  if (span === undefined) throw new RangeError(`the article has no lines ${lines}`);
  return text.slice(span.start, span.end);
}

/** Returns a command as the article prints it, without the prompt. */
export function printedCommand(article: Pick<Article, "text">, line: number): string {
  return printed(article, String(line)).replace(/^> /, "");
}
