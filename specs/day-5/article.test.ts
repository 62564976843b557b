import { expect, test } from "vitest";
import { readArticle, spanOf } from "../../helpers/article/article.ts";

const article = readArticle(import.meta.dirname);

test("nothing that holds a number, a command, a field or a 'can' is passed over as stating nothing", () => {
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
  const refs = new Set(article.claims.map(({ ref }) => ref));
  expect(Array.from({ length: 158 }, (_, index) => index + 1).filter((row) => !refs.has(row))).toEqual([]);
});
