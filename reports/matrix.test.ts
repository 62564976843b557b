import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readArticle } from "../helpers/article/article.ts";
import { Results } from "../helpers/claim/results.ts";
import { type Cell, cellNamed, readCells } from "../helpers/cluster/cells.ts";
import { projectRoot, readSettings } from "../helpers/host/settings.ts";
import {
  type CellResults,
  flipsAsMarkdown,
  type Matrix,
  matrixOf,
  readRecordedMatrix,
  recordedWith,
} from "./matrix.ts";
import { recordedRun } from "./pages/pages.ts";

const recorded = recordedRun(readArticle(readSettings().article)) as Results;

/** The recorded run as if it were of that cell, with other verdicts for some claims. */
function as(cell: Cell, verdicts: Readonly<Record<string, "holds" | "refuted" | "inconclusive">> = {}): CellResults {
  const claims = recorded.claims.map((claim) => {
    const verdict = verdicts[claim.id];
    return verdict === undefined ? claim : { ...claim, verdict, expected: verdict === "refuted" ? verdict : "holds" };
  });
  return { cell, results: Results.parse({ ...recorded, claims }) };
}

const older = cellNamed("1.33.1");
const newer = cellNamed("1.37.0");
const nftables = cellNamed("1.37.0-nftables");
const claim = recorded.claims.find(({ verdict }) => verdict === "refuted")?.id ?? "";

test("a border is between a cell and the earlier one that differs in one thing", () => {
  const { claims } = matrixOf([
    as(older, { [claim]: "holds" }),
    as(newer, { [claim]: "refuted" }),
    as(nftables, { [claim]: "holds" }),
  ]);
  const flips = claims.find(({ id }) => id === claim)?.flips;
  expect(flips?.map(({ from, to, before, after }) => [from, to, before, after])).toEqual([
    [older.id, newer.id, "holds", "refuted"],
    [newer.id, nftables.id, "refuted", "holds"],
  ]);
  expect(claims.filter((each) => each.id !== claim).flatMap((each) => each.flips)).toEqual([]);
});

test("another kind program is compared with the same version, and is nobody's neighbour", () => {
  const other = { ...older, id: "other-kind", kind: "v0.20.0" };
  const { claims } = matrixOf([as(older), as(other, { [claim]: "holds" }), as(newer)]);
  const flips = claims.find(({ id }) => id === claim)?.flips;
  expect(flips?.map(({ from, to }) => [from, to])).toEqual([[older.id, other.id]]);
});

test("what could not be tested is no border, and has its place", () => {
  const { claims } = matrixOf([as(older), as(newer, { [claim]: "inconclusive" })]);
  const found = claims.find(({ id }) => id === claim);
  expect(found?.flips).toEqual([]);
  expect(found?.verdicts[newer.id]?.verdict).toBe("inconclusive");
});

test("claims are in the article's order, without those that are excluded, and cells in their file's", () => {
  const { claims, cells } = matrixOf([as(older), as(newer)]);
  expect(claims.map(({ id }) => id)).toEqual(
    recorded.claims.flatMap(({ id, excluded }) => (excluded === undefined ? [id] : [])),
  );
  expect(cells.map(({ id }) => id)).toEqual([older.id, newer.id]);
});

test("a cell in which less was asked for hides nothing of the others", () => {
  const whole = as(older);
  const less = {
    ...whole,
    results: { ...whole.results, claims: whole.results.claims.filter(({ id }) => id === claim) },
  };
  const { claims } = matrixOf([less, as(newer)]);
  expect(claims).toHaveLength(matrixOf([whole]).claims.length);
  expect(claims.flatMap(({ id, verdicts }) => (verdicts[older.id] === undefined ? [] : [id]))).toEqual([claim]);
});

test("the table has the claims that differ, and counts all", () => {
  const lines = flipsAsMarkdown(matrixOf([as(older, { [claim]: "holds" }), as(newer)])).split("\n");
  const en = recorded.claims.find(({ id }) => id === claim)?.en;
  expect(lines).toContain(`| ${en} | holds | refuted |`);
  const refuted = recorded.claims.filter(({ verdict }) => verdict === "refuted").length;
  expect(lines).toContain(`| *all claims: refuted* | ${refuted - 1} | ${refuted} |`);
});

test("neighbours of which all is the same share a column", () => {
  const cells = ["1.33.1", "1.36.4", "1.37.0", "1.37.0-dual"].map(cellNamed);
  const [head] = flipsAsMarkdown(matrixOf(cells.map((cell) => as(cell)))).split("\n");
  expect(head).toBe("| claim | 1.33.1 to 1.37.0-dual (4 cells) |");
  const mixed = matrixOf(cells.map((cell, index) => as(cell, index < 2 ? {} : { [claim]: "holds" })));
  expect(flipsAsMarkdown(mixed).split("\n")[0]).toBe("| claim | 1.33.1, 1.36.4 | 1.37.0, 1.37.0-dual |");
});

test("what cannot be seen with another CNI plugin is no border", () => {
  const flannel = { ...as(cellNamed("1.37.0-flannel")) };
  const lost = flannel.results.claims.find(({ id }) => id === claim);
  if (lost !== undefined) Object.assign(lost, { verdict: "external", expected: "external" });
  const { claims } = matrixOf([as(newer), flannel]);
  expect(claims.flatMap(({ flips }) => flips)).toEqual([]);
});

test("another CNI plugin has no column: what differs with it is told in words", () => {
  const flannel = as(cellNamed("1.37.0-flannel"), { [claim]: "holds" });
  flannel.results.world.cni = "flannel";
  const text = flipsAsMarkdown(matrixOf([as(newer), flannel]));
  expect(text.split("\n")[0]).toBe("| claim | 1.37.0 |");
  expect(text).toContain("In 1.37.0-flannel, with flannel in the place of kindnet, ");
  const en = recorded.claims.find(({ id }) => id === claim)?.en;
  expect(text).toContain(" external, 0 of them because ");
  expect(text).toContain(`\n- ${en} In 1.37.0 *refuted*, here *holds*.\n`);
});

test("a newer run takes the place of the recorded one, in the order of the cells, and the others stay", () => {
  const before = matrixOf([as(older), as(nftables)]);
  const after = recordedWith(
    matrixOf([as(newer, { [claim]: "holds" }), as(older, { [claim]: "holds" })]),
    { ...before, claims: before.claims.map((each) => ({ ...each, en: "as it was said before" })) },
    [older, newer, nftables],
    readArticle(readSettings().article),
  );
  expect(after.cells.map(({ id }) => id)).toEqual([older.id, newer.id, nftables.id]);
  const found = after.claims.find(({ id }) => id === claim);
  expect(Object.entries(found?.verdicts ?? {}).map(([id, { verdict }]) => [id, verdict])).toEqual([
    [older.id, "holds"],
    [newer.id, "holds"],
    [nftables.id, "refuted"],
  ]);
  expect(found?.flips.map(({ from, to }) => [from, to])).toEqual([[newer.id, nftables.id]]);
  expect(found?.en).toBe(readArticle(readSettings().article).claims.find(({ id }) => id === claim)?.en);
});

const recordedRuns = readRecordedMatrix(readArticle(readSettings().article)) as Matrix;

test("the README has the table of the recorded matrix", () => {
  const readme = readFileSync(join(projectRoot, "README.md"), "utf8");
  const [, table] = /<!-- recorded runs[^\n]*\n([^]*?)<!-- end of the recorded runs -->/.exec(readme) ?? [];
  expect(table).toBe(flipsAsMarkdown(recordedRuns));
});

test("the recorded matrix has cells and claims of today, every verdict as expected", () => {
  expect(readCells().map(({ id }) => id)).toEqual(expect.arrayContaining(recordedRuns.cells.map(({ id }) => id)));
  const claims = readArticle(readSettings().article).claims.filter(({ excluded }) => excluded === undefined);
  expect(recordedRuns.claims.map(({ id }) => id)).toEqual(claims.map(({ id }) => id));
  for (const { verdicts } of recordedRuns.claims)
    for (const { verdict, expected } of Object.values(verdicts)) expect(verdict).toBe(expected);
});

test("no cell is no matrix", () => {
  expect(() => matrixOf([])).toThrow(RangeError);
});
