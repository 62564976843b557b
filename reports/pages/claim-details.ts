import { type ComponentChild, h } from "preact";
import type { ClaimResult, ControlResult, Results } from "../../helpers/claim/results.ts";
import { lastDate, type WorldsFile, worldsByClaim } from "../../helpers/claim/worlds.ts";
import type { DecidingLine } from "../deciding.ts";
import { correctionOf } from "../sentences.ts";
import type { Shown } from "../shown.ts";
import { type RecordedVerdicts, sinceInWords, whenWrong } from "../when.ts";
import { type Bilingual, howWeKnow, recordedMatrixPage, sourceLanguage, symbols, verdictWords } from "../words.ts";
import { both, inEnglish, verdictMark } from "./look.ts";

/** What a check left behind on its way, beside the results: commands and what they printed, and pictures. */
export interface ClaimEvidence {
  readonly texts: readonly (EvidenceFile & { readonly command: string; readonly deciding: readonly DecidingLine[] })[];
  readonly pictures: readonly (EvidenceFile & { readonly svg: string })[];
  /** Where it shows that the sentence is wrong. */
  readonly shown?: Shown;
}

interface EvidenceFile {
  /** Relative to the page. */
  readonly path: string;
  readonly title: string;
}

/** What is known of claims beside their catalogue. */
export interface KnownOfClaims {
  readonly results: Results;
  /** By claim. */
  readonly evidence: ReadonlyMap<string, ClaimEvidence>;
  /** Where in Allure's report beside the page a claim's test is. */
  readonly allure: ReadonlyMap<string, string>;
  /** What recorded runs found of the claims. */
  readonly recordedVerdicts: RecordedVerdicts;
  /** A recorded run in which the controls were tried, for one in which they were not. */
  readonly recordedControls?: Results;
  /** What was recorded of worlds that must change nothing. */
  readonly recordedWorlds?: WorldsFile;
}

/** So many are shown at once. */
const most = { deciding: 8, steps: 8 } as const;

/**
 * Returns all that a run shows of one claim: quote, verdict and reasons, what decided, what was done, whether the check can fail.
 *
 * @param peers other claims that some of its words make too
 */
export function claimDetails(claim: ClaimResult, peers: readonly ClaimResult[], known: KnownOfClaims): ComponentChild {
  const {
    id,
    quote,
    verdict = "inconclusive",
    expected,
    tried,
    why,
    because,
    note,
    since,
    link,
    standIns,
    deciding = [],
  } = claim;
  const instead = correctionOf(claim);
  const when = whenWrong(claim, known.results, known.recordedVerdicts);
  const controls = controlsInWords(claim, known);
  // The others are told as what was seen.
  const named = deciding.filter(({ place }) => place !== undefined);
  const { texts = [], pictures = [], shown } = known.evidence.get(id) ?? {};
  const allure = known.allure.get(id);
  const entry = (term: Bilingual, description: ComponentChild) => [h("dt", {}, both(term)), h("dd", {}, description)];
  return h("article", { class: "claim", id, "aria-labelledby": `${id}-claim` }, [
    h("h2", { id: `${id}-claim` }, [verdictMark(verdict), ": ", both(claim)]),
    h("blockquote", { class: "source", lang: sourceLanguage(known.results.article) }, quote),
    h("dl", {}, [
      ...(tried === undefined ? [] : entry(howWeKnow.tried, both(tried))),
      ...(why === undefined || why === ""
        ? []
        : entry(howWeKnow.seen, [inEnglish(why), shown === undefined ? null : shownLine(shown)])),
      ...(verdict === expected && because !== undefined ? entry({ en: "Why", zh: "原因" }, both(because)) : []),
      ...(verdict !== expected
        ? entry({ en: "Expected was", zh: "原本預期" }, [
            both(verdictWords[expected ?? "holds"]),
            ". ",
            because === undefined ? null : both(because),
          ])
        : []),
      ...(named.length === 0
        ? []
        : entry(
            { en: "What decided", zh: "決定性的觀察" },
            h(
              "ul",
              { class: "small" },
              named
                .slice(0, most.deciding)
                .map(({ place, value }) =>
                  h("li", {}, [h("code", {}, place), ": ", h("mark", {}, value === "" ? '""' : value)]),
                ),
            ),
          )),
      ...(since === undefined ? [] : entry({ en: "Since", zh: "自" }, both(sinceInWords(since)))),
      ...(verdict !== "refuted" || when === undefined
        ? []
        : entry({ en: "When written", zh: "撰文當時" }, [
            both(when.words),
            " ",
            h("a", { href: `${recordedMatrixPage}#${id}` }, both({ en: "version by version", zh: "逐版查看" })),
          ])),
      ...(note === undefined || verdict !== "holds" ? [] : entry({ en: "Note", zh: "附註" }, both(note))),
      ...(instead === undefined || verdict !== "refuted"
        ? []
        : entry({ en: "It could say", zh: "可改寫為" }, [
            h("ins", {}, both(instead)),
            claim.correction === undefined
              ? null
              : h(
                  "p",
                  { class: "small" },
                  both({ en: "That holds here, by the same observation.", zh: "依同一項觀察，改寫後在此成立。" }),
                ),
          ])),
      ...(standIns.length === 0 ? [] : entry({ en: "With stand-ins", zh: "替代品" }, standIns.join("; "))),
      ...controls.flatMap((words) => entry({ en: "Can the check fail?", zh: "這項檢查會失敗嗎？" }, words)),
      ...worldsInWords(claim, known).flatMap((words) =>
        entry({ en: "Does it stay when it has to?", zh: "不該改判時，會維持原判嗎？" }, words),
      ),
      ...pictures.flatMap((picture) => entry({ en: "The packet's path", zh: "封包的路徑" }, pathFigure(picture))),
      ...(texts.length === 0 ? [] : entry({ en: "What was done", zh: "做了什麼" }, steps(texts))),
      ...(peers.length === 0
        ? []
        : entry(
            { en: "The same words also say", zh: "同樣的文字也說" },
            h(
              "ul",
              {},
              peers.map((peer) =>
                h(
                  "li",
                  {},
                  h("a", { href: `#${peer.id}` }, [`${symbols[peer.verdict ?? "inconclusive"]} `, both(peer)]),
                ),
              ),
            ),
          )),
      ...(link === undefined
        ? []
        : entry({ en: "Source", zh: "出處" }, h("a", { href: link, rel: "noreferrer" }, link))),
    ]),
    h("p", {}, [
      h("a", { href: `#${id}`, class: "permalink" }, [h("code", {}, id), " ¶"]),
      allure === undefined ? null : [" · ", h("a", { href: `allure-report/index.html#${allure}` }, "Allure")],
    ]),
  ]);
}

/** The picture of a path, in which one can go from hop to hop. */
function pathFigure({ path, title, svg }: ClaimEvidence["pictures"][number]): ComponentChild {
  const step = (by: string, sign: string, name: string) =>
    h("button", { type: "button", value: by, "aria-label": name }, sign);
  return h("figure", { class: "path" }, [
    h("div", {
      class: "picture",
      tabIndex: 0,
      role: "group",
      "aria-label": title,
      dangerouslySetInnerHTML: { __html: svg },
    }),
    h("figcaption", {}, [
      h("span", { class: "steps", hidden: true }, [
        step("-1", "‹", "‹ hop"),
        " ",
        step("1", "›", "hop ›"),
        " ",
        h("output", {}),
        " · ",
      ]),
      h("a", { href: path }, title),
    ]),
  ]);
}

function shownLine({ path, title, line, text }: Shown): ComponentChild {
  const where = line === undefined ? null : both({ en: `, line ${line}`, zh: `，第 ${line} 行` });
  return h("p", { class: "small" }, [
    h("a", { href: path }, title),
    where,
    text === undefined ? null : [": ", h("code", {}, h("mark", {}, text))],
  ]);
}

/** All that was done; where that is much, only the steps whose output has what decided, and the others on demand. */
function steps(texts: ClaimEvidence["texts"]): ComponentChild {
  const decided = texts.filter(({ deciding }) => deciding.length > 0);
  const explained =
    decided.length === 0
      ? null
      : h(
          "p",
          { class: "small" },
          both({
            en: "Of each output, the lines with what decided; were the marked words others, so would be the verdict.",
            zh: "列出各輸出中具決定性的行；標示處若不同，判定也會不同。",
          }),
        );
  if (texts.length <= most.steps) return [explained, stepList(texts, texts)];
  const shown = decided.slice(0, most.steps);
  return [
    explained,
    shown.length === 0 ? null : stepList(shown, texts),
    h("details", {}, [
      h("summary", {}, both({ en: `all ${texts.length} steps`, zh: `全部 ${texts.length} 個步驟` })),
      stepList(texts, texts),
    ]),
  ];
}

function stepList(shown: ClaimEvidence["texts"], all: ClaimEvidence["texts"]): ComponentChild {
  return h(
    "ol",
    {},
    shown.map((step) => {
      const { path, title, command, deciding } = step;
      return h("li", { value: all.indexOf(step) + 1 }, [
        h("a", { href: path }, title),
        command === "" ? null : [" ", h("code", {}, command)],
        deciding.length === 0 ? null : h("pre", { class: "deciding", tabIndex: 0 }, decidingWords(deciding)),
      ]);
    }),
  );
}

function decidingWords(lines: readonly DecidingLine[]): ComponentChild[] {
  return lines.map((pieces) => [
    ...pieces.map((piece, index) => (index % 2 === 1 ? h("mark", {}, piece) : piece)),
    "\n",
  ]);
}

/** What came of the claim's controls, in this run or in the recorded one. */
function controlsInWords(
  { id, verdict, controls }: ClaimResult,
  { recordedControls }: KnownOfClaims,
): ComponentChild[] {
  if (controls.length > 0) return controls.map(controlWords);
  if (verdict !== "holds" && verdict !== "refuted") return [];
  // Where the verdict was another, so was what had to turn it.
  const same = recordedControls?.claims.find((claim) => claim.id === id && claim.verdict === verdict);
  const before = same?.controls ?? [];
  if (recordedControls === undefined || before.length === 0)
    return [both({ en: "Not tried: npm run controls does.", zh: "尚未嘗試：可執行 npm run controls。" })];
  const { world, started } = recordedControls;
  const where = `Kubernetes ${world.kubernetes}, ${started.slice(0, 10)}`;
  return before.map((control) => [
    both({
      en: `As a recorded run shows (${where}; npm run controls tries it anew): `,
      zh: `錄下的執行顯示（${where}；npm run controls 可重新嘗試）：`,
    }),
    controlWords(control),
  ]);
}

/** In how many worlds that must change nothing the verdict stayed, as recorded. */
function worldsInWords({ id, verdict }: ClaimResult, { recordedWorlds }: KnownOfClaims): ComponentChild[] {
  if (recordedWorlds === undefined || (verdict !== "holds" && verdict !== "refuted")) return [];
  const stayed = worldsByClaim(recordedWorlds).get(id) ?? 0;
  if (stayed === 0)
    return [
      both({
        en: "Not tried: the check is slow, or none of them has what it needs.",
        zh: "尚未嘗試：這項檢查較慢，或缺少所需的功能。",
      }),
    ];
  const date = lastDate(recordedWorlds.groups.filter((group) => group.stayed.includes(id)));
  return [
    both({
      en: `Its verdict was right in ${stayed} clusters and machines that differ in ways the article does not mention (recorded on ${date}; npm run worlds).`,
      zh: `在 ${stayed} 種不同的叢集與機器上，判定都正確（${date} 錄下；npm run worlds）。`,
    }),
  ];
}

function controlWords({ name, live, proven, verdict, why }: ControlResult): ComponentChild {
  if (!proven) return [both({ en: "Not proven: ", zh: "尚未證實。" }), inEnglish(why)];
  const seen = why === "" ? "" : ` (${why})`;
  return [
    both({
      en: `Yes. The verdict became “${verdictWords[verdict].en}” after this change to ${live ? "the cluster" : "the observation (the cluster could not be changed)"}: `,
      zh: `會。${live ? "改變叢集" : "（叢集無法改變）改變觀察結果"}之後，判定成為「${verdictWords[verdict].zh}」。`,
    }),
    inEnglish(`${name}${seen}.`),
  ];
}
