import { expect, test } from "vitest";
import { furtherTexts, LanguageTag, onlyTexts, StoredLanguages, textIn, textsIn } from "./languages.ts";

const texts = { en: "yes", fr: "oui", zh: "是" };

test("a text is found under its tag, and zh is short for zh-Hant", () => {
  expect(["en", "fr", "zh-Hant", "zh-TW", "zh-Hans", "pt-BR"].map((tag) => textIn(texts, tag))).toEqual([
    ...["yes", "oui", "是", "是"],
    ...[undefined, undefined],
  ]);
});

test("texts are told in the order of the languages, and in English where there is none of them", () => {
  expect(textsIn(texts, ["fr", "de", "en"]).map(({ language, text }) => [language, text])).toEqual([
    ["fr", "oui"],
    ["en", "yes"],
  ]);
  expect(textsIn(texts, ["de"])).toEqual([{ language: "en", text: "yes" }]);
  expect(furtherTexts(texts, ["fr", "en", "zh-Hant"])).toEqual(["oui", "是"]);
  expect(onlyTexts({ ...texts, ...{ id: "a" } }, ["zh-Hant", "en"])).toEqual({ en: "yes", zh: "是" });
});

test.each([
  ["french", "no error"],
  ["pt-br", "must be a language tag (BCP 47) such as fr or pt-BR"],
  ["a language", "must be a language tag (BCP 47) such as fr or pt-BR"],
  ["zh", "zh does not tell the script: write zh-Hant or zh-Hans"],
])("the tag %s is judged: %s", (tag, message) => {
  expect(LanguageTag.safeParse(tag).error?.issues[0]?.message ?? "no error").toBe(message);
});

test("older results say zh for zh-Hant", () => {
  expect(StoredLanguages.parse(["zh", "en", "fr"])).toEqual(["zh-Hant", "en", "fr"]);
});
