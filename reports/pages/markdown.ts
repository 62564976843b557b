import { existsSync, readFileSync } from "node:fs";
import { dirname, extname, join } from "node:path";
import type { Element, Nodes, Text } from "hast";
import { common, createLowlight } from "lowlight";
import { toHast } from "mdast-util-to-hast";
import { type ComponentChild, h } from "preact";
import type { Article } from "../../helpers/article/article.ts";
import { markdownOf, placesOfText } from "../../helpers/article/markdown.ts";

/** Words of a text as a reader sees them, and for each character its string index in the file. */
interface Words {
  readonly text: string;
  readonly places: readonly number[];
  /** Returns the words between two string indices of theirs, code with its colours. */
  readonly show: (from: number, to: number) => ComponentChild;
}

const colours = createLowlight(common);

/** The colours of code. */
export const codeStyle = `
.hljs-attr, .hljs-name, .hljs-title { color: light-dark(#0b5394, #8ab8e8); } .hljs-string, .hljs-bullet { color: light-dark(#5b3a8c, #c3a6f0); } .hljs-number, .hljs-literal { color: light-dark(#8a4b00, #e6b673); } .hljs-comment, .hljs-meta { color: light-dark(#5b6b7a, #9fb0bf); } .hljs-built_in, .hljs-keyword { color: light-dark(#0d6a6a, #7fd0d0); }
`;

/** How an article's words are shown. */
interface Shown {
  words(words: Words): ComponentChild;
  /** Whether words between two string indices lead somewhere already: a link cannot stand in a link. */
  leads(start: number, end: number): boolean;
  /** Returns where a link leads on the page, by its target and its title; nothing where it can lead nowhere. As it is written, where absent. */
  link?(href: string, title: string): string | undefined;
  /** Returns the name of a heading, for links to it; where absent it has none: a page may have other uses for such names. */
  anchor?(words: string): string;
}

/** An article's Markdown as a page shows it. */
export interface ArticleTree {
  /** All its words, in the article's order. */
  readonly words: readonly Words[];
  /** Returns its blocks. */
  show(shown: Shown): ComponentChild[];
}

const pictureTypes: Readonly<Record<string, string>> = {
  ".png": "image/png",
  ".jpg": "image/jpeg",
  ".jpeg": "image/jpeg",
  ".gif": "image/gif",
  ".svg": "image/svg+xml",
  ".webp": "image/webp",
  ".avif": "image/avif",
};

/** Returns the Markdown of an article: what its words are, and how to show them. Pictures beside it become part of the page. */
export function articleTree({ text, file }: Pick<Article, "text" | "file">): ArticleTree {
  const tree = toHast(markdownOf(text), { allowDangerousHtml: true });
  const words = new Map<Nodes, Words>();
  collect(tree, undefined);

  function collect(node: Nodes, parent: Element | undefined): void {
    if ("children" in node) for (const child of node.children) collect(child, node.type === "element" ? node : parent);
    const { value } = node as Partial<Text>;
    // A block of code has places, its words have none.
    const { position } = node.position === undefined && parent?.tagName === "code" ? parent : node;
    if (value === undefined || position?.start.offset === undefined || position.end.offset === undefined) return;
    const [start, end] = [position.start.offset, position.end.offset];
    // What stands behind the fence is none of them.
    const from = /^(?:```|~~~)/.test(text.slice(start, end)) ? text.indexOf("\n", start) + 1 : start;
    const language = parent?.tagName === "code" ? languageOf(parent) : undefined;
    words.set(node, {
      ...{ text: value, places: placesOfText(value, text, from, end) },
      show: language === undefined ? (first, last) => value.slice(first, last) : coloured(value, language),
    });
  }

  return {
    words: [...words.values()],
    show: (shown) => {
      const of = (node: Nodes): ComponentChild => {
        if (node.type === "text" || node.type === "raw") {
          const known = words.get(node);
          if (node.type === "raw" && /^<!--[^]*-->$/.test(node.value)) return null;
          if (node.type === "raw" && /^<br *\/?>$/.test(node.value)) return h("br", {});
          // The article's line ends are line ends for its readers.
          return known === undefined ? node.value : h("span", { class: "lines" }, shown.words(known));
        }
        if (node.type === "element") return element(node, node.children.map(of), { shown, folder: dirname(file) });
        return null;
      };
      return "children" in tree ? tree.children.map(of) : [];
    },
  };
}

/** Returns the language of a block of code, if its colours are known. */
function languageOf({ properties }: Element): string | undefined {
  const names = Array.isArray(properties["className"]) ? properties["className"] : [];
  const name = names.flatMap((each) => /^language-(.+)$/.exec(each)?.[1] ?? [])[0];
  return name !== undefined && colours.registered(name) ? name : undefined;
}

function coloured(code: string, language: string): Words["show"] {
  const tokens: { start: number; end: number; kind: string }[] = [];
  const visit = (node: Nodes, kind: string): void => {
    if (node.type === "text") {
      const start = tokens.at(-1)?.end ?? 0;
      tokens.push({ start, end: start + node.value.length, kind });
    } else if ("children" in node) {
      const names = node.type === "element" ? node.properties["className"] : undefined;
      for (const child of node.children) visit(child, Array.isArray(names) ? names.join(" ") : kind);
    }
  };
  visit(colours.highlight(language, code), "");
  return (from, to) =>
    tokens
      .filter(({ start, end }) => start < to && end > from)
      .map(({ start, end, kind }) => {
        const words = code.slice(Math.max(start, from), Math.min(end, to));
        return kind === "" ? words : h("span", { class: kind }, words);
      });
}

function element(
  node: Element,
  children: ComponentChild[],
  { shown, folder }: { shown: Shown; folder: string },
): ComponentChild {
  const { tagName, position } = node;
  const properties = attributesOf(node);
  // The page has a heading of its own, unless it is the text alone.
  const heading = /^h([1-6])$/.exec(tagName)?.[1];
  if (heading !== undefined)
    return h(
      shown.anchor === undefined ? `h${Math.min(Number(heading) + 1, 6)}` : tagName,
      shown.anchor === undefined ? properties : { ...properties, id: shown.anchor(textOf(node)) },
      children,
    );
  if (tagName === "pre") return h("pre", { tabIndex: 0 }, children);
  if (tagName === "table") return h("div", { class: "wide", tabIndex: 0 }, h("table", properties, children));
  if (tagName === "img") return picture(properties, folder);
  if (tagName === "a") {
    const { href: written, ...rest } = properties;
    const href = written === undefined || shown.link === undefined ? written : shown.link(written, rest["title"] ?? "");
    const attributes = isHarmless(href) ? { ...rest, href } : rest;
    if (position === undefined || !shown.leads(position.start.offset ?? 0, position.end.offset ?? 0))
      return h("a", attributes, children);
    const onward = isHarmless(href) ? h("a", { ...attributes, "aria-label": href, class: "onward" }, "↗") : null;
    return h("span", {}, [children, onward]);
  }
  return h(tagName, properties, children);
}

function textOf(node: Nodes): string {
  if ("value" in node) return node.value;
  return "children" in node ? node.children.map(textOf).join("") : "";
}

function attributesOf({ properties }: Element): Record<string, string> {
  return Object.fromEntries(
    Object.entries(properties).flatMap(([name, value]) => {
      if (value === null || value === undefined || value === false) return [];
      const written = name.replace(/^(?:aria|data)(?=[A-Z])/, "$&-").toLowerCase();
      const attribute = name === "className" ? "class" : written;
      return [[attribute, Array.isArray(value) ? value.join(" ") : value === true ? attribute : String(value)]];
    }),
  );
}

/** A link may lead to a page, to mail or to a place, and runs nothing. */
function isHarmless(href: string | undefined): boolean {
  return href !== undefined && !/^(?!https?:|mailto:)[a-z][a-z0-9+.-]*:/i.test(href);
}

/** A picture of somebody else's is not asked for: the page needs nothing from elsewhere. */
function picture({ src = "", ...attributes }: Record<string, string>, folder: string): ComponentChild {
  const type = pictureTypes[extname(src).toLowerCase()];
  const file = join(folder, decodeURI(src));
  if (type !== undefined && !/^[a-z]+:/i.test(src) && existsSync(file))
    return h("img", { ...attributes, src: `data:${type};base64,${readFileSync(file).toString("base64")}` });
  const { alt = "" } = attributes;
  return h("a", isHarmless(src) ? { href: src } : {}, `🖼 ${alt === "" ? src : alt}`);
}
