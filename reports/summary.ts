import { existsSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import type { Article } from "../helpers/article/article.ts";
import type { ClaimResult, Results } from "../helpers/claim/results.ts";
import type { Verdict } from "../helpers/claim/verdict.ts";
import { worldInWords } from "../helpers/claim/world.ts";
import { articleOption } from "../helpers/host/settings.ts";
import { correctedFiles } from "./corrected.ts";
import { readRecordedMatrix } from "./matrix.ts";
import { entryOf, linesOf } from "./places.ts";
import { misleadingInWords, notedClaims, wrongSentences } from "./sentences.ts";
import { piecesOf, type Shown, shownOf } from "./shown.ts";
import { type RecordedVerdicts, recordedVerdicts, whenWrong } from "./when.ts";

/**
 * Returns the end of a run in plain text: first what came out otherwise than expected or could not be tested, then what was
 * not to be seen, how one knows of what is wrong on this cluster, how many claims came out how, how long the phases took, which
 * sentences are wrong, a line each, under the same numbers, and where the reports are.
 */
export function summaryOf(results: Results, article: Article, out: string): string {
  const judged = results.claims.filter(({ verdict }) => verdict !== undefined);
  const missing = results.claims.filter(({ verdict, excluded }) => verdict === undefined && excluded === undefined);
  const surprises = judged.filter(({ verdict, expected }) => verdict !== "inconclusive" && verdict !== expected);
  const untested = judged.filter(({ verdict }) => verdict === "inconclusive");
  const sentences = wrongSentences(judged);
  const wrong = sentences.map(({ claim }) => claim);
  const refuted = judged.filter(({ verdict }) => verdict === "refuted").length;
  const noted = notedClaims(judged).length;
  const external = judged.filter(({ verdict, expected }) => verdict === "external" && expected === "external");
  const unproven = judged.filter(
    ({ verdict, controls }) => (verdict === "holds" || verdict === "refuted") && !controls.some(({ proven }) => proven),
  );
  const { world } = results;
  const kindnetd = world.provenance["kindnetd"];
  const recorded = recordedVerdicts(readRecordedMatrix(article), article);
  const attention = [
    ...named("not as expected", surprises),
    ...named("could not be tested", untested),
    ...named("without a verdict", missing),
  ];
  return [
    ...block(`Not as expected: ${surprises.length}`, surprises, (claim) => notAsExpected(article, claim)),
    ...block(`Could not be tested: ${untested.length}`, untested, (claim) => notAsExpected(article, claim)),
    ...block(`Without a verdict: ${missing.length}`, missing, ({ id, en }) => [`  ${id}: ${en}`]),
    ...(results.complete ? [] : ["Not every claim has a verdict: the run is not complete.", ""]),
    ...(results.claims.every(({ controls }) => controls.length === 0)
      ? []
      : block("Not proven able to fail:", unproven, notProven)),
    ...block("Not to be seen on this cluster:", external, missingHere),
    ...block("How one knows what is wrong here:", wrong, (claim, index) =>
      howOneKnows(
        claim,
        sentences[index]?.others ?? [],
        index,
        out,
        shownOf(piecesOf(out, claim), claim, entryOf(claim.id, article).shown),
      ),
    ),
    `${worldInWords(world)}, ${world.nodes.length} nodes`,
    ...(kindnetd === undefined ? [] : [`kindnetd: ${kindnetd}`]),
    countsOf(results.claims),
    ...controlsOf(results),
    `coverage: ${results.coverage.percent} % of the article's ${results.coverage.characters} letters and digits`,
    ...(results.phases.length === 0
      ? []
      : [
          `seconds: ${results.phases.map(({ name, milliseconds }) => `${name} ${(milliseconds / 1000).toFixed(1)}`).join(", ")}`,
        ]),
    ...(wrong.length === 0 ? [] : whenWritten(wrong, results, recorded)),
    // Last, on the screen where the prompt is: this is what was asked for.
    ...block(
      `${misleadingInWords(wrong)} on this version (${refuted === wrong.length ? "" : `${refuted} claims; `}why: above):`,
      wrong,
      (claim, index) => [`${numbered(index)}  ✗ ${claim.en} (${linesOf(claim, article).join(", ")})`],
    ),
    ...(wrong.length === 0
      ? []
      : [`errata:  ${shown(out, "errata.md")}: under the same numbers, what each sentence could say`]),
    ...correctedTextOf(results, article, out),
    ...(noted === 0
      ? []
      : [`notes:   ${noted} claims hold with something to know beside: ${shown(out, "errata.md")}, at its end`]),
    ...(attention.length === 0 ? [] : [`look:    ${attention.join("; ")}; see above`]),
    `pages:   ${shown(out, "index.html")}: the article with verdicts in it, what should be corrected, what changed`,
    `report:  ${shown(out, "allure-report", "index.html")}`,
    `results: ${shown(out, "results.json")}, ${shown(out, "junit.xml")}`,
  ].join("\n");
}

/** Where the corrected text is, and which corrections it does not have. */
function correctedTextOf({ claims, corrected }: Results, article: Article, out: string): string[] {
  const { text, diff } = correctedFiles(article);
  const notHeld = claims.filter(
    (claim) => claim.verdict === "refuted" && (claim.correction?.verdict ?? "holds") !== "holds",
  );
  return [
    ...(existsSync(join(out, text))
      ? [
          `${corrected === true ? "judged: " : "text:   "} ${shown(out, text)}: the article with its corrections in place; ${shown(out, diff)} shows them`,
        ]
      : []),
    ...named("corrections that do not hold here either, and are not shown", notHeld),
  ];
}

/** Nothing where no controls were tried. */
function controlsOf({ claims, controls: { executed, proven, live } }: Results): string[] {
  if (claims.every(({ controls }) => controls.length === 0)) return [];
  const percent = executed === 0 ? 0 : Math.floor((100 * proven) / executed);
  return [
    `controls: ${proven} of ${executed} checks proven able to fail (${percent} %), ${live} of them by a change to the cluster`,
    ...correctionsUnderControl(claims),
  ];
}

/** How many corrections are the opposite of their claims; the others can be right beside them. */
function correctionsUnderControl(claims: readonly ClaimResult[]): string[] {
  const under = claims.flatMap(({ id, controls }) =>
    controls.flatMap(({ correction }) => (correction === undefined ? [] : [{ id, correction }])),
  );
  if (under.length === 0) return [];
  const beside = under.filter(({ correction }) => correction !== "refuted").map(({ id }) => id);
  return [
    `corrections: ${under.length - beside.length} of ${under.length} are wrong under the control of their claim${beside.length === 0 ? "" : `; right beside it, too: ${beside.join(", ")}`}`,
  ];
}

/** Returns how many claims came out how, in a line. */
export function countsOf(claims: readonly ClaimResult[]): string {
  const count = (which: (claim: ClaimResult) => boolean) => claims.filter(which).length;
  const counts = verdictCounts((wanted) => count(({ verdict }) => verdict === wanted));
  const excluded = count((claim) => claim.excluded !== undefined);
  return `${count(({ verdict }) => verdict !== undefined)} claims: ${counts}${excluded === 0 ? "" : `; ${excluded} excluded`}`;
}

/** Returns how many there are of each verdict, in words. */
export function verdictCounts(of: (verdict: Verdict) => number): string {
  return `${of("holds")} hold, ${of("refuted")} refuted, ${of("external")} external, ${of("inconclusive")} inconclusive`;
}

function block(
  title: string,
  claims: readonly ClaimResult[],
  show: (claim: ClaimResult, index: number) => string[],
): string[] {
  return claims.length === 0 ? [] : [title, ...claims.flatMap(show), ""];
}

function numbered(index: number): string {
  return String(index + 1).padStart(4);
}

function named(what: string, claims: readonly ClaimResult[]): string[] {
  return claims.length === 0 ? [] : [`${what}: ${claims.map(({ id }) => id).join(", ")}`];
}

/** So many are named by their numbers. */
const few = 5;

function whenWritten(wrong: readonly ClaimResult[], results: Results, recorded: RecordedVerdicts): string[] {
  if (recorded.versions === undefined) return [];
  const already = wrong.map((claim) => whenWrong(claim, results, recorded)?.already);
  const notYet = already.flatMap((was, index) => (was === true ? [] : [index + 1]));
  const which =
    notYet.length > few
      ? `${wrong.length - notYet.length} of them were`
      : notYet.length > 0
        ? `all but number ${notYet.join(", ")} were`
        : "all were";
  return [`written: ${results.article.date}; ${which} wrong already then`];
}

/** What was tried, what was seen in this run and where it stands, and why it is so. */
function howOneKnows(
  { en, tried, because, why, expected, evidence: [first] }: ClaimResult,
  others: readonly ClaimResult[],
  index: number,
  out: string,
  seen: Shown | undefined,
): string[] {
  const folder = first === undefined ? "the article's own text" : shown(out, dirname(first));
  const line = seen?.line === undefined ? "" : `  (line ${seen.line})`;
  const place = seen === undefined ? folder : `${shown(out, seen.path)}${line}`;
  return [
    `${numbered(index)}  ✗ ${en}`,
    ...labelled("tried", tried?.en),
    ...labelled("seen", why),
    // Otherwise it is the reason for what was expected.
    ...labelled("why", expected === "refuted" ? because?.en : undefined),
    ...others.flatMap((other) => labelled("also", other.en)),
    // Not broken, to be chosen whole.
    `    file:  ${place}`,
  ];
}

function missingHere({ id, en, why }: ClaimResult): string[] {
  return [`  ${en}`, ...labelled("needs", why), ...labelled("claim", id)];
}

function notAsExpected(
  { folder }: Pick<Article, "folder">,
  { id, quote, en, expected, verdict, why, because }: ClaimResult,
): string[] {
  return [
    `  ${id}: expected ${expected}, got ${verdict}`,
    ...labelled("says", `「${quote}」 ${en}`),
    ...labelled("seen", why),
    ...labelled("known", verdict === "inconclusive" ? undefined : because?.en),
    // vitest takes the title for a regular expression, and a shell takes nothing here for anything.
    `    again: npm test --${articleOption(folder)} -t "${en.replaceAll(/[^\w ,:-]/g, ".")}"`,
  ];
}

function notProven({ id, controls: [control] }: ClaimResult): string[] {
  return [`  ${id}`, ...labelled("if", control?.name), ...labelled("seen", control?.why)];
}

/** Returns the text behind its label, broken into lines of about 100 columns. */
function labelled(label: string, text: string | undefined): string[] {
  if (text === undefined || text === "") return [];
  const lines = text.match(/\S(?:.{0,86}\S)?(?=\s|$)|\S+/g) ?? [];
  return lines.map((line, index) => `    ${(index === 0 ? `${label}:` : "").padEnd(7)}${line}`);
}

function shown(...path: readonly string[]): string {
  const whole = join(...path);
  const short = relative(process.cwd(), whole);
  return short.startsWith("..") ? whole : short;
}
