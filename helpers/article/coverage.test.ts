import { expect, test } from "vitest";
import type { Article } from "./article.ts";
import { coverageOf } from "./coverage.ts";

const covering = (text: string, ...quotes: string[]): Pick<Article, "text" | "claims" | "unclaimed"> => ({
  text,
  claims: [],
  unclaimed: [{ reason: "heading", places: quotes.map((quote) => ({ quote, occurrence: 1 })) }],
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
