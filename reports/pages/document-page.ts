import GithubSlugger from "github-slugger";
import { h } from "preact";
import { type NamedPage, pageOf, topBar } from "./look.ts";
import { articleTree, codeStyle } from "./markdown.ts";

const style = `
body { max-width: 56rem; margin: 0 auto; line-height: 1.6; } code, pre { font: 14px/1.5 ui-monospace, "Noto Sans Mono", monospace; } code { background: var(--soft); } pre { padding: .7rem 1rem; overflow-x: auto; background: var(--soft); border-radius: 6px; }
table { border-collapse: collapse; font-size: .92rem; } th, td { padding: .25rem .7rem; border: 1px solid var(--line); vertical-align: top; text-align: left; } .wide { overflow-x: auto; } img { max-width: 100%; } h2, h3, h4, h5, h6 { line-height: 1.3; margin: 1.6em 0 .4em; scroll-margin-top: 1rem; }
`;

/** A text in Markdown. */
export interface Document {
  readonly text: string;
  /** Its path; pictures are found from there. */
  readonly file: string;
}

/** Returns the title of a text: its first heading. */
export function titleOf({ text }: Document): string {
  return /^# (.+)$/m.exec(text)?.[1] ?? "";
}

/**
 * Returns a text in Markdown as a page that needs nothing from elsewhere.
 *
 * @param link where a link of its leads on the page, by its target and its title; nothing where it can lead nowhere
 */
export function documentPage(
  document: Document,
  pages: readonly NamedPage[],
  link: (href: string, title: string) => string | undefined,
): string {
  const slugs = new GithubSlugger();
  const body = articleTree(document).show({
    words: ({ text, show }) => show(0, text.length),
    leads: () => false,
    link,
    anchor: (words) => slugs.slug(words),
  });
  return pageOf({ languages: ["en"] }, titleOf(document), codeStyle + style, [topBar(pages), h("main", {}, body)]);
}
