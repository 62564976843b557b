import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { isDeepStrictEqual, parseArgs } from "node:util";
import { execa, execaSync } from "execa";
import { type Article, readArticle } from "../helpers/article/article.ts";
import { exitCodeOf, type Results } from "../helpers/claim/results.ts";
import { type Cell, cellNamed, isPublished, readCells } from "../helpers/cluster/cells.ts";
import { interruption, UserError } from "../helpers/host/errors.ts";
import { linePerEntry } from "../helpers/host/json.ts";
import { main } from "../helpers/host/main.ts";
import { projectRoot, readSettings, type Settings } from "../helpers/host/settings.ts";
import { readImageLock } from "../helpers/source/image-lock.ts";
import { generateMatrixReport } from "../reports/allure/allure.ts";
import {
  type CellResults,
  flipsAsMarkdown,
  matrixOf,
  readRecordedMatrix,
  recordedMatrix,
  recordedWith,
} from "../reports/matrix.ts";
import { matrixPage } from "../reports/pages/matrix-page.ts";
import { resultsAt, suiteCommit, textDigest } from "../reports/results.ts";
import { isWholeAsExpected } from "../reports/runs.ts";

/**
 * Checks the cells of the matrix one after another, each as `npm test` does, and puts together what there is of all. Cells
 * that have all their results from this commit are not checked again, so that a run goes on where one was stopped; `--again`
 * checks them all, `--merge` none, and `--list` only names them. `--published` leaves out those of which no registry has the
 * images: to build them takes root on Debian. `--changed` leaves those that a commit has as they are now.
 * `--quick` leaves out what is slow, for a first answer on a version. `--record` puts whole runs into the recorded matrix and
 * README's table.
 */
await main(async () => {
  const settings = readSettings();
  if ([settings.cell, settings.kubeconfig, settings.nodeImage].some((setting) => setting !== undefined))
    throw new UserError(
      "the matrix has its own cells, clusters and images",
      "leave KNC_CELL, KNC_KUBECONFIG and KNC_NODE_IMAGE out",
    );
  const article = readArticle(settings.article);
  const { cells, again, quick, list, merge, record } = options();
  if (list) {
    process.stdout.write(`${JSON.stringify(cells.map(({ id }) => id))}\n`);
    return 0;
  }
  readImageLock(settings.imageLock);
  if (!merge) await checkCells({ cells, again, quick }, settings, article);
  const known = readCells().flatMap((cell): CellResults[] => {
    const results = resultsOf(cell, settings, article);
    return results === undefined ? [] : [{ cell, results }];
  });
  const found = known.filter(({ cell }) => cells.some(({ id }) => id === cell.id));
  const missing = cells.filter(({ id }) => !found.some(({ cell }) => cell.id === id));
  for (const { cell, results } of found)
    for (const claim of results.claims.filter(({ verdict, expected }) => verdict !== expected))
      process.stdout.write(`✗ ${cell.id} ${claim.id}: ${claim.verdict}, expected ${claim.expected}: ${claim.why}\n`);
  for (const { id } of missing) process.stdout.write(`✗ ${id}: no results; see its lines above\n`);
  if (known.length > 0) await writeMatrix(known, settings);
  if (record) recordRuns(found, article);
  const codes = new Set(found.map(({ results }) => exitCodeOf(results)));
  return codes.has(1) ? 1 : codes.has(2) || missing.length > 0 ? 2 : 0;
});

async function checkCells(
  { cells, again, quick }: Pick<Options, "cells" | "again" | "quick">,
  settings: Settings,
  article: Article,
): Promise<void> {
  const selection = quick ? ["--tags-filter", "not slow"] : [];
  const interrupt = interruption((line) => process.stdout.write(`${line}\n`));
  const commit = suiteCommit();
  for (const [index, cell] of cells.entries()) {
    const place = `cell ${index + 1} of ${cells.length}: ${cell.id}`;
    const results = resultsOf(cell, settings, article);
    // All claims are an answer to those that are not slow, too.
    const asked = results?.selection === "" || results?.selection === selection.join(" ");
    if (!again && results?.complete === true && asked && results.suite.commit === commit) {
      process.stdout.write(`${place}, has its results\n`);
      continue;
    }
    process.stdout.write(`${place}, ${cell.why}\n`);
    await execa(process.execPath, [join("commands", "run.js"), "test", ...selection], {
      cwd: projectRoot,
      env: { KNC_ARTICLE: settings.article, KNC_CELL: cell.id, KNC_OUT: folderOf(cell, settings) },
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

async function writeMatrix(found: readonly CellResults[], { out }: Settings): Promise<void> {
  const matrix = matrixOf(found);
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, "matrix.json"), `${JSON.stringify(matrix, undefined, 2)}\n`);
  writeFileSync(join(out, "matrix.md"), flipsAsMarkdown(matrix));
  writeFileSync(join(out, "matrix.html"), matrixPage(matrix, true));
  process.stdout.write("the cells' reports are put together\n");
  const report = await generateMatrixReport(out, matrix);
  process.stdout.write(`matrix:  ${join(out, "matrix.html")}, matrix.json, matrix.md\n`);
  process.stdout.write(`report:  npx allure open ${report}\n`);
}

/** Puts these runs into the recorded matrix and README's table of it. @throws UserError where one is not whole, or not as expected */
function recordRuns(found: readonly CellResults[], article: Article): void {
  const unfit = found.filter(({ results }) => !isWholeAsExpected(results));
  if (found.length === 0 || unfit.length > 0)
    throw new UserError(
      `nothing was recorded: ${unfit.map(({ cell }) => cell.id).join(", ") || "no cell"} has no whole run that is as expected`,
      "run npm run matrix -- --cells with those to record, without --quick",
    );
  const matrix = recordedWith(matrixOf(found), readRecordedMatrix(article), readCells(), article);
  const file = recordedMatrix(article);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, linePerEntry(matrix));
  const readme = join(projectRoot, "README.md");
  // README shows the table of one article, which its comment names.
  const shown = relative(projectRoot, file).replaceAll(".", String.raw`\.`);
  const table = new RegExp(`(<!-- recorded runs: [^\\n]*${shown} -->\\n).*(<!-- end of the recorded runs -->)`, "s");
  if (existsSync(readme))
    writeFileSync(
      readme,
      readFileSync(readme, "utf8").replace(
        table,
        (_, start: string, end: string) => `${start}${flipsAsMarkdown(matrix)}${end}`,
      ),
    );
  process.stdout.write(`recorded: ${found.map(({ cell }) => cell.id).join(", ")}\n`);
}

interface Options {
  readonly cells: readonly Cell[];
  readonly again: boolean;
  readonly quick: boolean;
  readonly list: boolean;
  readonly merge: boolean;
  readonly record: boolean;
}

function options(): Options {
  try {
    const flag = { type: "boolean", default: false } as const;
    const { values } = parseArgs({
      options: {
        cells: { type: "string" },
        changed: { type: "string" },
        again: flag,
        quick: flag,
        list: flag,
        published: flag,
        merge: flag,
        record: flag,
      },
      allowPositionals: false,
    });
    const named = values.cells?.split(",").map(cellNamed);
    const before = values.changed === undefined ? [] : cellsAt(values.changed);
    // In the file's order, whatever the order in which they were named.
    const cells = readCells()
      .filter(({ id }) => named?.some((cell) => cell.id === id) ?? true)
      .filter((cell) => !values.published || isPublished(cell))
      .filter((cell) => !before.some((earlier) => isDeepStrictEqual(earlier, cell)));
    return { ...values, cells };
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(
      (error as Error).message.split("\n")[0] ?? "",
      "npm run matrix -- [--cells a,b] [--changed COMMIT] [--published] [--quick] [--again | --merge | --list] [--record]",
    );
  }
}

function cellsAt(commit: string): Cell[] {
  const shown = execaSync({ cwd: projectRoot, reject: false })`git show ${commit}:./fixtures/clusters/matrix.yaml`;
  if (shown.failed)
    throw new UserError(`--changed ${commit}: ${shown.stderr.split("\n")[0]}`, "name a commit that git knows");
  return readCells(shown.stdout);
}

function folderOf({ id }: Cell, { out }: Settings): string {
  return join(out, "cells", id);
}

/** Returns what is there of a cell and this article: another's runs lie in the same folders. */
function resultsOf(cell: Cell, settings: Settings, article: Article): Results | undefined {
  const results = resultsAt(join(folderOf(cell, settings), "results.json"));
  return results?.article.sha256 === textDigest(article) ? results : undefined;
}
