import type { Nodes } from "mdast";
import { type Article, spanOf } from "../helpers/article/article.ts";
import { type Corrected, correctedArticle } from "../helpers/article/corrected.ts";
import { expectationFor } from "../helpers/article/expectation.ts";
import { markdownOf } from "../helpers/article/markdown.ts";
import type { ClaimResult, Results } from "../helpers/claim/results.ts";
import { isCorrected } from "./sentences.ts";
import { inSourceLanguage } from "./words.ts";

/** Returns the names of the files of an article's corrected text: Markdown, and a page that shows what is otherwise. */
export function correctedFiles({ id }: Pick<Article, "id">): { readonly text: string; readonly diff: string } {
  return { text: `${id}.corrected.md`, diff: `${id}.diff.html` };
}

/** Returns the article with the corrections of all that was found wrong in a run, but for those that were wrong themselves. */
export function correctedIn({ claims, world }: Results, article: Article): Corrected {
  const wrong = new Set(claims.filter(isCorrected).map(({ id }) => id));
  const inForce = article.claims.filter(({ id }) => wrong.has(id));
  return correctedArticle(article, new Map(inForce.map((claim) => [claim.id, expectationFor(claim, world)])));
}

/** Returns an article's text with notes on its claims as footnotes, as GitHub writes them. */
export function withNotes(article: Article, noted: readonly ClaimResult[]): string {
  const { text } = article;
  const tree = markdownOf(text);
  const notes = noted
    .flatMap(({ id, note }) => {
      const claim = article.claims.find((entry) => entry.id === id);
      const span = claim === undefined ? undefined : spanOf(text, claim);
      return note === undefined || span === undefined ? [] : [{ note, at: markPlace(tree, span.end) }];
    })
    .toSorted((a, b) => a.at - b.at);
  if (notes.length === 0) return text;
  const ends = [0, ...notes.map(({ at }) => at)];
  const marked = notes.map(({ at }, index) => `${text.slice(ends[index], at)}[^${index + 1}]`);
  const said = notes.map(
    ({ note }, index) => `[^${index + 1}]: ${inSourceLanguage(note, article).replaceAll(/\s+/g, " ")}\n`,
  );
  return `${[...marked, text.slice(ends.at(-1))].join("").trimEnd()}\n\n${said.join("\n")}`;
}

/** Returns where a mark can stand that belongs to words which end at a string index: in code and the like it would be part of that. */
function markPlace(tree: Nodes, end: number): number {
  let place = end;
  let block = 0;
  const look = (node: Nodes): void => {
    const from = node.position?.start.offset ?? 0;
    const to = node.position?.end.offset ?? 0;
    if (from >= end) return;
    if (node.type === "paragraph" || node.type === "heading") block = Math.min(to, end);
    if (to < end && !("children" in node)) return;
    if (node.type === "code" || (node.type === "html" && to >= end)) place = to >= end ? block : place;
    else if (to > end && ["inlineCode", "link", "image"].includes(node.type)) place = to;
    else if ("children" in node) node.children.forEach(look);
  };
  look(tree);
  return place;
}
