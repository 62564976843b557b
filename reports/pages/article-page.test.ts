import { expect, test } from "vitest";
import { readArticle } from "../../helpers/article/article.ts";
import { Results } from "../../helpers/claim/results.ts";
import { readSettings } from "../../helpers/host/settings.ts";
import { errataAsMarkdown } from "../errata.ts";
import { readRecordedMatrix } from "../matrix.ts";
import { recordedVerdicts } from "../when.ts";
import { inSourceLanguage } from "../words.ts";
import { articlePage } from "./article-page.ts";
import { recordedRun } from "./pages.ts";

const article = readArticle(readSettings().article);
const results = recordedRun(article) as Results;
const page = {
  results,
  article,
  evidence: new Map(),
  allure: new Map(),
  recordedVerdicts: recordedVerdicts(readRecordedMatrix(article), article),
};
const html = articlePage(page);
const text = (markup: string) =>
  markup
    .replaceAll(/<[^>]*>/g, "")
    .replaceAll("&lt;", "<")
    .replaceAll("&quot;", '"')
    .replaceAll("&amp;", "&");
const judged = results.claims.filter(({ verdict }) => verdict !== undefined);

test("every claim that was judged has words in the article that lead to it, and its details", () => {
  const led = new Set([...html.matchAll(/<a (?:class="word [^"]+" )?href="#([^"]+)"/g)].map(([, id]) => id));
  const there = new Set([...html.matchAll(/<article class="claim" id="([^"]+)"/g)].map(([, id]) => id));
  expect([...there]).toEqual(judged.map(({ id }) => id));
  // Words that several claims share lead to the worst of them, and that one to the others.
  expect(judged.flatMap(({ id }) => (led.has(id) ? [] : [id]))).toEqual([]);
});

test("the article's own words are all there, in their order", () => {
  const [, main = ""] = /<main[^>]*>([^]*)<\/main>/.exec(html) ?? [];
  const shown = text(main.replaceAll(/<span class="(?:sign|tip)">[^]*?<\/span>(?=<\/a>|<span class="tip">)/g, ""));
  const letters = (words: string) => words.replaceAll(/[^\p{L}\p{N}]/gu, "");
  const body = article.text
    .replace(/^---\n[^]*?\n---\n/, "")
    .replaceAll(/^```\w*$/gm, "")
    .replaceAll(/^\s*\d+\. /gm, "");
  expect(letters(shown) === letters(body)).toBe(true);
});

test("what came from a cluster stays text", () => {
  const [first, ...rest] = results.claims;
  if (first === undefined) throw new RangeError("the recording has no claim");
  const claim = { ...first, why: '<script>alert("x")</script>', verdict: "inconclusive" };
  const output = {
    path: "evidence/x.txt",
    title: "<b>a log</b>",
    command: "cat <x>",
    deciding: [["<i>", "<u>", "</i>"]],
  };
  const changed = articlePage({
    ...page,
    results: Results.parse({ ...results, claims: [claim, ...rest] }),
    evidence: new Map([[claim.id, { texts: [output], pictures: [] }]]),
  });
  expect(changed).toContain("&lt;i><mark>&lt;u></mark>&lt;/i>");
  expect(changed).not.toMatch(/<(?:b|i|u|x)>/);
  expect(changed).toContain("&lt;script>alert(&quot;x&quot;)&lt;/script>");
  // The page's own, which the reader's language is kept by.
  expect(changed.match(/<script/g)).toHaveLength(1);
});

test("the page asks nobody for anything", () => {
  expect(html).toContain("default-src 'none'");
  expect(html.match(/(?:src|@import|url\()[=\s"']*https?:/g)).toBeNull();
});

test("the errata have every refuted claim with its line, each sentence with one correction, and notes apart", () => {
  const errata = errataAsMarkdown(results, article);
  const refuted = judged.filter(({ verdict }) => verdict === "refuted");
  for (const { id, instead, repeats } of refuted) {
    expect(errata).toContain(`(\`${id}\`)`);
    if (repeats !== undefined) continue;
    expect(instead, `the correction of ${id}`).toBeDefined();
    expect(errata).toContain(inSourceLanguage(instead ?? { en: "" }, article).split("\n")[0]);
  }
  const [corrections = "", notes = ""] = errata.split(/^## [^\d].*Notes$/m);
  const noted = judged.filter(({ verdict, note }) => verdict === "holds" && note !== undefined);
  expect(noted.length).toBeGreaterThan(5);
  for (const { id } of noted) {
    expect(notes).toContain(`(\`${id}\`)`);
    expect(corrections).not.toContain(`(\`${id}\`)`);
  }
});
