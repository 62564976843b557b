import { expect, test } from "vitest";
import type { Article, Claim, Expectation } from "./article.ts";
import { correctedArticle } from "./corrected.ts";
import { coverageOf } from "./coverage.ts";

const text = "# Pods\n\nA pod has two addresses, and a node has none.\n- It has two addresses\n- It is old\n";

const link = "https://kubernetes.io/";
const because = { en: "It was seen to be so." };
const holds: Expectation = { verdict: "holds", because, link };

function claim(id: string, quote: string, more: Partial<Claim> = {}): Claim {
  return {
    id,
    ref: 1,
    section: "one",
    quote,
    occurrence: 1,
    en: quote,
    also: [],
    covers: [],
    needs: [],
    expect: [holds],
    ...more,
  };
}

function refuted(more: Partial<Expectation>): Expectation {
  return { verdict: "refuted", because, link, ...more };
}

function article(...claims: Claim[]): Article {
  return {
    id: "pods",
    folder: "/nowhere",
    file: "/nowhere/article.md",
    worlds: {},
    title: { en: "Pods" },
    languages: ["en"],
    date: "2026-01-02",
    sections: [{ id: "one", en: "One" }],
    sentinels: [],
    unclaimed: [{ reason: "heading", places: [{ lines: "1" }] }],
    text,
    claims,
  };
}

const one = { instead: { en: "one address" } };
const bullets = { places: [{ lines: "4-5" }] };

test("without edits what it could say stands in the quote's place, and all else is as it was", () => {
  const { article: corrected, ids } = correctedArticle(
    article(claim("addresses", "two addresses"), claim("nodes", "a node has none")),
    new Map([["addresses", refuted(one)]]),
  );
  expect(corrected.text).toBe(text.replace("two addresses", "one address"));
  expect([...ids]).toEqual(["addresses"]);
  expect(corrected.claims).toMatchObject([
    { id: "addresses", quote: "one address", en: "one address", expect: [{ verdict: "holds", because }] },
    { id: "nodes", quote: "a node has none", en: "a node has none", expect: [holds] },
  ]);
});

test("each place of a claim is corrected as its edits say, and the corrected text is covered as the text was", () => {
  const edits = [
    { quote: "has two addresses", occurrence: 1, to: "has one" },
    { quote: "has two addresses", occurrence: 2, to: "has a single address" },
  ];
  const addresses = claim("addresses", "two addresses", { also: [{ lines: "4" }] });
  const whole = claim("whole", "A pod has two addresses, and a node has none");
  const before = article(addresses, whole, claim("old", "It is old"));
  const { article: corrected } = correctedArticle(before, new Map([["addresses", refuted({ ...one, edits })]]));
  expect(corrected.text).toBe(
    "# Pods\n\nA pod has one, and a node has none.\n- It has a single address\n- It is old\n",
  );
  expect(corrected.claims).toMatchObject([
    { quote: "has one", also: [{ quote: "- It has a single address" }] },
    { quote: "A pod has one, and a node has none" },
    { quote: "It is old" },
  ]);
  expect(coverageOf(before).percent).toBe(100);
  expect(coverageOf(corrected)).toMatchObject({ percent: 100, missing: [] });
});

test("of two corrections of the same words the second is left out", () => {
  const { article: corrected, ids } = correctedArticle(
    article(claim("addresses", "two addresses"), claim("pods", "A pod has two addresses")),
    new Map([
      ["addresses", refuted(one)],
      ["pods", refuted({ instead: { en: "A pod has some" } })],
    ]),
  );
  expect(corrected.text).toBe(text.replace("two addresses", "one address"));
  expect([...ids]).toEqual(["addresses"]);
});

test("a claim that repeats another is corrected with it, and stays where its words are taken out", () => {
  const claims = [
    claim("bullet", "- It has two addresses\n", { repeats: "addresses" }),
    claim("addresses", "two addresses"),
    claim("age", "It is old", { repeats: "addresses" }),
    claim("count", "two", { occurrence: 2, expect: undefined, excluded: "no statement of its own" }),
  ];
  const out = { edits: [{ quote: "- It has two addresses\n", occurrence: 1, to: "" }] };
  const all = new Map([
    ["bullet", refuted(out)],
    ["addresses", refuted(one)],
    ["age", refuted({})],
  ]);
  const { article: corrected, ids } = correctedArticle({ ...article(...claims), unclaimed: [bullets] as never }, all);
  expect(corrected.text).toBe("# Pods\n\nA pod has one address, and a node has none.\n- It is old\n");
  expect([...ids].toSorted()).toEqual(["addresses", "age", "bullet"]);
  expect(corrected.claims.map(({ id, quote, en }) => [id, quote, en])).toEqual([
    ["bullet", "one address", "one address"],
    ["addresses", "one address", "one address"],
    ["age", "It is old", "one address"],
  ]);
  expect(corrected.unclaimed[0]?.places).toEqual([{ quote: "- It is old", occurrence: 1 }]);
  const alone = correctedArticle(article(...claims), new Map([["age", refuted({})]]));
  expect([...alone.ids]).toEqual([]);
  expect(alone.article.text).toBe(text);
});
