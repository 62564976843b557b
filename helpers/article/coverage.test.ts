import { expect, test } from "vitest";
import { type Catalogue, readArticle, readCatalogue, spanOf } from "./catalogue.ts";
import { coverageOf } from "./coverage.ts";

const covering = (...quotes: string[]): Pick<Catalogue, "claims" | "unclaimed"> => ({
  claims: [],
  unclaimed: [{ reason: "heading", places: quotes.map((quote) => ({ quote, occurrence: 1 })) }],
});

test("every letter and digit of the article belongs to a claim, an exclusion or a stated reason", () => {
  const { characters, percent, missing } = coverageOf(readArticle(), readCatalogue());
  console.log(`coverage: ${percent} % of the article's ${characters} letters and digits`);
  expect(missing).toEqual([]);
  expect(percent).toBe(100);
});

test("nothing that holds a number, a command, a field or a 'can' is passed over as stating nothing", () => {
  const article = readArticle();
  const passedOver = readCatalogue()
    .unclaimed.filter(({ reason }) => reason !== "heading" && reason !== "metadata")
    .flatMap(({ places }) => places)
    .map((place) => {
      const { start, end } = spanOf(article, place) ?? { start: 0, end: 0 };
      return article.slice(start, end);
    });
  expect(passedOver.length).toBeGreaterThan(3);
  for (const text of passedOver)
    expect(text).not.toMatch(/\d|kubectl|docker |curl|apply|可以|能夠|不能|不支持|必須|默認/);
});

test("every row of the reference table, 1 to 158, has a claim or an exclusion", () => {
  const refs = new Set(readCatalogue().claims.map(({ ref }) => ref));
  expect(Array.from({ length: 158 }, (_, index) => index + 1).filter((row) => !refs.has(row))).toEqual([]);
});

test("what is left out is told by its line, and counts", () => {
  expect(coverageOf("# One\n\ntwo three，four\n", covering("One", "three"))).toEqual({
    characters: 15,
    covered: 8,
    percent: 53.3,
    missing: [{ line: 3, text: "two … four" }],
  });
});

test("a quote that stands twice covers the first one only", () => {
  const { missing } = coverageOf("same\nsame", covering("same"));
  expect(missing).toEqual([{ line: 2, text: "same" }]);
});
