import { expect, test } from "vitest";
import { readSettings } from "../host/settings.ts";
import { type Article, readArticle, spanOf } from "./article.ts";
import { coverageOf } from "./coverage.ts";

const covering = (text: string, ...quotes: string[]): Pick<Article, "text" | "claims" | "unclaimed"> => ({
  text,
  claims: [],
  unclaimed: [{ reason: "heading", places: quotes.map((quote) => ({ quote, occurrence: 1 })) }],
});

test("nothing that holds a number, a command, a field or a 'can' is passed over as stating nothing", () => {
  const article = readArticle(readSettings().article);
  const passedOver = article.unclaimed
    .filter(({ reason }) => reason !== "heading" && reason !== "metadata")
    .flatMap(({ places }) => places)
    .map((place) => {
      const { start, end } = spanOf(article.text, place) ?? { start: 0, end: 0 };
      return article.text.slice(start, end);
    });
  expect(passedOver.length).toBeGreaterThan(3);
  for (const text of passedOver)
    expect(text).not.toMatch(/\d|kubectl|docker |curl|apply|可以|能夠|不能|不支持|必須|默認/);
});

test("every row of the reference table, 1 to 158, has a claim or an exclusion", () => {
  const refs = new Set(readArticle(readSettings().article).claims.map(({ ref }) => ref));
  expect(Array.from({ length: 158 }, (_, index) => index + 1).filter((row) => !refs.has(row))).toEqual([]);
});

test("what is left out is told by its line, and counts", () => {
  expect(coverageOf(covering("# One\n\ntwo three，four\n", "One", "three"))).toEqual({
    characters: 15,
    covered: 8,
    percent: 53.3,
    missing: [{ line: 3, text: "two … four" }],
  });
});

test("a quote that stands twice covers the first one only", () => {
  const { missing } = coverageOf(covering("same\nsame", "same"));
  expect(missing).toEqual([{ line: 2, text: "same" }]);
});
