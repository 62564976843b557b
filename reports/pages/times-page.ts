import { type ComponentChild, h } from "preact";
import type { Article } from "../../helpers/article/article.ts";
import type { Results } from "../../helpers/claim/results.ts";
import { claimedWords, type LedgerEntry } from "../../helpers/host/ledger.ts";
import { type ClaimTime, claimTimes, type ProcessorSample, sumOf } from "../ledger.ts";
import { placeOfWords } from "../words.ts";
import { phaseWords, seconds } from "./cards.ts";
import { both, type NamedPage, pageOf, topBar } from "./look.ts";

const style = `
body { max-width: 80rem; margin: 0 auto; } h2 { font-size: 1.1rem; margin: 1.8rem 0 .4rem; } .bar { border-radius: 0 0 8px 8px; }
.line { display: grid; grid-template-columns: minmax(6rem, 18rem) minmax(0, 1fr) minmax(0, 11rem); gap: 0 .8rem; align-items: center; line-height: 1.3; padding: .1rem 0; } .line > :first-child { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; } .line:hover { background: var(--soft); }
.line svg { display: block; width: 100%; height: 1rem; background: linear-gradient(to right, var(--soft), var(--soft)); } .line .used { height: 9rem; }
.work { fill: color-mix(in srgb, var(--holds) 55%, var(--paper)); } .phase { fill: color-mix(in srgb, var(--external) 60%, var(--paper)); } .wait { fill: var(--inconclusive); fill-opacity: .75; }
.key { display: flex; flex-wrap: wrap; gap: .1rem 1rem; padding: 0; list-style: none; } .key svg { width: .8rem; height: .8rem; vertical-align: -.05em; margin-right: .3rem; }
table { border-collapse: collapse; } th, td { padding: .1rem 1rem .1rem 0; text-align: left; border-bottom: 1px solid var(--line); font-weight: normal; } td { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
@media (max-width: 40rem) { .line { grid-template-columns: minmax(0, 1fr) auto; grid-auto-flow: dense; } .line svg { grid-column: 1 / -1; } }
`;

/** Where the time of a run went. */
export interface Times {
  readonly results: Results;
  readonly article: Article;
  readonly entries: readonly LedgerEntry[];
  /** Empty where nobody looked. */
  readonly processor: readonly ProcessorSample[];
  /** What lies beside it. */
  readonly pages: readonly NamedPage[];
}

/** The time that all lines of the page show, from its left to its right. */
interface Span {
  readonly from: number;
  /** Milliseconds. */
  readonly length: number;
}

/** Returns the page that shows where a run's time went: its phases, each claim as a bar, and in it what was waited for. */
export function timesPage({ results, article, entries, processor, pages }: Times): string {
  const claims = claimTimes(entries);
  const phases = entries.filter(({ kind }) => kind === "phase");
  const from = Math.min(...entries.map(({ begun }) => begun));
  const span = { from, length: Math.max(...entries.map(({ begun, lasted }) => begun + lasted)) - from };
  const { requests, commands, pods } = sumOf(entries);
  const title = { en: "Where the time went", zh: "時間花在哪裡" };
  return pageOf(article, `${title.en}: ${results.world.kubernetes}`, style, [
    topBar(pages),
    h("main", {}, [
      h("h1", {}, both(title)),
      h(
        "p",
        {},
        both({
          en: `${seconds(span.length)} in all. The suite asked the API server ${requests} times, ran ${commands} commands and asked for ${pods} pods.`,
          zh: `共 ${seconds(span.length)}。測試套件向 API 伺服器發出 ${requests} 次請求，執行 ${commands} 個指令，要求建立 ${pods} 個 Pod。`,
        }),
      ),
      h("h2", {}, both({ en: "Phases", zh: "階段" })),
      ...phases.map(({ what, begun, lasted }) =>
        line(both(phaseWords(what)), [bar("phase", what, { begun, lasted }, span)], seconds(lasted)),
      ),
      ...(processor.length < 2 ? [] : usage(processor, span)),
      h("h2", {}, both({ en: "Claims, as they began", zh: "主張（依開始順序）" })),
      h("ul", { class: "key small" }, [
        keyed("work", both({ en: "work", zh: "進行中" })),
        keyed("wait", both({ en: "waiting; point at it to see for what", zh: "等待（移到上面可看等待什麼）" })),
      ]),
      ...claims.map((claim) => claimLine(claim, span)),
      h("h2", {}, both({ en: "What was waited for most", zh: "等待最久的事" })),
      waitsTable(claims),
    ]),
  ]);
}

function line(name: ComponentChild, content: ComponentChild, text: string): ComponentChild {
  const svg = { viewBox: "0 0 1000 10", preserveAspectRatio: "none", role: "img", "aria-hidden": "true" };
  return h("div", { class: "line small" }, [h("span", {}, name), h("svg", svg, content), h("span", {}, text)]);
}

function bar(
  look: string,
  title: string,
  { begun, lasted }: Pick<LedgerEntry, "begun" | "lasted">,
  { from, length }: Span,
): ComponentChild {
  const x = ((begun - from) / length) * 1000;
  const width = Math.max(0.5, (lasted / length) * 1000);
  return h("rect", { class: look, x: x.toFixed(2), y: 0, width: width.toFixed(2), height: 10 }, h("title", {}, title));
}

function claimLine({ claim, begun, lasted, waits, requests, commands, pods }: ClaimTime, span: Span): ComponentChild {
  const work = bar("work", `${claim}: ${seconds(lasted)}`, { begun, lasted }, span);
  const waiting = waits.map((wait) => bar("wait", `${seconds(wait.lasted)}: ${wordsOf(wait)}`, wait, span));
  return line(
    h("a", { href: `article.html#${placeOfWords(claim)}` }, claim),
    [work, ...waiting],
    `${seconds(lasted)} · ${requests} / ${commands} / ${pods}`,
  );
}

/** Processor cores in use, by whom, from sample to sample. */
function usage(samples: readonly ProcessorSample[], { from, length }: Span): ComponentChild[] {
  const users = Object.keys(samples.at(-1)?.seconds ?? {});
  const steps = samples.slice(1).flatMap((sample, index) => {
    const before = samples[index];
    if (before === undefined) return [];
    const used = users.map((user) =>
      Math.max(0, ((sample.seconds[user] ?? 0) - (before.seconds[user] ?? 0)) / ((sample.at - before.at) / 1000)),
    );
    return [{ begun: before.at, lasted: sample.at - before.at, used }];
  });
  const most = Math.max(...steps.map(({ used }) => used.reduce((sum, each) => sum + each, 0)));
  const shades = (index: number) => `hsl(${Math.round((index * 360) / users.length)} 55% 55%)`;
  const areas = steps.flatMap(({ begun, lasted, used }) => {
    let y = 10;
    return used.map((cores, index) => {
      const height = (cores / most) * 10;
      y -= height;
      const [x, width] = [((begun - from) / length) * 1000, (lasted / length) * 1000];
      return h("rect", {
        ...{ x: x.toFixed(2), y: y.toFixed(3), width: (width + 0.3).toFixed(2), height: height.toFixed(3) },
        fill: shades(index),
      });
    });
  });
  const total = (user: string) => (samples.at(-1)?.seconds[user] ?? 0) - (samples[0]?.seconds[user] ?? 0);
  return [
    h("h2", {}, both({ en: "Who used the processor", zh: "處理器由誰使用" })),
    h("div", { class: "line small" }, [
      h("span", {}, both({ en: `up to ${most.toFixed(1)} cores`, zh: `最多 ${most.toFixed(1)} 核心` })),
      h("svg", { class: "used", viewBox: "0 0 1000 10", preserveAspectRatio: "none", "aria-hidden": "true" }, areas),
      h("span", {}, ""),
    ]),
    h(
      "ul",
      { class: "key small" },
      users.map((user, index) =>
        h("li", {}, [
          h("svg", { viewBox: "0 0 1 1" }, h("rect", { width: 1, height: 1, fill: shades(index) })),
          `${user} ${total(user).toFixed(1)} s`,
        ]),
      ),
    ),
  ];
}

function keyed(look: string, words: ComponentChild): ComponentChild {
  return h("li", {}, [
    h("svg", { viewBox: "0 0 1 1" }, h("rect", { class: look, width: 1, height: 1 })),
    words,
    look === "work" ? [" · ", both({ en: "requests / commands / pods", zh: "請求／指令／Pod" })] : null,
  ]);
}

/** Where one waits for what a claim says to come about, the spec tells what that is. */
function wordsOf({ what, by = "" }: LedgerEntry): string {
  return what === claimedWords ? `${what} (${by})` : what;
}

/** Waits with the same words count as one. */
function waitsTable(claims: readonly ClaimTime[]): ComponentChild {
  const all = Map.groupBy(
    claims.flatMap(({ waits }) => waits),
    wordsOf,
  );
  const rows = [...all]
    .map(([what, waits]) => ({ what, times: waits.length, lasted: waits.reduce((sum, wait) => sum + wait.lasted, 0) }))
    .toSorted((a, b) => b.lasted - a.lasted)
    .slice(0, 20);
  return h(
    "table",
    { class: "small" },
    h(
      "tbody",
      {},
      rows.map(({ what, times, lasted }) =>
        h("tr", {}, [
          h("th", { scope: "row" }, h("span", { lang: "en", class: "only" }, what)),
          h("td", {}, `${times} ×`),
          h("td", {}, seconds(lasted)),
        ]),
      ),
    ),
  );
}
