import { type ComponentChild, h } from "preact";
import type { Article } from "../../helpers/article/article.ts";
import { lineOf, linesInWords, wordsOf } from "../places.ts";
import type { WrongSentence } from "../sentences.ts";
import { placeOfWords, sourceLanguage, symbols } from "../words.ts";
import { both } from "./look.ts";

/**
 * Returns the list of what is wrong, at a glance: a statement each, with its line and its words in the article.
 *
 * @param page another page, on which the article is; there is no reason beside it, so it stands in the list
 */
export function wrongList(wrong: readonly WrongSentence[], article: Article, page?: string): ComponentChild {
  return h(
    "ol",
    {},
    wrong.map(({ claim }) => {
      const line = linesInWords([lineOf(claim, article)]);
      const { before, words, after } = wordsOf(claim, article);
      return h("li", {}, [
        h("a", { href: `${page ?? ""}#${placeOfWords(claim.id)}` }, [`${symbols.refuted} `, both(claim)]),
        h("span", { class: "small" }, [
          both({ en: ` ${line.en}: `, zh: `（${line.zh}）` }),
          h("span", { class: "source", lang: sourceLanguage(article) }, [before, h("strong", {}, words), after]),
        ]),
        page === undefined || claim.because === undefined
          ? null
          : h("div", { class: "reason" }, ["→ ", both(claim.because)]),
      ]);
    }),
  );
}
