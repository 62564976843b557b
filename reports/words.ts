import { type Texts, textIn, textsIn } from "../helpers/article/languages.ts";
import type { Verdict } from "../helpers/claim/verdict.ts";

/** A sentence of the pages' own: in English, which readers of other languages are shown too, and in traditional Chinese. */
export interface Bilingual extends Texts {
  readonly zh: string;
}

/** A sign for each verdict: colour alone says nothing to some. */
export const symbols: Readonly<Record<Verdict, string>> = {
  holds: "✓",
  refuted: "✗",
  external: "○",
  inconclusive: "?",
};

/** The verdicts in words. */
export const verdictWords: Readonly<Record<Verdict, Bilingual>> = {
  holds: { en: "holds", zh: "成立" },
  refuted: { en: "refuted", zh: "不成立" },
  external: { en: "not to be seen here", zh: "此處無法驗證" },
  inconclusive: { en: "inconclusive", zh: "未能測試" },
};

/** The two halves of an answer to "how do you know?", wherever a sentence is called wrong. */
export const howWeKnow = {
  tried: { en: "What was tried", zh: "怎麼試的" },
  seen: { en: "Seen in this run", zh: "這次看到" },
} satisfies Record<string, Bilingual>;

/** Said on top of pages of a run that judged the corrected text. */
export const correctedText: Bilingual = {
  en: "This is the corrected text: the article with its corrections in place.",
  zh: "這是訂正後的文字：文章中各處勘誤皆已改正。",
};

/** Returns a text in the languages in which it is there. */
export function joined(texts: Texts | Bilingual, languages: readonly string[], between: string): string {
  return textsIn(texts, languages)
    .map(({ text }) => text)
    .join(between);
}

/** Returns the language of an article's own words. */
export function sourceLanguage({ languages }: { readonly languages: readonly string[] }): string {
  return languages[0] ?? "en";
}

/** Returns a text in the language of an article's own words, or in English if it is not there. */
export function inSourceLanguage(texts: Texts, article: { readonly languages: readonly string[] }): string {
  return textIn(texts, sourceLanguage(article)) ?? texts.en;
}

/** The page of what recorded runs found on other versions, beside every run's own. */
export const recordedMatrixPage = "recorded-matrix.html";

/** The page of where a run's time went. */
export const timesPageFile = "times.html";

/** Returns the place of a claim's words on the article's page; a link to it shows the claim's details too. */
export function placeOfWords(claim: string): string {
  return `${claim}-words`;
}
