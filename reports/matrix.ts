import { readFileSync } from "node:fs";
import { z } from "zod";
import { ClaimResult, Results } from "../helpers/claim/results.ts";
import type { Cell } from "../helpers/cluster/cells.ts";

const Verdict = ClaimResult.pick({ verdict: true, expected: true, why: true, because: true, since: true });

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

const MatrixClaim = z.strictObject({
  ...ClaimResult.pick({ id: true, ref: true, section: true, quote: true, en: true, zh: true }).shape,
  verdicts: z.record(z.string(), Verdict).describe("by cells; those in which it was judged"),
  flips: z.array(Flip),
});

/** Claims × cells; published as `reports/matrix.schema.json`. */
export const Matrix = z.strictObject({
  format: z.literal("kind-network-conformance/matrix/1"),
  ...Results.pick({ article: true, sections: true }).shape,
  cells: z.array(MatrixCell),
  claims: z.array(MatrixClaim).describe("in the article's order, without those that are excluded"),
});
export type Matrix = z.infer<typeof Matrix>;

/** The matrix of recorded runs, which README shows; renewed by copying `reports/out/matrix.json` there. */
const recordedMatrix = new URL("../fixtures/clusters/recorded-matrix.json", import.meta.url);

/** Returns the matrix of recorded runs. */
export function readRecordedMatrix(): Matrix {
  return Matrix.parse(JSON.parse(readFileSync(recordedMatrix, "utf8")));
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
  const borders = bordersOf(found);
  return Matrix.parse({
    format: "kind-network-conformance/matrix/1",
    ...{ article, sections },
    cells: found.map(({ cell: { id, why }, results: { suite, started, finished, complete, world } }) => {
      const { kubernetes, kind, proxyMode, proxyFailure, ipFamilies, provenance, nodes } = world;
      return {
        ...{ id, why, suite, started, finished, complete, kubernetes, kind, proxyMode, ipFamilies, provenance },
        ...(proxyFailure === undefined ? {} : { proxyFailure }),
        nodes: nodes.length,
      };
    }),
    claims: claims
      .filter(({ excluded }) => excluded === undefined)
      .map(({ id, ref, section, quote, en, zh }) => ({
        ...{ id, ref, section, quote, en, zh },
        verdicts: Object.fromEntries(
          found.flatMap(({ cell, results }) => {
            const { verdict, expected, why, because, since } = claimIn(results, id) ?? {};
            return verdict === undefined ? [] : [[cell.id, { verdict, expected, why, because, since }]];
          }),
        ),
        flips: flipsOf(id, borders),
      })),
  } satisfies z.input<typeof Matrix>);
}

function claimIn({ claims }: Results, id: string): ClaimResult | undefined {
  return claims.find((claim) => claim.id === id);
}

/** Two cells that differ in one thing. */
interface Border {
  readonly from: CellResults;
  readonly to: CellResults;
}

function bordersOf(all: readonly CellResults[]): Border[] {
  // Where kube-proxy does not start, every claim is external for that one reason.
  const found = all.filter(({ results }) => results.world.proxyFailure === undefined);
  return found.flatMap((to, index) => {
    const from = neighbourOf(to.cell, found.slice(0, index));
    return from === undefined ? [] : [{ from, to }];
  });
}

function flipsOf(id: string, borders: readonly Border[]): Flip[] {
  return borders.flatMap(({ from, to }) => {
    const [was, is] = [claimIn(from.results, id), claimIn(to.results, id)];
    if (was?.verdict === undefined || is?.verdict === undefined || was.verdict === is.verdict) return [];
    if ([was.verdict, is.verdict].includes("inconclusive")) return [];
    const because = is.verdict === is.expected ? (is.because?.en ?? "") : "";
    return [{ from: from.cell.id, to: to.cell.id, before: was.verdict, after: is.verdict, because }];
  });
}

/** The earlier cell that differs in one thing: the last one of another version, or kind's defaults of the same version. */
function neighbourOf(cell: Cell, earlier: readonly CellResults[]): CellResults | undefined {
  const settings = ({ proxyMode, ipFamily, workers }: Cell) => [proxyMode, ipFamily, workers].join("/");
  return (
    earlier.findLast((each) => settings(each.cell) === settings(cell)) ??
    earlier.find((each) => each.cell.kubernetes === cell.kubernetes && settings(each.cell) === "//")
  );
}

/** Returns the matrix as a Markdown table: the claims whose verdict is not the same in all cells in which kube-proxy runs. */
export function flipsAsMarkdown({ cells: all, claims }: Matrix): string {
  const cells = all.filter(({ proxyFailure }) => proxyFailure === undefined);
  const differing = claims.filter(
    ({ verdicts }) => new Set(cells.flatMap(({ id }) => verdicts[id]?.verdict ?? [])).size > 1,
  );
  const row = (cellsOfRow: readonly string[]) => `| ${cellsOfRow.join(" | ")} |`;
  const count = (id: string, verdict: string) =>
    String(claims.filter(({ verdicts }) => verdicts[id]?.verdict === verdict).length);
  return [
    row(["claim", ...cells.map(({ id }) => id)]),
    row(["---", ...cells.map(() => "---")]),
    ...differing.map(({ en, verdicts }) =>
      row([en.replaceAll("|", "\\|"), ...cells.map(({ id }) => verdicts[id]?.verdict ?? "–")]),
    ),
    ...["holds", "refuted", "external"].map((verdict) =>
      row([`*all claims: ${verdict}*`, ...cells.map(({ id }) => count(id, verdict))]),
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
  ].join("\n");
}
