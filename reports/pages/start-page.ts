import { type ComponentChild, h } from "preact";
import type { Article } from "../../helpers/article/article.ts";
import type { ClaimResult, Results } from "../../helpers/claim/results.ts";
import { worldInWords } from "../../helpers/claim/world.ts";
import type { WorldsFile } from "../../helpers/claim/worlds.ts";
import { changesBetween } from "../changes.ts";
import { correctedFiles } from "../corrected.ts";
import type { Matrix } from "../matrix.ts";
import { isWhole, type PastRun } from "../runs.ts";
import { type WrongSentence, wrongSentences } from "../sentences.ts";
import {
  type Bilingual,
  correctedText,
  inSourceLanguage,
  placeOfWords,
  recordedMatrixPage,
  symbols,
  timesPageFile,
} from "../words.ts";
import { byVersion, canFail, cardStyle, howLong, seconds, stays } from "./cards.ts";
import { both, type NamedPage, pageOf, topBar, verdictMark } from "./look.ts";
import { claimStrip, stripStyle } from "./strip.ts";
import { wrongList } from "./wrong-list.ts";

const style = `
body { max-width: 62rem; margin: 0 auto; } h2 { font-size: 1.1rem; margin: 1.8rem 0 .4rem; } .bar { border-radius: 0 0 8px 8px; }
.mislead { margin: .6rem 0 .2rem; font-size: 1.15rem; } .mislead strong { font-size: 2.8rem; line-height: 1; color: var(--refuted); vertical-align: -.1em; }
.bars { display: grid; grid-template-columns: minmax(9rem, 22rem) minmax(0, 1fr) auto; gap: .15rem .8rem; align-items: center; } .bars a { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; text-decoration: none; } .bars a:hover { text-decoration: underline; }
ol li { margin-bottom: .5rem; } .reason { color: var(--refuted); } table { border-collapse: collapse; } th, td { padding: .2rem 1rem .2rem 0; text-align: left; vertical-align: top; overflow-wrap: normal; border-bottom: 1px solid var(--line); } td { overflow-wrap: anywhere; }
@media (max-width: 40rem) { .bars { grid-template-columns: minmax(0, 1fr) auto; } .bars { grid-auto-flow: dense; } .bars svg { grid-column: 1 / -1; } }
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
  /** What was recorded of worlds that must change nothing. */
  readonly recordedWorlds?: WorldsFile;
  /** What recorded runs found on other versions. */
  readonly matrix?: Matrix;
  /** Whole runs of this article in the same folder, this one last. */
  readonly runs: readonly PastRun[];
  readonly pages: readonly NamedPage[];
  /** Files beside the page that exist. */
  readonly files: readonly string[];
}

const links: readonly (readonly [file: string, words: Bilingual])[] = [
  ["article.html", { en: "The article with its verdicts in it", zh: "標上判定的文章" }],
  ["errata.md", { en: "What should be corrected, to paste", zh: "勘誤，可直接貼上" }],
  ["matrix.html", { en: "Claims by version", zh: "各版本的判定" }],
  [recordedMatrixPage, { en: "Claims by version, as recorded runs found them", zh: "各版本的判定（錄下的執行）" }],
  [timesPageFile, { en: "Where the time went", zh: "時間花在哪裡" }],
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
  const { results, recorded, files } = page;
  const { article, claims } = results;
  const judged = claims.filter(({ verdict }) => verdict !== undefined);
  const surprises = judged.filter(({ verdict, expected }) => verdict !== expected);
  const wrong = wrongSentences(judged);
  return pageOf(
    article,
    `${inSourceLanguage(article, article)}: ${results.world.kubernetes}`,
    cardStyle + stripStyle + style,
    [
      topBar(page.pages),
      h("main", {}, [
        h("h1", {}, both(article)),
        recorded === undefined ? null : h("p", { class: "verdict inconclusive" }, both(recorded)),
        results.corrected === true ? h("p", { class: "verdict inconclusive" }, both(correctedText)) : null,
        headline(results, wrong.length),
        claimStrip(judged, { page: "article.html" }),
        h("p", { class: "small" }, where(results)),
        surprises.length > 0
          ? list({ en: "Not as expected", zh: "與預期不同" }, surprises)
          : !isWhole(results)
            ? null
            : h(
                "p",
                {},
                both({
                  en: `Every verdict is the one that is known for ${results.world.kubernetes}; ✗ is a sentence of the article that is wrong on it.`,
                  zh: `所有判定都與 ${results.world.kubernetes} 的已知結果相同；✗ 表示文章中的該句在此版本上不成立。`,
                }),
              ),
        ...(wrong.length === 0 ? [] : misleading(wrong, page)),
        h("h2", {}, both({ en: "Section by section", zh: "逐節" })),
        sectionBars(results.sections, judged),
        h("p", { class: "small" }, [
          ...verdicts.flatMap((verdict) => [
            `${judged.filter((claim) => claim.verdict === verdict).length} `,
            verdictMark(verdict),
            " · ",
          ]),
          both({ en: `${judged.length} claims in all`, zh: `共 ${judged.length} 項主張` }),
        ]),
        h("div", { class: "cards" }, [
          canFail(results, page.recordedControls),
          stays(page.recordedWorlds),
          howLong(results, page.runs),
          ...(page.matrix === undefined ? [] : byVersion(page.matrix, page.article, results)),
        ]),
        ...(recorded === undefined ? since(results, page.previous) : []),
        h("h2", {}, both({ en: "Look at", zh: "查看" })),
        h(
          "ul",
          {},
          links
            .flatMap((link) => (link[0] === "errata.md" ? [link, ...linksToCorrected(page.article)] : [link]))
            .filter(([file]) => files.includes(file))
            .map(([file, words]) => h("li", {}, h("a", { href: file }, both(words)))),
        ),
        h("h2", {}, both({ en: "What was checked", zh: "檢查環境" })),
        h(
          "table",
          {},
          h(
            "tbody",
            {},
            environment(results).map(([name, value]) =>
              h("tr", {}, [h("th", { scope: "row" }, both(name)), h("td", {}, value)]),
            ),
          ),
        ),
      ]),
    ],
  );
}

/** What a reader wants to know first; of a run that did not judge all claims it does not say more than that run knows. */
function headline(results: Results, wrong: number): ComponentChild {
  const judged = results.claims.filter(({ verdict }) => verdict !== undefined).length;
  if (judged === 0)
    return h(
      "p",
      { class: "mislead" },
      both({ en: "No claim was judged in this run.", zh: "這次執行沒有判定任何主張。" }),
    );
  const part = isWhole(results)
    ? { en: "", zh: "" }
    : {
        en: `, of the ${judged} claims that this run judged: others were not asked for, or it ended before`,
        zh: `（只計這次判定的 ${judged} 項主張：其餘未列入，或執行提早結束）`,
      };
  return h("p", { class: "mislead" }, [
    h("strong", {}, String(wrong)),
    both({
      en: `${wrong === 1 ? " sentence misleads" : " sentences mislead"} on this cluster${part.en}`,
      zh: ` 個句子在此叢集上有誤導之虞${part.zh}`,
    }),
  ]);
}

const verdicts = ["holds", "refuted", "external", "inconclusive"] as const;

function misleading(wrong: readonly WrongSentence[], { article }: Pages): ComponentChild[] {
  return [
    h("h2", { id: "wrong" }, both({ en: "What misleads", zh: "有誤導之虞的句子" })),
    h("p", { class: "small" }, [
      both({
        en: "Each leads to its place in the article and to the evidence; ",
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
    wrongList(wrong, article, "article.html"),
  ];
}

/** A line for each section, and on it a block for each of its claims, in the article's order. */
function sectionBars(sections: Results["sections"], judged: readonly ClaimResult[]): ComponentChild {
  const inSections = sections
    .map((section) => ({ section, claims: judged.filter((claim) => claim.section === section.id) }))
    .filter(({ claims }) => claims.length > 0);
  return h(
    "div",
    { class: "bars" },
    inSections.flatMap(({ section, claims }) => {
      const refuted = claims.filter(({ verdict }) => verdict === "refuted").length;
      const first = `article.html#${placeOfWords(claims[0]?.id ?? "")}`;
      return [
        h("a", { href: first }, both(section)),
        claimStrip(claims, { page: "article.html", width: claims.length * 16 }),
        h(
          "span",
          { class: `small verdict ${refuted === 0 ? "holds" : "refuted"}` },
          refuted === 0 ? `${symbols.holds} ${claims.length}` : `${symbols.refuted} ${refuted} / ${claims.length}`,
        ),
      ];
    }),
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
  const took = ({ milliseconds = 0 }: ClaimResult) => seconds(milliseconds);
  const changes = [
    ...flipped.map(({ claim, before }) => [
      linked(claim),
      ` (${symbols[before.verdict ?? "inconclusive"]} → ${symbols[claim.verdict ?? "inconclusive"]})`,
    ]),
    ...added.map((claim) => [linked(claim), both({ en: " (new)", zh: "（新增）" })]),
    ...slower.map(({ claim, before }) => [linked(claim), ` (${took(before)} → ${took(claim)})`]),
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

function environment({ world, suite, started, coverage }: Results): [Bilingual, string][] {
  return [
    [{ en: "Kubernetes", zh: "Kubernetes" }, world.kubernetes],
    [{ en: "kind", zh: "kind" }, world.kind],
    [{ en: "kube-proxy", zh: "kube-proxy" }, world.proxyMode],
    [{ en: "IP", zh: "IP" }, world.ipFamilies.join(" + ")],
    [{ en: "CNI", zh: "CNI" }, world.cni],
    [{ en: "Nodes", zh: "節點數" }, String(world.nodes.length)],
    [{ en: "Engine", zh: "容器引擎" }, `${world.engine.name} ${world.engine.version}, cgroup ${world.engine.cgroup}`],
    [{ en: "Started", zh: "開始時間" }, started],
    [{ en: "Coverage", zh: "涵蓋率" }, `${coverage.percent} %`],
    [{ en: "Suite", zh: "測試套件" }, `${suite.version} (${suite.commit.slice(0, 12)})`],
    ...Object.entries(world.provenance)
      .filter(([part]) => part === "node image" || part === "kindnetd")
      .map(([part, origin]): [Bilingual, string] => [
        { en: part, zh: part === "node image" ? "節點映像" : part },
        origin,
      ]),
  ];
}
