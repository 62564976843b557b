import { type ComponentChild, h } from "preact";
import type { Article } from "../../helpers/article/article.ts";
import type { ClaimResult, Results } from "../../helpers/claim/results.ts";
import { worldInWords } from "../../helpers/claim/world.ts";
import { changesBetween } from "../changes.ts";
import { correctedFiles } from "../corrected.ts";
import { wrongSentences } from "../sentences.ts";
import {
  type Bilingual,
  correctedText,
  inSourceLanguage,
  placeOfWords,
  recordedMatrixPage,
  symbols,
} from "../words.ts";
import { both, languageSwitch, pageOf, verdictMark } from "./look.ts";
import { wrongList } from "./wrong-list.ts";

const style = `
body { max-width: 60rem; margin: 1.5rem auto; padding: 0 1.5rem; } h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 1.8rem; }
.counts { display: flex; flex-wrap: wrap; gap: 1rem; padding: 0; list-style: none; } .counts li { flex: 1 1 9rem; padding: .8rem 1rem; border: 1px solid var(--line); border-radius: 8px; }
.mislead { margin: 1rem 0 .3rem; } .mislead strong { font-size: 2.6rem; color: var(--refuted); }
.counts strong { display: block; font-size: 2rem; line-height: 1.2; }
.small { font-size: .85rem; } ol li { margin-bottom: .3rem; } table { border-collapse: collapse; } th, td { padding: .2rem 1rem .2rem 0; text-align: left; vertical-align: top; overflow-wrap: normal; border-bottom: 1px solid var(--line); } td { overflow-wrap: anywhere; }
`;

/** What a start page can lead to, by what is there. */
export interface Pages {
  readonly results: Results;
  readonly article: Article;
  /** The run before in the same folder, where there was one. */
  readonly previous?: Results;
  /** Said on top where the run is not the reader's own. */
  readonly recorded?: Bilingual;
  /** A recorded run in which the controls were tried, for one in which they were not. */
  readonly recordedControls?: Results;
  /** Files beside the page that exist. */
  readonly files: readonly string[];
}

const links: readonly (readonly [file: string, words: Bilingual])[] = [
  ["article.html", { en: "The article with its verdicts in it", zh: "標上判定的文章" }],
  ["errata.md", { en: "What should be corrected, to paste", zh: "勘誤，可直接貼上" }],
  ["matrix.html", { en: "Claims by version", zh: "各版本的判定" }],
  [recordedMatrixPage, { en: "Claims by version, as recorded runs found them", zh: "各版本的判定（錄下的執行）" }],
  ["allure-report/index.html", { en: "Allure report", zh: "Allure 報告" }],
  ["results.json", { en: "Results for programs (JSON)", zh: "給程式用的結果（JSON）" }],
  ["article.sarif", { en: "Results for code scanning (SARIF)", zh: "給程式碼掃描用的結果（SARIF）" }],
  ["article.rdjson", { en: "Corrections as suggestions (reviewdog)", zh: "可直接採用的修改建議（reviewdog）" }],
  ["junit.xml", { en: "Results for CI (JUnit)", zh: "給 CI 用的結果（JUnit）" }],
];

function linksToCorrected(article: Article): (typeof links)[number][] {
  const { text, diff } = correctedFiles(article);
  return [
    [diff, { en: "The corrected text, word by word beside the article's", zh: "訂正後的文字，逐字對照" }],
    [text, { en: "The corrected text, as Markdown", zh: "訂正後的文字（Markdown）" }],
  ];
}

/** Returns the page that a reader of a run opens first; it needs nothing from elsewhere. */
export function startPage(page: Pages): string {
  const { results, previous, recorded, recordedControls, files } = page;
  const { article, claims } = results;
  const judged = claims.filter(({ verdict }) => verdict !== undefined);
  const surprises = judged.filter(({ verdict, expected }) => verdict !== expected);
  const wrong = wrongSentences(judged);
  return pageOf(
    article,
    `${inSourceLanguage(article, article)}: ${results.world.kubernetes}`,
    style,
    h("main", {}, [
      h("h1", {}, both(article)),
      recorded === undefined ? null : h("p", { class: "verdict inconclusive" }, both(recorded)),
      results.corrected === true ? h("p", { class: "verdict inconclusive" }, both(correctedText)) : null,
      h("p", {}, where(results)),
      languageSwitch(),
      h("p", { class: "mislead" }, [
        h("strong", {}, String(wrong.length)),
        both({
          en: wrong.length === 1 ? " sentence misleads on this cluster." : " sentences mislead on this cluster.",
          zh: " 個句子在此叢集上有誤導之虞。",
        }),
        both({ en: " By claims:", zh: "各項主張：" }),
      ]),
      h(
        "ul",
        { class: "counts" },
        (["holds", "refuted", "external", "inconclusive"] as const).map((verdict) =>
          h("li", {}, [
            h("strong", {}, String(judged.filter((claim) => claim.verdict === verdict).length)),
            verdict === "refuted" ? h("a", { href: "#wrong" }, verdictMark(verdict)) : verdictMark(verdict),
          ]),
        ),
      ),
      surprises.length === 0
        ? h(
            "p",
            {},
            both({
              en: `Every verdict is the one that is known for ${results.world.kubernetes}; ✗ is a sentence of the article that is wrong on it.`,
              zh: `所有判定都與 ${results.world.kubernetes} 的已知結果相同；✗ 表示文章中的該句在此版本上不成立。`,
            }),
          )
        : list({ en: "Not as expected", zh: "與預期不同" }, surprises),
      h("h2", {}, both({ en: "Look at", zh: "查看" })),
      h(
        "ul",
        {},
        links
          .flatMap((link) => (link[0] === "errata.md" ? [link, ...linksToCorrected(page.article)] : [link]))
          .filter(([file]) => files.includes(file))
          .map(([file, words]) => h("li", {}, h("a", { href: file }, both(words)))),
      ),
      ...(wrong.length === 0
        ? []
        : [
            h(
              "h2",
              { id: "wrong" },
              both({
                en: `Wrong on this cluster: ${wrong.length === 1 ? "1 sentence" : `${wrong.length} sentences`}`,
                zh: `在此叢集上不成立：${wrong.length} 句`,
              }),
            ),
            h("p", {}, [
              both({
                en: "Each leads to its place in the article and to how one knows; ",
                zh: "點選可看文章中的位置與依據；",
              }),
              h(
                "a",
                { href: "article.html#errata" },
                both({
                  en: "all with what was tried, what was seen and what they could say",
                  zh: "全部的試法、所見與可改寫的文字",
                }),
              ),
            ]),
            wrongList(wrong, page.article, "article.html"),
          ]),
      ...(recorded === undefined ? since(results, previous) : []),
      h("h2", {}, both({ en: "What was checked", zh: "檢查環境" })),
      h(
        "table",
        {},
        h(
          "tbody",
          {},
          environment(results, recordedControls).map(([name, value]) =>
            h("tr", {}, [h("th", { scope: "row" }, name), h("td", {}, value)]),
          ),
        ),
      ),
    ]),
  );
}

function where({ world, started }: Results): string {
  return `${worldInWords(world)}, ${started.slice(0, 10)}`;
}

function list(title: Bilingual, claims: readonly ClaimResult[]): ComponentChild {
  return [
    h("h2", {}, both(title)),
    h(
      "ul",
      {},
      claims.map((claim) => h("li", {}, linked(claim))),
    ),
  ];
}

function linked(claim: ClaimResult): ComponentChild {
  const { id, verdict = "inconclusive" } = claim;
  return h("a", { href: `article.html#${placeOfWords(id)}` }, [
    h("span", { class: `verdict ${verdict}` }, `${symbols[verdict]} `),
    both(claim),
  ]);
}

function since(results: Results, previous: Results | undefined): ComponentChild[] {
  const title = h("h2", {}, both({ en: "Since the run before", zh: "與上次相比" }));
  if (previous === undefined)
    return [title, h("p", {}, both({ en: "There was none in this folder.", zh: "此資料夾沒有更早的執行結果。" }))];
  if (previous.corrected !== results.corrected)
    return [title, h("p", {}, both({ en: "It judged another text.", zh: "上次檢查的是另一份文字。" }))];
  if (previous.selection !== results.selection)
    return [title, h("p", {}, both({ en: "It was asked for other claims.", zh: "上次檢查的是其他主張。" }))];
  const { added, flipped, slower } = changesBetween(previous, results);
  const seconds = ({ milliseconds = 0 }: ClaimResult) => `${(milliseconds / 1000).toFixed(1)} s`;
  const changes = [
    ...flipped.map(({ claim, before }) => [
      linked(claim),
      ` (${symbols[before.verdict ?? "inconclusive"]} → ${symbols[claim.verdict ?? "inconclusive"]})`,
    ]),
    ...added.map((claim) => [linked(claim), both({ en: " (new)", zh: "（新增）" })]),
    ...slower.map(({ claim, before }) => [linked(claim), ` (${seconds(before)} → ${seconds(claim)})`]),
  ];
  return [
    title,
    h("p", {}, `${previous.started}, Kubernetes ${previous.world.kubernetes}`),
    changes.length === 0
      ? h("p", {}, both({ en: "Nothing changed.", zh: "沒有變化。" }))
      : h(
          "ul",
          {},
          changes.map((change) => h("li", {}, change)),
        ),
  ];
}

function environment(
  { world, suite, started, controls, claims, coverage }: Results,
  recorded: Results | undefined,
): [string, string][] {
  const before =
    recorded === undefined
      ? ""
      : `; recorded on ${recorded.world.kubernetes}: ${recorded.controls.proven} of ${recorded.controls.executed} checks proven able to fail`;
  return [
    ["Kubernetes", world.kubernetes],
    ["kind", world.kind],
    ["kube-proxy", world.proxyMode],
    ["IP", world.ipFamilies.join(" + ")],
    ["CNI", world.cni],
    ["Nodes", String(world.nodes.length)],
    ["Engine", `${world.engine.name} ${world.engine.version}, cgroup ${world.engine.cgroup}`],
    ["Started", started],
    ["Coverage", `${coverage.percent} %`],
    [
      "Controls",
      claims.some((claim) => claim.controls.length > 0)
        ? `${controls.proven} of ${controls.executed} checks proven able to fail`
        : `not tried in this run (npm run controls)${before}`,
    ],
    ["Suite", `${suite.version} (${suite.commit.slice(0, 12)})`],
    ...Object.entries(world.provenance).filter(([part]) => part === "node image" || part === "kindnetd"),
  ];
}
