import type { Nodes, Parents, Root } from "mdast";
import { toString as wordsOf } from "mdast-util-to-string";
import { type Place, placeAt } from "./article.ts";
import { frontMatterOf, markdownOf } from "./markdown.ts";

/** A heading of a text, and the string index at which its words begin. */
export interface Heading {
  readonly title: string;
  readonly depth: number;
  readonly start: number;
}

/** A sentence, a line or another piece of a text that could be a claim's, and why it is none, if that is known. */
export interface Piece {
  readonly reason: "heading" | "metadata" | "todo";
  readonly place: Place;
}

/** Returns the headings of a text, in its order. */
export function headingsOf(text: string): Heading[] {
  return blocksOf(markdownOf(text)).flatMap((node) =>
    node.type === "heading" ? [{ title: wordsOf(node), depth: node.depth, start: spanOfWords(node).start }] : [],
  );
}

/**
 * Returns the pieces of a text, which together cover all its letters and digits: headings, sentences, the rows of tables, and code and
 * HTML as a whole.
 */
export function piecesOf(text: string): Piece[] {
  const matter = frontMatterOf(text);
  const before: Piece[] =
    matter.trim() === ""
      ? []
      : [{ reason: "metadata", place: { lines: lines(text, 0, "---\n".length + matter.length) } }];
  return [...before, ...blocksOf(markdownOf(text)).flatMap((node) => piecesOfBlock(node, text))].filter(({ place }) =>
    /[\p{L}\p{N}]/u.test("quote" in place ? place.quote : wordsIn(text, place.lines)),
  );
}

function piecesOfBlock(node: Nodes, text: string): Piece[] {
  switch (node.type) {
    case "heading": {
      const { start, end } = spanOfWords(node);
      return [{ reason: "heading", place: placeAt(text, start, end) }];
    }
    case "paragraph":
      return sentences(text, spanOf(node)).map(({ start, end }) => ({
        reason: "todo",
        place: placeAt(text, start, end),
      }));
    case "definition":
      return [{ reason: "metadata", place: linesAt(text, node) }];
    default:
      return [{ reason: "todo", place: linesAt(text, node) }];
  }
}

/** Returns the blocks of a text that hold no other block: of lists and quotes what is in them, of tables their rows. */
function blocksOf(tree: Root | Parents): Nodes[] {
  return tree.children.flatMap((node): Nodes[] => {
    switch (node.type) {
      case "blockquote":
      case "list":
      case "table":
        return blocksOf(node);
      case "listItem":
      case "footnoteDefinition": {
        // The number before it has to be somebody's, too.
        const [first, ...rest] = blocksOf(node);
        if (first?.type !== "paragraph" || first.position === undefined || node.position === undefined)
          return blocksOf(node);
        return [{ ...first, position: { start: node.position.start, end: first.position.end } }, ...rest];
      }
      case "thematicBreak":
        return [];
      default:
        return [node];
    }
  });
}

interface Span {
  readonly start: number;
  readonly end: number;
}

function spanOf(node: Nodes): Span {
  return { start: node.position?.start.offset ?? 0, end: node.position?.end.offset ?? 0 };
}

/** Returns where the words of a heading stand, without its signs. */
function spanOfWords(node: Parents): Span {
  const [first = node, last = first] = [node.children[0], node.children.at(-1)];
  return { start: spanOf(first).start, end: spanOf(last).end };
}

function sentences(text: string, { start, end }: Span): Span[] {
  // A line end within a paragraph ends no sentence.
  const words = text.slice(start, end).replaceAll("\n", " ");
  const found: Span[] = [];
  let begun = start;
  for (const { index, segment } of new Intl.Segmenter("en", { granularity: "sentence" }).segment(words)) {
    const until = start + index + segment.length;
    // What Markdown writes with the signs that end a sentence, such as ![…], ends none.
    const sentence = text.slice(begun, until);
    if (until < end && (!/[\s。！？]$/.test(segment) || /^\d+[.)]\s*$/.test(sentence))) continue;
    // A list's bullet and a quote's sign say nothing, a number does.
    const from = begun + (/^[\s*+>-]*\s/.exec(sentence)?.[0].length ?? 0);
    found.push({ start: from, end: begun + sentence.trimEnd().length });
    begun = until;
  }
  return found;
}

function linesAt(text: string, node: Nodes): Place {
  const { start, end } = spanOf(node);
  return { lines: lines(text, start, end) };
}

function lines(text: string, start: number, end: number): string {
  const [first, last] = [start, end].map((index) => text.slice(0, index).split("\n").length);
  return first === last ? `${first}` : `${first}-${last}`;
}

function wordsIn(text: string, range: string): string {
  const [first = 0, last = first] = range.split("-").map(Number);
  return text
    .split("\n")
    .slice(first - 1, last)
    .join("\n");
}
