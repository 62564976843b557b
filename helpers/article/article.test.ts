import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { UserError } from "../host/errors.ts";
import { projectRoot, readSettings } from "../host/settings.ts";
import { capabilityNames, missingCapability } from "../world/capabilities.ts";
import { quotePosition, readArticle } from "./article.ts";
import { coverageOf } from "./coverage.ts";

const folder = mkdtempSync(join(tmpdir(), "catalogue-"));
afterAll(() => rmSync(folder, { recursive: true }));

const about = `
title: { en: An article, zh: 文章 }
languages: [zh, en]
date: 2025-07-20
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

test("the project's own catalogue is valid, with every quote in the article and every need known", () => {
  const { claims } = readArticle(readSettings().article);
  expect(claims.length).toBeGreaterThan(40);
  for (const { needs } of claims)
    expect(() => missingCapability(needs, { nodes: [], engine: {}, features: {} } as never)).not.toThrow(RangeError);
});

test("every capability is needed by a claim", () => {
  const needed = new Set(readArticle(readSettings().article).claims.flatMap(({ needs }) => needs));
  expect(capabilityNames.filter((name) => !needed.has(name))).toEqual([]);
});

const articles = readdirSync(join(projectRoot, "specs"), { withFileTypes: true }).flatMap((entry) =>
  entry.isDirectory() ? [readArticle(join(projectRoot, "specs", entry.name))] : [],
);

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
    "claim first-claim: has to be in the article's languages, which are zh, en",
  );
  expect(messageFor(good, about.replace("[zh, en]", "[zh]"))).toBe(
    "languages: en has to be one of them, for the suite's own words are English",
  );
});

test("broken YAML is told in one line", () => {
  expect(messageFor("- [")).toMatch(/^[^\n]+$/);
});

test("an occurrence is counted from the article's beginning", () => {
  const article = readArticle(readSettings().article);
  const first = quotePosition(article.text, { quote: "curl http://localhost:30080", occurrence: 1 });
  const second = quotePosition(article.text, { quote: "curl http://localhost:30080", occurrence: 2 });
  expect(first).toBeGreaterThan(0);
  expect(second).toBeGreaterThan(first);
  expect(quotePosition(article.text, { quote: "no such words", occurrence: 1 })).toBe(-1);
});
