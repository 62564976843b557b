import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { UserError } from "../host/errors.ts";
import { projectRoot } from "../host/settings.ts";
import { quotePosition, readArticle } from "./article.ts";
import { coverageOf } from "./coverage.ts";
import { sentencesFile, sentencesOf } from "./sentences.ts";

const folder = mkdtempSync(join(tmpdir(), "catalogue-"));
afterAll(() => rmSync(folder, { recursive: true }));

const about = `
title: { en: An article, zh: 文章 }
languages: [zh-Hant, en]
date: 2026-01-02
sections: [{ id: one, en: One, zh: 一 }]
`;
const good = `
- id: first-claim
  ref: 1
  section: one
  quote: 所有 Pod
  en: All pods do something.
  zh: 所有 Pod 做某事。
  expect:
    - { verdict: holds, because: { en: It was seen to be so on a cluster., zh: 在叢集上看到如此。 }, link: https://kubernetes.io/ }
`;

function messageFor(claims: string, article = about): string {
  writeFileSync(join(folder, "article.md"), "所有 Pod 可以互相通訊");
  writeFileSync(join(folder, "article.yaml"), article);
  writeFileSync(join(folder, "01-one.claims.yaml"), claims);
  try {
    readArticle(folder);
  } catch (error) {
    expect(error).toBeInstanceOf(UserError);
    return (error as UserError).message.replace(/^catalogue-\w+(\/[^:]*)?: /, "");
  }
  return "no error";
}

const articles = readdirSync(join(projectRoot, "specs"), { withFileTypes: true }).flatMap((entry) =>
  entry.isDirectory() ? [readArticle(join(projectRoot, "specs", entry.name))] : [],
);

test.each(articles)("$id: its specs' types have today's claims (npm run claims writes them)", (article) => {
  expect(readFileSync(join(article.folder, sentencesFile), "utf8")).toBe(sentencesOf(article));
});

test.each(articles)("$id: each claim has exactly one spec, and each spec a claim", (article) => {
  const specs = readdirSync(article.folder).filter((file) => /\.(spec|claims)\.ts$/.test(file));
  const checked = specs.flatMap((file) =>
    [...readFileSync(join(article.folder, file), "utf8").matchAll(/^claim\("([^"]+)"/gm)].flatMap(([, id]) => id ?? []),
  );
  const named = article.claims.flatMap(({ id, check }) => (check === undefined ? [] : [id]));
  checked.push(...named);
  const live = article.claims.filter(({ excluded }) => excluded === undefined);
  expect(new Set(checked)).toEqual(new Set(live.map(({ id }) => id)));
  expect(checked.length).toBe(live.length);
});

test.each(articles)("$id: every letter and digit belongs to a claim, an exclusion or a stated reason", (article) => {
  const { characters, percent, missing } = coverageOf(article);
  console.log(`coverage of ${article.id}: ${percent} % of ${characters} letters and digits`);
  expect(missing).toEqual([]);
  expect(percent).toBe(100);
});

test.each([
  ["a good file", good, "no error"],
  ["an unknown key", good.replace("ref: 1", "ref: 1\n  colour: red"), 'claim first-claim: Unrecognized key: "colour"'],
  [
    "a quote that is not in the article",
    good.replace("所有 Pod\n", "所有 Pot\n"),
    "claim first-claim: quote not in the article (occurrence 1): 所有 Pot",
  ],
  [
    "an occurrence that is not there",
    good.replace("ref: 1", "ref: 1\n  occurrence: 99"),
    "claim first-claim: quote not in the article (occurrence 99): 所有 Pod",
  ],
  ["two equal ids", good + good.slice(good.indexOf("- id:")), "two claims have the id first-claim"],
  [
    "an unknown verdict",
    good.replace("verdict: holds", "verdict: perhaps"),
    'claim first-claim: expect.0.verdict: Invalid option: expected one of "holds"|"refuted"|"external"',
  ],
  [
    "an expectation of nothing",
    good.replace("verdict: holds", "verdict: inconclusive"),
    'claim first-claim: expect.0.verdict: Invalid option: expected one of "holds"|"refuted"|"external"',
  ],
  [
    "an edit of a sentence that holds",
    good.replace("{ verdict: holds,", "{ verdict: holds, edits: [{ quote: Pod, to: 容器 }],"),
    "claim first-claim: expect.0: only a refuted claim is corrected: 'edits'",
  ],
  [
    "an edit of words that are not in the article",
    good
      .replace("  expect:", "  tried: { en: Two pods were asked for it., zh: 詢問了兩個 Pod 的情形。 }\n  expect:")
      .replace(
        "{ verdict: holds,",
        "{ verdict: refuted, instead: { en: Some pods, zh: 某些 Pod 可以 }, edits: [{ quote: Pot, to: 某些 }],",
      ),
    "claim first-claim: quote not in the article (occurrence 1): Pot",
  ],
  [
    "what is still to be filled in",
    good.replace("All pods do something.", '"TODO: what they do"'),
    "claim first-claim: is to be filled in: TODO: what they do",
  ],
  [
    "a link that is still to be filled in",
    good.replace("https://kubernetes.io/", "https://example.com/TODO"),
    "claim first-claim: is to be filled in: https://example.com/TODO",
  ],
  ["an unknown section", good.replace("section: one", "section: two"), "claim first-claim: section two is not listed"],
  [
    "neither expectation nor exclusion",
    good.slice(0, good.indexOf("  expect:")),
    "claim first-claim: needs either 'expect' or 'excluded'",
  ],
  [
    "an id that is not kebab-case",
    good.replace("first-claim", "FirstClaim"),
    "claim FirstClaim: id: must be kebab-case",
  ],
])("%s is told in one line", (_name, text, message) => {
  expect(messageFor(text)).toBe(message);
});

test("what is said has to be there in the article's languages, of which English is one", () => {
  expect(messageFor(good.replace("  zh: 所有 Pod 做某事。\n", ""))).toBe(
    "claim first-claim: has to be in the article's languages, which are zh-Hant, en",
  );
  expect(messageFor(good, about.replace("[zh-Hant, en]", "[zh-Hant]"))).toBe(
    "languages: en has to be one of them, for the suite's own words are English",
  );
});

test("a language that is called as a field of claims, and a text in a language of no article, are refused", () => {
  expect(messageFor(good, about.replace("[zh-Hant, en]", "[zh-Hant, id, en]"))).toBe(
    "languages: id is a field of claims too; write it with its region",
  );
  expect(messageFor(good.replace("  zh: 所有 Pod", "  fr: Tous les Pods\n  zh: 所有 Pod"))).toBe(
    'claim first-claim: Unrecognized key: "fr"',
  );
});

test("broken YAML is told in one line", () => {
  expect(messageFor("- [")).toMatch(/^[^\n]+$/);
});

test("an occurrence is counted from the article's beginning", () => {
  const text = "ask it, and ask it again";
  expect(quotePosition(text, { quote: "ask it", occurrence: 1 })).toBe(0);
  expect(quotePosition(text, { quote: "ask it", occurrence: 2 })).toBe(12);
  expect(quotePosition(text, { quote: "no such words", occurrence: 1 })).toBe(-1);
});
