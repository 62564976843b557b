import { readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { execa } from "execa";
import type { Nodes } from "mdast";
import { fromMarkdown } from "mdast-util-from-markdown";
import { gfmFromMarkdown } from "mdast-util-gfm";
import { toString } from "mdast-util-to-string";
import { gfm } from "micromark-extension-gfm";
import { expect, test } from "vitest";
import { projectRoot } from "../helpers/host/settings.ts";

const packed = await execa("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
  cwd: projectRoot,
  stdin: "ignore",
});
const [{ files }] = JSON.parse(packed.stdout) as [{ files: { path: string }[] }];
const shipped = new Set(files.map(({ path }) => path));
const pages = [...shipped].filter((path) => path.endsWith(".md") && !path.startsWith("dist/"));
const nodes = new Map(pages.map((page) => [page, nodesOf(page)]));
const anchors = new Map(pages.map((page) => [page, anchorsOf(nodes.get(page) ?? [])]));

function nodesIn(node: Nodes): Nodes[] {
  return [node, ...("children" in node ? node.children.flatMap(nodesIn) : [])];
}

function nodesOf(page: string): Nodes[] {
  const text = readFileSync(join(projectRoot, page), "utf8");
  return nodesIn(fromMarkdown(text, { extensions: [gfm()], mdastExtensions: [gfmFromMarkdown()] }));
}

/** Where a page's headings are found, as GitHub names the places: the second of two alike has a number. */
function anchorsOf(nodes: readonly Nodes[]): string[] {
  const plain = nodes.flatMap((node) =>
    node.type === "heading"
      ? toString(node)
          .toLowerCase()
          .replaceAll(/[^\p{L}\p{N}\-_ ]/gu, "")
          .replaceAll(" ", "-")
      : [],
  );
  return plain.map((anchor, index) => {
    const earlier = plain.slice(0, index).filter((other) => other === anchor).length;
    return earlier === 0 ? anchor : `${anchor}-${earlier}`;
  });
}

function lineOf(anchor: string): number {
  return Number(/^L(\d+)$/.exec(anchor)?.[1]);
}

function linesIn(path: string): number {
  return readFileSync(join(projectRoot, path), "utf8").trimEnd().split("\n").length;
}

/** Links and pictures of a page that lead nowhere in the package. */
function brokenOf(page: string): string[] {
  return (nodes.get(page) ?? []).flatMap((node) => {
    if (!("url" in node) || /^[a-z]+:/.test(node.url)) return [];
    const [place = "", anchor] = node.url.split("#");
    // As GitHub leads to a line of a file's source.
    const [path = "", line] = place.split("?plain=1");
    const target = path === "" ? page : normalize(join(dirname(page), path));
    const there = shipped.has(target) || files.some((file) => file.path.startsWith(`${target}/`));
    const known =
      anchor === undefined ||
      (line === undefined ? anchors.get(target)?.includes(anchor) === true : lineOf(anchor) <= linesIn(target));
    return there && known ? [] : [node.url];
  });
}

test("the package has the pages for people who have an article of their own", () => {
  expect(pages).toEqual(expect.arrayContaining(["README.md", "docs/api.md", "docs/bring-your-own-article.md"]));
});

test.each(pages)("%s: each relative link leads to something in the package", (page) => {
  expect(brokenOf(page)).toEqual([]);
});
