import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { Article, Claim } from "../helpers/article/article.ts";
import { meets } from "../helpers/article/expectation.ts";
import { onlyTexts, withTexts } from "../helpers/article/languages.ts";
import { ClaimResult, Results } from "../helpers/claim/results.ts";
import { ownCni } from "../helpers/claim/world.ts";

const Verdict = ClaimResult.pick({ verdict: true, expected: true, why: true, because: true, since: true }).strict();

const MatrixCell = z.strictObject({
  id: z.string(),
  why: z.string().describe("what this cell shows that its neighbours do not"),
  ...Results.pick({ suite: true, started: true, finished: true, complete: true }).shape,
  ...Results.shape.world.pick({
    kubernetes: true,
    kind: true,
    proxyMode: true,
    proxyFailure: true,
    ipFamilies: true,
    cni: true,
    provenance: true,
  }).shape,
  nodes: z.int(),
});

const Flip = z.strictObject({
  from: z.string().describe("a cell"),
  to: z.string().describe("the cell that differs from it in one thing"),
  before: z.string(),
  after: z.string(),
  because: z.string().describe("the known reason for the verdict after it; empty where none is known"),
});
/** A border between two verdicts. */
type Flip = z.infer<typeof Flip>;

const MatrixClaim = withTexts({
  ...ClaimResult.pick({ id: true, ref: true, section: true, quote: true, en: true }).shape,
  verdicts: z.record(z.string(), Verdict).describe("by cells; those in which it was judged"),
  flips: z.array(Flip),
});

type MatrixClaim = z.infer<typeof MatrixClaim>;

/** Claims × cells; published as `reports/matrix.schema.json`. */
export const Matrix = z.strictObject({
  format: z.literal("kind-network-conformance/matrix/1"),
  ...Results.pick({ article: true, sections: true }).shape,
  cells: z.array(MatrixCell),
  claims: z.array(MatrixClaim).describe("in the article's order, without those that are excluded"),
});
export type Matrix = z.infer<typeof Matrix>;

/** Returns the file of an article's matrix of recorded runs; renewed by `npm run matrix -- --record`. */
export function recordedMatrix({ folder }: Pick<Article, "folder">): string {
  return join(folder, "recordings", "matrix.json");
}

/** Returns an article's matrix of recorded runs, if it has one. */
export function readRecordedMatrix(article: Pick<Article, "folder">): Matrix | undefined {
  const file = recordedMatrix(article);
  return existsSync(file) ? Matrix.parse(JSON.parse(readFileSync(file, "utf8"))) : undefined;
}

/** What tells a cell of the matrix from others; what is absent is kind's default. */
export interface Cell {
  readonly id: string;
  readonly why: string;
  readonly kind: string;
  readonly kubernetes: string;
  readonly proxyMode?: string | undefined;
  readonly ipFamily?: string | undefined;
  readonly cni?: string | undefined;
  readonly workers?: number | undefined;
}

/** A cell and what was found in it. */
export interface CellResults {
  readonly cell: Cell;
  readonly results: Results;
}

/** Returns the matrix of what was found in cells, which are in the order of their file. @throws RangeError without any */
export function matrixOf(found: readonly CellResults[]): Matrix {
  // In some cells only what is not slow may have been asked for.
  const [fullest] = found.toSorted((a, b) => b.results.claims.length - a.results.claims.length);
  if (fullest === undefined) throw new RangeError("no cell has results");
  const { article, sections, claims } = fullest.results;
  return withFlips(
    { article, sections },
    found.map(({ cell }) => cell),
    found.map(({ cell: { id, why }, results: { suite, started, finished, complete, world } }) => {
      const { kubernetes, kind, proxyMode, proxyFailure, ipFamilies, cni, provenance, nodes } = world;
      return {
        ...{ id, why, suite, started, finished, complete, kubernetes, kind, proxyMode, ipFamilies, cni, provenance },
        ...(proxyFailure === undefined ? {} : { proxyFailure }),
        nodes: nodes.length,
      };
    }),
    claims
      .filter(({ excluded }) => excluded === undefined)
      .map((claim) => ({
        ...statementOf(claim, article.languages),
        verdicts: Object.fromEntries(
          found.flatMap(({ cell, results }) => {
            const judged = results.claims.find((each) => each.id === claim.id);
            if (judged?.verdict === undefined) return [];
            const { verdict, expected, why, because, since } = judged;
            return [[cell.id, { verdict, expected, why, because, since }]];
          }),
        ),
      })),
  );
}

/**
 * Returns the recorded matrix with newer runs in place of what is recorded of their cells; what the claims say is the catalogue's.
 * Of older runs a verdict is left out where the catalogue expects another today: an earlier check gave it, of an earlier reading
 * of the sentence, and it would look like a border between versions.
 *
 * @param all the cells of today, in their file's order
 */
export function recordedWith(
  newer: Matrix,
  recorded: Matrix | undefined,
  all: readonly Cell[],
  { claims }: Article,
): Matrix {
  const cells = all.flatMap(
    ({ id }) => [...newer.cells, ...(recorded?.cells ?? [])].find((cell) => cell.id === id) ?? [],
  );
  const ids = cells.map(({ id }) => id);
  return withFlips(
    newer,
    all.filter(({ id }) => ids.includes(id)),
    cells,
    claims
      .filter(({ excluded }) => excluded === undefined)
      .map((claim) => {
        const verdicts = {
          ...(recorded === undefined ? {} : verdictsOfToday(claim, recorded)),
          ...verdictsIn(newer, claim.id),
        };
        const inOrder = ids.flatMap((cell) => (verdicts[cell] === undefined ? [] : [[cell, verdicts[cell]] as const]));
        return { ...statementOf(claim, newer.article.languages), verdicts: Object.fromEntries(inOrder) };
      }),
  );
}

function statementOf(
  claim: Omit<MatrixClaim, "verdicts" | "flips">,
  languages: readonly string[],
): Omit<MatrixClaim, "verdicts" | "flips"> {
  const { id, ref, section, quote } = claim;
  return { id, ref, section, quote, ...onlyTexts(claim, languages) };
}

function verdictsIn({ claims }: Matrix, claim: string): Matrix["claims"][number]["verdicts"] {
  return claims.find(({ id }) => id === claim)?.verdicts ?? {};
}

/** What is recorded of a claim and expected still. That something is not to be seen in a cell stays as it was found. */
function verdictsOfToday(claim: Claim, recorded: Matrix): ReturnType<typeof verdictsIn> {
  return Object.fromEntries(
    Object.entries(verdictsIn(recorded, claim.id)).filter(([id, { verdict }]) => {
      const cell = recorded.cells.find((each) => each.id === id);
      return verdict === "external" || cell === undefined || verdictsExpected(claim, cell).includes(verdict ?? "");
    }),
  );
}

/** Which verdicts the catalogue has for a recorded cell; what was not recorded of it may be either way. */
function verdictsExpected(
  { expect = [] }: Claim,
  { kubernetes, proxyMode, ipFamilies, cni }: Matrix["cells"][number],
): readonly string[] {
  const facts = { kubernetes, proxyMode, ipFamilies, cni };
  return expect.flatMap(({ when = {}, verdict }) => (meets(facts, when) ? [verdict] : []));
}

function withFlips(
  { article, sections }: Pick<Matrix, "article" | "sections">,
  cells: readonly Cell[],
  found: Matrix["cells"],
  claims: readonly Omit<Matrix["claims"][number], "flips">[],
): Matrix {
  // Where kube-proxy does not start, every claim is external for that one reason.
  const failing = new Set(found.filter(({ proxyFailure }) => proxyFailure !== undefined).map(({ id }) => id));
  const borders = bordersOf(cells.filter(({ id }) => !failing.has(id)));
  return Matrix.parse({
    format: "kind-network-conformance/matrix/1",
    ...{ article, sections },
    cells: found,
    claims: claims.map((claim) => ({ ...claim, flips: flipsOf(claim.verdicts, borders) })),
  } satisfies z.input<typeof Matrix>);
}

/** Two cells that differ in one thing. */
interface Border {
  readonly from: string;
  readonly to: string;
  /** It is another CNI plugin, with which much cannot be seen that says something of kind's own. */
  readonly anotherPlugin: boolean;
}

function bordersOf(cells: readonly Cell[]): Border[] {
  return cells.flatMap((to, index) => {
    const from = neighbourOf(to, cells.slice(0, index));
    return from === undefined ? [] : [{ from: from.id, to: to.id, anotherPlugin: to.cni !== undefined }];
  });
}

function flipsOf(verdicts: Matrix["claims"][number]["verdicts"], borders: readonly Border[]): Flip[] {
  return borders.flatMap(({ from, to, anotherPlugin }) => {
    const [was, is] = [verdicts[from], verdicts[to]];
    if (was?.verdict === undefined || is?.verdict === undefined || was.verdict === is.verdict) return [];
    if ([was.verdict, is.verdict].includes("inconclusive")) return [];
    if (anotherPlugin && is.verdict === "external") return [];
    const because = is.verdict === is.expected ? (is.because?.en ?? "") : "";
    return [{ from, to, before: was.verdict, after: is.verdict, because }];
  });
}

/** The earlier cell that differs in one thing: the last one of another version and the same kind, or kind's defaults of the same version. */
function neighbourOf(cell: Cell, earlier: readonly Cell[]): Cell | undefined {
  const settings = ({ proxyMode, ipFamily, cni, workers }: Partial<Cell>) =>
    [proxyMode, ipFamily, cni, workers].join("/");
  return (
    earlier.findLast((each) => each.kind === cell.kind && settings(each) === settings(cell)) ??
    earlier.find((each) => each.kubernetes === cell.kubernetes && settings(each) === settings({}))
  );
}

/** Neighbouring cells in which all that is told of them is the same stand in one column. */
function columnsOf(cells: readonly string[], same: (a: string, b: string) => boolean): string[][] {
  const columns: string[][] = [];
  for (const id of cells) {
    const last = columns.at(-1);
    if (last !== undefined && same(last[0] ?? "", id)) last.push(id);
    else columns.push([id]);
  }
  return columns;
}

/**
 * Returns the matrix as a Markdown table: the claims whose verdict is not the same in all cells of kind's own CNI plugin in
 * which kube-proxy runs. Neighbours that differ in none share a column. What another plugin makes different follows in words:
 * much of the article is about kind's own.
 */
export function flipsAsMarkdown({ cells: all, claims }: Matrix): string {
  const cells = all.filter(({ proxyFailure, cni }) => proxyFailure === undefined && cni === ownCni);
  const differing = claims.filter(
    ({ verdicts }) => new Set(cells.flatMap(({ id }) => verdicts[id]?.verdict ?? [])).size > 1,
  );
  const row = (cellsOfRow: readonly string[]) => `| ${cellsOfRow.join(" | ")} |`;
  const verdictIn = ({ verdicts }: Matrix["claims"][number], id: string) => verdicts[id]?.verdict ?? "–";
  const columns = columnsOf(
    cells.map(({ id }) => id),
    (a, b) => claims.every((claim) => verdictIn(claim, a) === verdictIn(claim, b)),
  );
  const names = columns.map((ids) =>
    ids.length > 2 ? `${ids[0]} to ${ids.at(-1)} (${ids.length} cells)` : ids.join(", "),
  );
  const rows = (label: string, of: (id: string) => string) => row([label, ...columns.map(([id = ""]) => of(id))]);
  return [
    row(["claim", ...names]),
    row(["---", ...names.map(() => "---")]),
    ...differing.map((claim) => rows(claim.en.replaceAll("|", "\\|"), (id) => verdictIn(claim, id))),
    ...["holds", "refuted", "external"].map((verdict) =>
      rows(`*all claims: ${verdict}*`, (id) =>
        String(claims.filter((claim) => verdictIn(claim, id) === verdict).length),
      ),
    ),
    "",
    ...all.flatMap(({ id, proxyMode, proxyFailure }) =>
      proxyFailure === undefined
        ? []
        : [
            `In ${id} every claim is external. On that machine kube-proxy does not start in ${proxyMode} mode: \`${proxyFailure}\``,
            "",
          ],
    ),
    ...all.flatMap((cell) => (cell.cni === ownCni ? [] : [...withAnotherPlugin(cell, all, claims), ""])),
    ...whenRecorded(all),
    "",
  ].join("\n");
}

/** When and by which commit of the suite the cells were recorded, the newest first: older ones are seen to be older. */
function whenRecorded(cells: Matrix["cells"]): string[] {
  const byCommit = Map.groupBy(
    cells.toSorted((a, b) => (a.started < b.started ? 1 : -1)),
    ({ started, suite: { commit } }) => `${started.slice(0, 10)} by ${commit.slice(0, 7)}`,
  );
  const lines = [...byCommit].map(([when, of]) => `${of.map(({ id }) => id).join(", ")} on ${when}`);
  return [
    `Recorded: ${lines.join("; ")}.${byCommit.size > 1 ? " A dash stands where the check of an older run was another than today's." : ""}`,
  ];
}

function withAnotherPlugin(
  { id, cni, kubernetes }: Matrix["cells"][number],
  cells: Matrix["cells"],
  claims: Matrix["claims"],
): string[] {
  const of = (verdict: string, cell = id) => claims.filter(({ verdicts }) => verdicts[cell]?.verdict === verdict);
  const count = (verdict: string) => of(verdict).length;
  const own = cells.find((cell) => cell.kubernetes === kubernetes && cell.cni === ownCni);
  const lost = of("external").filter((claim) => own !== undefined && !of("external", own.id).includes(claim));
  const others = claims.flatMap(({ en, flips }) =>
    flips.filter(({ to }) => to === id).map((flip) => ({ en, ...flip })),
  );
  return [
    `In ${id}, with ${cni} in the place of ${ownCni}, ${count("holds")} hold, ${count("refuted")} are refuted and ${count("external")} external, ${lost.length} of them because the check is about ${ownCni} or the links that it makes.${others.length === 0 ? "" : " Besides there differ:"}`,
    ...(others.length === 0 ? [] : [""]),
    ...others.map(({ en, from, before, after }) => `- ${en} In ${from} *${before}*, here *${after}*.`),
  ];
}
