import { h } from "preact";
import type { Article } from "../../helpers/article/article.ts";
import type { Results } from "../../helpers/claim/results.ts";
import { wrongSentences } from "../sentences.ts";
import { both, type NamedPage, pageOf, topBar } from "./look.ts";
import { claimStrip, stripStyle } from "./strip.ts";

const style = `
body { max-width: 62rem; margin: 0 auto; } h2 { font-size: 1.15rem; margin: 1.8rem 0 .4rem; } .articles { display: grid; gap: 1rem; } .articles section { padding: .8rem 1.2rem 1rem; border: 1px solid var(--line); border-radius: 8px; } .articles h3 { margin: 0; font-size: 1.15rem; } .articles p { margin: .3rem 0; } .articles strong { font-size: 1.5rem; color: var(--refuted); }
`;

/** An article on the site, in a folder of its name. */
export interface ArticleOnSite {
  readonly article: Article;
  readonly results: Results;
  /** Its pages, from the site's top. */
  readonly pages: readonly NamedPage[];
}

/** Returns the page that a site begins with: each article with its verdicts, then what else is to be read. */
export function sitePage(
  articles: readonly ArticleOnSite[],
  documents: readonly NamedPage[],
  latest: NamedPage | undefined,
): string {
  return pageOf({ languages: ["en", "zh-Hant"] }, "kind-network-conformance", stripStyle + style, [
    topBar([]),
    h("main", {}, [
      h("h1", {}, "kind-network-conformance"),
      h(
        "p",
        {},
        both({
          en: "Checks what articles on Kubernetes networking say, sentence by sentence, live against a fresh kind cluster. A block is a claim; red ones mislead.",
          zh: "逐句檢查談 Kubernetes 網路的文章，在全新的 kind 叢集上實測。每一格是一項主張；紅色的有誤導之虞。",
        }),
      ),
      h("div", { class: "articles" }, articles.map(articleCard)),
      latest === undefined ? null : h("p", {}, h("a", { href: latest.file }, both(latest.words))),
      ...(documents.length === 0
        ? []
        : [
            h("h2", {}, both({ en: "To read", zh: "文件" })),
            h(
              "ul",
              {},
              documents.map(({ file, words }) => h("li", {}, h("a", { href: file }, both(words)))),
            ),
          ]),
    ]),
  ]);
}

function articleCard({ article, results, pages }: ArticleOnSite) {
  const judged = results.claims.filter(({ verdict }) => verdict !== undefined);
  const wrong = wrongSentences(judged).length;
  return h("section", {}, [
    h("h3", {}, h("a", { href: pages[0]?.file }, both(article.title))),
    h("p", {}, [
      h("strong", {}, String(wrong)),
      both({
        en: `${wrong === 1 ? " sentence misleads" : " sentences mislead"} on Kubernetes ${results.world.kubernetes} (${judged.length} claims, recorded on ${results.started.slice(0, 10)})`,
        zh: ` 個句子在 Kubernetes ${results.world.kubernetes} 上有誤導之虞（${judged.length} 項主張，錄於 ${results.started.slice(0, 10)}）`,
      }),
    ]),
    claimStrip(judged, { page: `${article.id}/article.html` }),
    h(
      "p",
      {},
      pages.map(({ file, words }, index) => [index === 0 ? null : " · ", h("a", { href: file }, both(words))]),
    ),
  ]);
}
