import type { Root } from "mdast";
import { fromMarkdown } from "mdast-util-from-markdown";
import { gfmFromMarkdown } from "mdast-util-gfm";
import { gfm } from "micromark-extension-gfm";

/** What stands before the text of some articles, between lines of three dashes. */
const frontMatter = /^---\n([^]*?)\n---\n/;

/** Returns what stands before an article's text, such as its title for a generator of pages, as YAML; empty if nothing does. */
export function frontMatterOf(text: string): string {
  return frontMatter.exec(text)?.[1] ?? "";
}

/** Returns an article's Markdown, with GitHub's tables and the like, as a tree whose places are string indices in the text. */
export function markdownOf(text: string): Root {
  // Blanks keep every place where it is in the file.
  const body = text.replace(frontMatter, (matter) => matter.replaceAll(/[^\n]/g, " "));
  return fromMarkdown(body, {
    extensions: [gfm()],
    // What they find by looking at the tree once more has no places.
    mdastExtensions: gfmFromMarkdown().map((extension) => ({ ...extension, transforms: [] })),
  });
}

/**
 * Returns for each character of a node's text where it stands in the file, between two places: what Markdown adds to it – escapes,
 * entities, the signs of quotes at the beginning of lines – is passed over.
 */
export function placesOfText(value: string, source: string, start: number, end: number): number[] {
  let at = start;
  return Array.from({ length: value.length }, (_, index) => {
    const entity = /^&#?\w+;/.exec(source.slice(at, at + 40))?.[0];
    if (entity !== undefined && !value.startsWith(entity, index)) {
      const here = at;
      at += entity.length;
      return here;
    }
    const found = source.indexOf(value.charAt(index), at);
    if (found === -1 || found >= end) return at;
    at = found + 1;
    return found;
  });
}
