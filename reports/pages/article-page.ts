import { type ComponentChild, h } from "preact";
import { type Article, type Claim, spanOf } from "../../helpers/article/article.ts";
import type { ClaimResult, Results } from "../../helpers/claim/results.ts";
import type { Verdict } from "../../helpers/claim/verdict.ts";
import { worldInWords } from "../../helpers/claim/world.ts";
import { linesInWords, linesOf } from "../places.ts";
import { correctionOf, wrongSentences } from "../sentences.ts";
import { whenWrong } from "../when.ts";
import {
  type Bilingual,
  correctedText,
  howWeKnow,
  inSourceLanguage,
  placeOfWords,
  sourceLanguage,
  symbols,
} from "../words.ts";
import { claimDetails, type KnownOfClaims } from "./claim-details.ts";
import { both, inEnglish, type NamedPage, pageOf, topBar, verdictMark } from "./look.ts";
import { type ArticleTree, articleTree, codeStyle } from "./markdown.ts";
import { wrongList } from "./wrong-list.ts";

/** What the page is made from. */
export interface ArticlePage extends KnownOfClaims {
  readonly article: Article;
  /** Said on top where the run is not the reader's own. */
  readonly recorded?: Bilingual;
  /** Beside it. */
  readonly pages?: readonly NamedPage[];
}

/** The worst comes first: it colours words that several claims share. */
const severity: readonly Verdict[] = ["refuted", "inconclusive", "external", "holds"];

const style = `
body { margin: 0; line-height: 1.75; }
code, pre { font: 14px/1.55 ui-monospace, "Noto Sans Mono", monospace; }
header, footer { padding: 1rem 1.5rem; background: var(--soft); } header h1 { margin: 0 0 .4rem; font-size: 1.35rem; }
header p { margin: .3rem 0; }
.columns { display: grid; grid-template-columns: minmax(0, 46rem) minmax(20rem, 34rem); gap: 2.5rem; padding: 1rem 1.5rem; align-items: start; }
main h5, main h6 { font-size: 1.05rem; } main h2, main h3, main h4, main h5, main h6 { line-height: 1.35; margin: 1.6em 0 .5em; } main pre { padding: .8rem 1rem; overflow-x: auto; background: var(--soft); border-radius: 6px; }
aside { position: sticky; top: 0; max-height: 100vh; overflow-y: auto; padding: .5rem 0 2rem; }
.word { position: relative; text-decoration-thickness: 2px; text-underline-offset: 4px; text-decoration-line: underline; }
.word:hover, .word:focus-visible { background: var(--soft); outline: 2px solid currentColor; outline-offset: 1px; }
.word.holds { text-decoration-color: var(--holds); } .word.external { text-decoration-style: dotted; text-decoration-color: var(--external); }
.word.refuted { text-decoration-style: wavy; text-decoration-color: var(--refuted); background: light-dark(#fdeceb, #3a1f1d); }
.word.inconclusive { text-decoration-style: dashed; text-decoration-color: var(--inconclusive); }
.lines { white-space: pre-line; } pre .lines { white-space: inherit; } main img { max-width: 100%; } .wide { overflow-x: auto; } .onward { margin-left: .15em; font-size: .8em; text-decoration: none; }
main table { border-collapse: collapse; } main th, main td { padding: .3rem .7rem; border: 1px solid var(--line); } main blockquote { margin: 1em 0; padding-left: 1rem; border-left: 4px solid var(--line); }
 .sign { font-size: .7em; vertical-align: super; font-weight: bold; } .holds .sign { color: var(--holds); } .refuted .sign { color: var(--refuted); }
.external .sign { color: var(--external); } .inconclusive .sign { color: var(--inconclusive); }
.tip { display: none; position: absolute; left: 0; top: 1.9em; z-index: 2; width: max-content; max-width: 26rem; padding: .5rem .7rem; font: 14px/1.5 system-ui, "Noto Sans TC", sans-serif; white-space: normal;
  color: var(--ink); background: var(--paper); border: 1px solid var(--line); border-radius: 6px; box-shadow: 0 4px 14px #0003; } .word:hover .tip, .word:focus-visible .tip { display: block; }
.find { display: flex; flex-wrap: wrap; gap: .4rem 1.2rem; align-items: baseline; } .find label { white-space: normal; } .found { flex-basis: 100%; margin: 0; padding-left: 1.5rem; font-size: .9rem; } .found:empty, .close { display: none; }
.path { margin: .5rem 0; } .path .picture { overflow-x: auto; background: #fff; border: 1px solid var(--line); } .path svg { display: block; } .path .later { opacity: .12; } .path .now rect { stroke-width: 3; } .path output { font-size: .85rem; } .path button { font: inherit; min-width: 2.2rem; }
.claim { display: none; } .claim:target { display: block; } aside:has(.claim:target) .hint { display: none; }
.claim h2 { font-size: 1.05rem; margin: .2rem 0 .6rem; } .claim blockquote, .errata blockquote { margin: .5rem 0; padding: .2rem .9rem; border-left: 4px solid var(--line); white-space: pre-wrap; }
.claim dt { font-weight: bold; margin-top: .7rem; } .claim dd { margin: 0; } .claim li { overflow-wrap: anywhere; } .claim img { max-width: 100%; background: #fff; border: 1px solid var(--line); }
.small { margin: .2rem 0; font-size: .85rem; } .deciding { margin: .2rem 0 .5rem; padding: .3rem .6rem; white-space: pre-wrap; background: var(--soft); border-left: 3px solid var(--line); }
mark { color: inherit; background: light-dark(#ffe9a8, #5c4a12); font-weight: bold; } .verdict { font-weight: bold; } ins { text-decoration: none; border-bottom: 2px solid var(--holds); } del { color: var(--refuted); } .errata li { margin-bottom: 1rem; }
html:has(#only-wrong:checked) .word:not(.refuted) { text-decoration: none; } html:has(#only-wrong:checked) .word:not(.refuted) > .sign { display: none; }
@media screen and (min-width: 70rem) { main { padding-bottom: 60vh; } }
@media (max-width: 70rem) { .columns { grid-template-columns: minmax(0, 1fr); } aside { position: static; max-height: none; }
  aside:has(.claim:target), html:has(.spot:target) aside { position: fixed; inset: auto 0 0; z-index: 4; max-height: 55vh; padding: .3rem 1rem 1rem; background: var(--paper); border-top: 3px solid var(--line); box-shadow: 0 -4px 14px #0003; } aside:has(.claim:target) .close, html:has(.spot:target) aside .close { display: block; position: sticky; top: 0; margin: 0; padding: .3rem 0; text-align: right; background: var(--paper); } html:has(.spot:target) .spot { scroll-margin-top: 12vh; } }
@media print { .tip, .hint { display: none !important; } .columns { display: block; } aside { max-height: none; position: static; } }
`;

/** Finds claims as one types, and steps through the pictures of paths; without it all is there, only longer to look for. */
const script = `
const find = document.querySelector(".find");
const found = find.querySelector(".found");
find.addEventListener("submit", (event) => event.preventDefault());
find.addEventListener("input", () => {
  const words = find.elements.find.value.trim().toLowerCase();
  const claims = words === "" ? [] : [...document.querySelectorAll(".claim")].filter((claim) =>
    (claim.id + " " + claim.querySelector("h2").textContent + claim.querySelector("blockquote").textContent).toLowerCase().includes(words));
  found.replaceChildren(...claims.slice(0, 12).map((claim) => {
    const link = Object.assign(document.createElement("a"), { href: "#" + claim.id + "-words" });
    link.append(...claim.querySelector("h2").cloneNode(true).childNodes);
    const item = document.createElement("li");
    item.append(link);
    return item;
  }));
});
for (const figure of document.querySelectorAll("figure.path")) {
  const hops = [...figure.querySelectorAll("g.hop")];
  const said = figure.querySelector("output");
  let at = hops.length - 1;
  const show = () => {
    hops.forEach((hop, index) => { hop.classList.toggle("later", index > at); hop.classList.toggle("now", index === at); });
    said.textContent = (at + 1) + "/" + hops.length + " · " + hops[at].dataset.words;
  };
  for (const button of figure.querySelectorAll("button"))
    button.addEventListener("click", () => { at = (at + Number(button.value) + hops.length) % hops.length; show(); });
  if (hops.length > 0) figure.querySelector(".steps").hidden = false;
}
`;

/** Returns the article with every claim's words marked by its verdict, and beside it what was seen; it needs nothing from elsewhere. */
export function articlePage(page: ArticlePage): string {
  const { results, recorded } = page;
  const { article, claims } = results;
  const judged = claims.filter(({ verdict }) => verdict !== undefined);
  const tree = articleTree(page.article);
  const segments = segmentsOf(page).filter((segment) => placesIn(tree, segment).length > 0);
  const anchors = anchorsOf(segments);
  const sentences = wrongSentences(judged);
  const wrong = sentences.map(({ claim }) => claim);
  return pageOf(
    article,
    `${inSourceLanguage(article, article)} – ${results.world.kubernetes}`,
    codeStyle + style + chosen(judged),
    [
      topBar(page.pages ?? []),
      h("header", {}, [
        h("h1", {}, both(article)),
        recorded === undefined ? null : h("p", { class: "verdict inconclusive" }, both(recorded)),
        results.corrected === true ? h("p", { class: "verdict inconclusive" }, both(correctedText)) : null,
        h("p", {}, both(summaryOf(results, judged, wrong.length))),
        h("p", {}, both(whenInWords(wrong, page))),
        h("p", { class: "small" }, whereFrom(results)),
        switches(),
        h("p", {}, [
          ...severity.toReversed().flatMap((verdict) => [verdictMark(verdict), " · "]),
          h("a", { href: "#errata" }, both({ en: "what should be corrected", zh: "勘誤" })),
        ]),
      ]),
      h("div", { class: "columns" }, [
        h("main", { class: "source", lang: sourceLanguage(article) }, articleBody(tree, segments, anchors)),
        h("aside", { "aria-label": "claim" }, [
          h("div", { class: "hint" }, [
            h(
              "p",
              {},
              both({
                en: "Choose marked words to see what the cluster showed. Not right on it:",
                zh: "點選有標記的文字，查看叢集的實際表現。不成立的有：",
              }),
            ),
            wrongList(sentences, page.article),
          ]),
          h("p", { class: "close" }, h("a", { href: "#none" }, both({ en: "✕ close", zh: "✕ 關閉" }))),
          ...judged.map((claim) => claimDetails(claim, peersOf(claim, segments), page)),
        ]),
      ]),
      errata(wrong, page),
    ],
    script,
  );
}

function summaryOf({ world, started }: Results, judged: readonly ClaimResult[], wrong: number) {
  const where = worldInWords(world);
  const day = started.slice(0, 10);
  return {
    en: `${judged.length} claims of this article were checked on a live cluster (${where}) on ${day}: ${wrong} of its sentences ${wrong === 1 ? "misleads" : "mislead"} there.`,
    zh: `${day} 在真實叢集（${where}）上檢查了本文的 ${judged.length} 項主張，其中 ${wrong} 句不成立。`,
  };
}

/** Words of a claim that was chosen are seen, and its details show, wherever the choice was made. */
function chosen(claims: readonly ClaimResult[]): string {
  const targeted = (what: (claim: ClaimResult) => string) => claims.map(what).join(", ");
  const at = (claim: ClaimResult) => `html:has(#${placeOfWords(claim.id)}:target)`;
  return `
${targeted((claim) => `${at(claim)} #${claim.id}`)} { display: block; }
${targeted((claim) => `html:has(#${claim.id}:target) .${claim.id}, ${at(claim)} .${claim.id}`)} { outline: 2px solid currentColor; outline-offset: 2px; background: var(--soft); }
html:has(.spot:target) aside .hint { display: none; } .spot { scroll-margin-top: 30vh; }
`;
}

/** What was wrong when the article was written, and what became so since. */
function whenInWords(wrong: readonly ClaimResult[], page: ArticlePage): Bilingual {
  const known = wrong.flatMap((claim) => whenWrong(claim, page.results, page.recordedVerdicts) ?? []);
  const already = known.filter((when) => when.already).length;
  const later = known.length - already;
  return {
    en: `Wrong already when it was written: ${already}. Right on the version of that day: ${later}.`,
    zh: `撰文當時就不成立：${already} 項；在當時的版本上成立：${later} 項。`,
  };
}

/** What a version alone does not tell, and how to ask for another. */
function whereFrom({ world }: Results): ComponentChild {
  const kindnetd = world.provenance["kindnetd"];
  return [
    kindnetd === undefined ? null : ["kindnetd: ", h("code", {}, kindnetd), both({ en: ". ", zh: "。" })],
    both({ en: "Another version: ", zh: "其他版本：" }),
    h("code", {}, "KNC_CELL=… npm test"),
    both({ en: ", or the matrix.", zh: "，或見版本矩陣。" }),
  ];
}

function switches(): ComponentChild {
  return h("form", { class: "find" }, [
    h("label", {}, [
      h("input", { type: "checkbox", id: "only-wrong" }),
      " ✗ ",
      both({ en: "only what is wrong", zh: "只標不成立的" }),
    ]),
    h("label", {}, [
      both({ en: "find a claim: ", zh: "尋找主張：" }),
      h("input", { type: "search", name: "find", autocomplete: "off" }),
    ]),
    h("ol", { class: "found", "aria-live": "polite" }),
  ]);
}

/** Words of the article with the same claims, by their place in the file. */
interface Segment {
  readonly start: number;
  readonly end: number;
  readonly claims: readonly ClaimResult[];
  /** The words after it are another claim's. */
  readonly last: boolean;
}

function segmentsOf({ article: { text, claims }, results }: ArticlePage): Segment[] {
  const byId = new Map(results.claims.map((claim) => [claim.id, claim]));
  const spans = claims.flatMap((entry) => {
    const claim = byId.get(entry.id);
    return claim?.verdict === undefined ? [] : placesOf(text, entry).map((span) => ({ ...span, claim }));
  });
  const borders = [...new Set([0, text.length, ...spans.flatMap(({ start, end }) => [start, end])])].toSorted(
    (a, b) => a - b,
  );
  const segments = borders.slice(1).map((end, index) => {
    const start = borders[index] ?? 0;
    const claims = spans.filter((span) => span.start <= start && span.end >= end).map(({ claim }) => claim);
    return { start, end, claims: [...new Set(claims)].toSorted((a, b) => rank(a) - rank(b)) };
  });
  return segments.map((segment, index) => ({
    ...segment,
    last: segments[index + 1]?.claims[0] !== segment.claims[0],
  }));
}

function placesOf(text: string, claim: Claim): { start: number; end: number }[] {
  return [claim, ...claim.also].flatMap((place) => spanOf(text, place) ?? []);
}

function rank({ verdict }: ClaimResult): number {
  return verdict === undefined ? severity.length : severity.indexOf(verdict);
}

/** Returns the other claims that some of a claim's words make too. */
function peersOf(claim: ClaimResult, segments: readonly Segment[]): ClaimResult[] {
  const sharing = segments.filter(({ claims }) => claims.includes(claim)).flatMap(({ claims }) => claims);
  return [...new Set(sharing)].filter((other) => other !== claim);
}

/** Returns the claims whose words begin in a segment: there a link to them leads. */
function anchorsOf(segments: readonly Segment[]): ReadonlyMap<ClaimResult, Segment> {
  const anchors = new Map<ClaimResult, Segment>();
  for (const segment of segments)
    for (const claim of segment.claims) if (!anchors.has(claim)) anchors.set(claim, segment);
  return anchors;
}

function articleBody(
  tree: ArticleTree,
  segments: readonly Segment[],
  anchors: ReadonlyMap<ClaimResult, Segment>,
): ComponentChild[] {
  const begun = new Set<Segment>();
  const lastPlaces = new Map(segments.map((segment) => [segment, placesIn(tree, segment).at(-1)]));
  return tree.show({
    words: ({ text, places, show }) =>
      segments.flatMap((segment) => {
        const from = places.findIndex((place) => place >= segment.start);
        const behind = places.findIndex((place) => place >= segment.end);
        const to = behind === -1 ? text.length : behind;
        const words = from === -1 ? "" : text.slice(from, to);
        if (words === "") return [];
        const spots = begun.has(segment) ? [] : segment.claims.filter((claim) => anchors.get(claim) === segment);
        begun.add(segment);
        const ends = places[from + words.length - 1] === lastPlaces.get(segment);
        // A line's end is no part of what is marked: its sign would stand on the next line.
        const end = from + words.trimEnd().length;
        return [
          marked(show(from, end), end === from ? [] : segment.claims, {
            last: segment.last && ends,
            places: spots.map(({ id }) => placeOfWords(id)),
          }),
          text.slice(end, to),
        ];
      }),
    leads: (start, end) =>
      segments.some((segment) => segment.claims.length > 0 && segment.start < end && segment.end > start),
  });
}

/** Returns where the words of a segment stand that readers see. */
function placesIn({ words }: ArticleTree, { start, end }: Pick<Segment, "start" | "end">): number[] {
  return words.flatMap(({ places }) => places.filter((place) => place >= start && place < end));
}

function marked(
  words: ComponentChild,
  claims: readonly ClaimResult[],
  { last, places }: { readonly last: boolean; readonly places: readonly string[] },
): ComponentChild {
  const [worst] = claims;
  // Claims share words; each has its place.
  const spots = places.map((id) => h("span", { class: "spot", id }));
  if (worst?.verdict === undefined) return [...spots, words];
  const { verdict } = worst;
  const of = claims.map(({ id }) => id).join(" ");
  return h("a", { class: `word ${verdict} ${of}`, href: `#${worst.id}` }, [
    ...spots,
    words,
    // No line ends before it.
    last ? h("span", { class: "sign" }, `\u2060${symbols[verdict]}`) : null,
    h("span", { class: "tip" }, [verdictMark(verdict), " – ", both(worst.because ?? worst)]),
  ]);
}

function known(term: Bilingual, words: ComponentChild): ComponentChild {
  return h("div", { class: "small" }, [h("strong", {}, [both(term), ": "]), words]);
}

function errata(wrong: readonly ClaimResult[], page: ArticlePage): ComponentChild {
  const { article } = page;
  return h("footer", { id: "errata", class: "errata" }, [
    h("h2", {}, both({ en: "What should be corrected", zh: "勘誤" })),
    h(
      "ol",
      {},
      wrong.map((claim) => {
        const { quote, because, tried, why } = claim;
        const instead = correctionOf(claim);
        const lines = linesInWords(linesOf(claim, article));
        const when = whenWrong(claim, page.results, page.recordedVerdicts);
        return h("li", {}, [
          both({ en: `${lines.en.replace("l", "L")}: `, zh: `${lines.zh}：` }),
          h("del", { class: "source", lang: sourceLanguage(article) }, quote),
          instead === undefined
            ? null
            : [
                " → ",
                h("ins", { class: "source", lang: sourceLanguage(article) }, inSourceLanguage(instead, article)),
                sourceLanguage(article) === "en" ? null : h("span", { lang: "en" }, ` (${instead.en})`),
              ],
          h("br", {}),
          because === undefined ? null : both(because),
          tried === undefined ? null : known(howWeKnow.tried, both(tried)),
          why === undefined || why === "" ? null : known(howWeKnow.seen, inEnglish(why)),
          // Most were wrong from the beginning, as the page says on top.
          when === undefined || when.already ? null : [" ", both(when.words)],
          " ",
          h("a", { href: `#${placeOfWords(claim.id)}` }, both({ en: "commands and outputs", zh: "命令與輸出" })),
        ]);
      }),
    ),
  ]);
}
