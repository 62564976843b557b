import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { h } from "preact";
import { render } from "preact-render-to-string";
import { afterAll, expect, test } from "vitest";
import { articleTree } from "./markdown.ts";

const folder = mkdtempSync(join(tmpdir(), "markdown-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Shows a text with the words between two others underlined. */
function shown(text: string, marked = ""): string {
  const start = marked === "" ? -1 : text.indexOf(marked);
  const end = start + marked.length;
  const tree = articleTree({ text, file: join(folder, "article.md") });
  const blocks = tree.show({
    words: ({ text: words, places }) =>
      places.flatMap((place, index) => {
        const letter = words.charAt(index);
        return place >= start && place < end ? h("u", {}, letter) : letter;
      }),
    leads: (from, to) => from < end && to > start,
  });
  return render(h("main", {}, blocks))
    .replaceAll(/<\/?main>|<span class="lines">|<\/span>|<\/u><u>/g, "")
    .trim();
}

test.each([
  ["emphasis", "a *b* **c** ~~d~~ `e`", "<p>a <em>b</em> <strong>c</strong> <del>d</del> <code>e</code></p>"],
  ["a link", "[a](https://b.c/ 'd')", '<p><a title="d" href="https://b.c/">a</a></p>'],
  ["a link by its name", "[a][b]\n\n[b]: https://b.c/", '<p><a href="https://b.c/">a</a></p>'],
  ["a bare link", "see https://b.c/d.", '<p>see <a href="https://b.c/d">https://b.c/d</a>.</p>'],
  ["a link that would run something", "[a](javascript:alert(1))", "<p><a>a</a></p>"],
  ["a picture of somebody else's", "![a](https://b.c/d.png)", '<p><a href="https://b.c/d.png">🖼 a</a></p>'],
  ["a line break", "a  \nb<br>c", "<p>a<br/>\nb<br/>c</p>"],
  ["a comment", "a <!-- b --> c", "<p>a  c</p>"],
  ["HTML", "<b>a</b>", "<p>&lt;b>a&lt;/b></p>"],
  ["a heading", "# a", "<h2>a</h2>"],
  ["code", "```sh\nsh a\n```", '<pre tabindex="0"><code class="language-sh">sh a\n</code></pre>'],
  ["an ordered list", "3. a", '<ol start="3">\n<li>a</li>\n</ol>'],
  ["a task", "- [x] a", /<input type="checkbox" checked(?:="checked")? disabled(?:="disabled")?\/> a<\/li>/],
  ["a quote", "> a\n> b", "<blockquote>\n<p>a\nb</p>\n</blockquote>"],
  ["what stands before the text", "---\ntitle: a\n---\nb", "<p>b</p>"],
])("%s is shown as Markdown means it", (_name, text, html) => {
  if (typeof html === "string") expect(shown(text)).toBe(html);
  else expect(shown(text)).toMatch(html);
});

test("a table is shown as one", () => {
  expect(shown("| a | b |\n|---|--:|\n| `c` | d |").replaceAll("\n", "")).toBe(
    '<div class="wide" tabindex="0"><table><thead><tr><th>a</th><th align="right">b</th></tr></thead>' +
      '<tbody><tr><td><code>c</code></td><td align="right">d</td></tr></tbody></table></div>',
  );
});

test("a picture beside the text becomes part of the page", () => {
  writeFileSync(join(folder, "a b.svg"), "<svg/>");
  expect(shown("![c](<a b.svg>)")).toBe('<p><img alt="c" src="data:image/svg+xml;base64,PHN2Zy8+"/></p>');
});

test.each([
  ["across emphasis", "x **a** b", "**a** b", "<p>x <strong><u>a</u></strong><u> b</u></p>"],
  ["after escapes and entities", "1 \\* 2 &lt; 3 a", "a", "<p>1 * 2 &lt; 3 <u>a</u></p>"],
  ["over the lines of a quote", "> x a\n> b y", "a\n> b", "<blockquote>\n<p>x <u>a\nb</u> y</p>\n</blockquote>"],
  [
    "in code, not in what stands behind the fence",
    "```sh\nsh\n```",
    "\nsh",
    '<pre tabindex="0"><code class="language-sh"><u>sh</u>\n</code></pre>',
  ],
  ["in a cell", "| x |\n|---|\n| a |", "a", /<td><u>a<\/u><\/td>/],
  [
    "in a link, which is then beside them",
    "[a](https://b.c)",
    "a",
    /^<p><u>a<\/u><a href="https:\/\/b\.c".*>↗<\/a><\/p>$/,
  ],
])("words are marked %s", (_name, text, marked, html) => {
  if (typeof html === "string") expect(shown(text, marked)).toBe(html);
  else expect(shown(text, marked).replaceAll(/<span>/g, "")).toMatch(html);
});

test("code has its colours, in pieces too", () => {
  const tree = articleTree({ text: "```yaml\nport: 80 # one\n```\n", file: join(folder, "article.md") });
  const [words] = tree.words;
  const markup = (from: number, to: number) => render(h("p", {}, words?.show(from, to)));
  expect(words?.text).toBe("port: 80 # one\n");
  expect(markup(0, 8)).toBe('<p><span class="hljs-attr">port:</span> <span class="hljs-number">80</span></p>');
  expect(markup(2, 7)).toBe('<p><span class="hljs-attr">rt:</span> <span class="hljs-number">8</span></p>');
  const [plain] = articleTree({ text: "```nothing\na: 1\n```\n", file: join(folder, "article.md") }).words;
  expect(render(h("p", {}, plain?.show(0, 4)))).toBe("<p>a: 1</p>");
});
