import { type ComponentChild, h } from "preact";
import type { Verdict } from "../helpers/claim/verdict.ts";

/** A sentence in both languages of the article's readers. */
interface Bilingual {
  readonly en: string;
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

/** Returns both languages, of which a page shows one. */
export function both({ en, zh }: Bilingual): ComponentChild {
  return [h("span", { lang: "zh-Hant" }, zh), h("span", { lang: "en" }, en)];
}
