import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { execa } from "execa";
import { readCatalogue } from "../helpers/claim/catalogue.ts";
import { exitCodeOf, Results } from "../helpers/claim/results.ts";
import { type Cell, cellNamed, readCells } from "../helpers/cluster/cells.ts";
import { interruption, UserError } from "../helpers/host/errors.ts";
import { main } from "../helpers/host/main.ts";
import { projectRoot, readSettings, type Settings } from "../helpers/host/settings.ts";
import { readImageLock } from "../helpers/image/lock.ts";
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
  readImageLock(settings.imageLock);
  if (!merge) await checkCells(cells, settings, again);
  const found = cells.flatMap((cell): CellResults[] => {
    const results = resultsOf(cell, settings);
    return results === undefined ? [] : [{ cell, results }];
  });
  const missing = cells.filter((cell) => !found.some((each) => each.cell === cell));
  for (const { cell, results } of found)
    for (const claim of results.claims.filter(({ verdict, expected }) => verdict !== expected))
      process.stdout.write(`✗ ${cell.id} ${claim.id}: ${claim.verdict}, expected ${claim.expected}: ${claim.why}\n`);
  for (const { id } of missing) process.stdout.write(`✗ ${id}: no results; see its lines above\n`);
  if (found.length > 0) writeMatrix(found, settings);
  const codes = new Set(found.map(({ results }) => exitCodeOf(results)));
  return codes.has(1) ? 1 : codes.has(2) || missing.length > 0 ? 2 : 0;
});

async function checkCells(cells: readonly Cell[], settings: Settings, again: boolean): Promise<void> {
  const interrupt = interruption((line) => process.stdout.write(`${line}\n`));
  for (const [index, cell] of cells.entries()) {
    const place = `cell ${index + 1} of ${cells.length}: ${cell.id}`;
    if (!again && resultsOf(cell, settings)?.complete === true) {
      process.stdout.write(`${place}, has its results\n`);
      continue;
    }
    process.stdout.write(`${place}, ${cell.why}\n`);
    await execa(process.execPath, [join("commands", "run.js"), "test"], {
      cwd: projectRoot,
      env: { KNC_CELL: cell.id, KNC_OUT: folderOf(cell, settings) },
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
}

function writeMatrix(found: readonly CellResults[], { out }: Settings): void {
  const matrix = matrixOf(found);
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, "matrix.json"), `${JSON.stringify(matrix, undefined, 2)}\n`);
  writeFileSync(join(out, "matrix.md"), flipsAsMarkdown(matrix));
  writeFileSync(join(out, "matrix.html"), matrixPage(matrix));
  process.stdout.write(`matrix:  ${join(out, "matrix.html")}, matrix.json, matrix.md\n`);
}

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

function folderOf({ id }: Cell, { out }: Settings): string {
  return join(out, "cells", id);
}

function resultsOf(cell: Cell, settings: Settings): Results | undefined {
  const file = join(folderOf(cell, settings), "results.json");
  if (!existsSync(file)) return undefined;
  // Those of an earlier version of the suite are none of this matrix.
  const parsed = Results.safeParse(JSON.parse(readFileSync(file, "utf8")));
  return parsed.success ? parsed.data : undefined;
}
