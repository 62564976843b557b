import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { execa } from "execa";
import { readCatalogue } from "../helpers/claim/catalogue.ts";
import { exitCodeOf, Results } from "../helpers/claim/results.ts";
import { type Cell, cellNamed, imageLockFor, readCells } from "../helpers/cluster/cells.ts";
import { interruption, UserError } from "../helpers/host/errors.ts";
import { main } from "../helpers/host/main.ts";
import { projectRoot, readSettings } from "../helpers/host/settings.ts";
import { type CellResults, flipsAsMarkdown, matrixOf } from "../reports/matrix.ts";
import { matrixPage } from "../reports/matrix-page.ts";

/**
 * Checks the cells of the matrix one after another, each as `npm test` does, and puts them together. Cells that have all
 * their results are not checked again, so that a run goes on where one was stopped; `--again` checks them all, `--merge` none,
 * and `--list` only names them.
 */
await main(async () => {
  const settings = readSettings();
  if (settings.cell !== undefined || settings.kubeconfig !== undefined)
    throw new UserError("the matrix has its own cells and clusters", "leave KNC_CELL and KNC_KUBECONFIG out");
  readCatalogue();
  const { cells, again, list, merge } = options();
  if (list) {
    process.stdout.write(`${JSON.stringify(cells.map(({ id }) => id))}\n`);
    return 0;
  }
  for (const { id } of cells) imageLockFor({ ...settings, cell: id });
  const interrupt = interruption((line) => process.stdout.write(`${line}\n`));
  const folderOf = ({ id }: Cell) => join(settings.out, "cells", id);
  let worst = 0;
  for (const [index, cell] of merge ? [] : cells.entries()) {
    const place = `cell ${index + 1} of ${cells.length}: ${cell.id}`;
    if (!again && resultsIn(folderOf(cell))?.complete === true) {
      process.stdout.write(`${place}, has its results\n`);
      continue;
    }
    process.stdout.write(`${place}, ${cell.why}\n`);
    await execa(process.execPath, [join("commands", "run.js"), "test"], {
      cwd: projectRoot,
      env: { KNC_CELL: cell.id, KNC_OUT: folderOf(cell) },
      stdin: "ignore",
      stdout: "inherit",
      stderr: "inherit",
      reject: false,
      cancelSignal: interrupt,
      // It gives up its cluster and its engine first.
      forceKillAfterDelay: false,
    });
    interrupt.throwIfAborted();
  }
  const found = cells.flatMap((cell): CellResults[] => {
    const results = resultsIn(folderOf(cell));
    return results === undefined ? [] : [{ cell, results }];
  });
  const missing = cells.filter((cell) => !found.some((each) => each.cell === cell));
  for (const { cell, results } of found) {
    const code = exitCodeOf(results);
    worst = Math.max(worst, code === 1 ? 2 : code === 2 ? 1 : 0);
    for (const claim of results.claims.filter(({ verdict, expected }) => verdict !== expected))
      process.stdout.write(`✗ ${cell.id} ${claim.id}: ${claim.verdict}, expected ${claim.expected}: ${claim.why}\n`);
  }
  for (const { id } of missing) process.stdout.write(`✗ ${id}: no results; see its lines above\n`);
  if (found.length > 0) {
    const matrix = matrixOf(found);
    mkdirSync(settings.out, { recursive: true });
    writeFileSync(join(settings.out, "matrix.json"), `${JSON.stringify(matrix, undefined, 2)}\n`);
    writeFileSync(join(settings.out, "matrix.md"), flipsAsMarkdown(matrix));
    writeFileSync(join(settings.out, "matrix.html"), matrixPage(matrix));
    process.stdout.write(`matrix:  ${join(settings.out, "matrix.html")}, matrix.json, matrix.md\n`);
  }
  return worst === 2 ? 1 : worst === 1 || missing.length > 0 ? 2 : 0;
});

interface Options {
  readonly cells: readonly Cell[];
  readonly again: boolean;
  readonly list: boolean;
  readonly merge: boolean;
}

function options(): Options {
  try {
    const flag = { type: "boolean", default: false } as const;
    const { values } = parseArgs({
      options: { cells: { type: "string" }, again: flag, list: flag, merge: flag },
      allowPositionals: false,
    });
    const named = values.cells?.split(",").map(cellNamed);
    // In the file's order, whatever the order in which they were named.
    const cells = readCells().filter(({ id }) => named?.some((cell) => cell.id === id) ?? true);
    return { ...values, cells };
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(
      (error as Error).message.split("\n")[0] ?? "",
      "npm run matrix -- [--cells a,b] [--again | --merge | --list]",
    );
  }
}

function resultsIn(folder: string): Results | undefined {
  const file = join(folder, "results.json");
  if (!existsSync(file)) return undefined;
  // Those of an earlier version of the suite are none of this matrix.
  const parsed = Results.safeParse(JSON.parse(readFileSync(file, "utf8")));
  return parsed.success ? parsed.data : undefined;
}
