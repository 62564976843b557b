import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { type Article, type Claim } from "../../helpers/article/article.ts";
import { type ClaimResult, previousResults, type Results } from "../../helpers/claim/results.ts";
import { placesInAllure } from "../allure/allure.ts";
import { correctedFiles, correctedIn } from "../corrected.ts";
import { decidingLines } from "../deciding.ts";
import { errataAsMarkdown } from "../errata.ts";
import { junitOf } from "../formats/junit.ts";
import { rdjsonOf } from "../formats/rdjson.ts";
import { sarifOf } from "../formats/sarif.ts";
import { readLedger, readProcessor } from "../ledger.ts";
import { readRecordedMatrix } from "../matrix.ts";
import { entryOf } from "../places.ts";
import { resultsAt } from "../results.ts";
import { runsIn } from "../runs.ts";
import { piecesOf, type Shown, shownOf } from "../shown.ts";
import { recordedVerdicts } from "../when.ts";
import { type Bilingual, recordedMatrixPage, timesPageFile } from "../words.ts";
import { readRecordedWorlds } from "../worlds.ts";
import { articlePage } from "./article-page.ts";
import type { ClaimEvidence } from "./claim-details.ts";
import { writeCorrected } from "./diff-page.ts";
import { type NamedPage, pagesBeside } from "./look.ts";
import { matrixPage } from "./matrix-page.ts";
import { startPage } from "./start-page.ts";
import { timesPage } from "./times-page.ts";

/** Returns the results of the article's recorded run in which the controls were tried, if there is one. */
export function recordedRun({ folder }: Pick<Article, "folder">): Results | undefined {
  const recordings = join(folder, "recordings");
  const runs = existsSync(recordings) ? readdirSync(recordings, { withFileTypes: true }) : [];
  const results = runs.flatMap((run) =>
    run.isDirectory() ? [resultsAt(join(recordings, run.name, "results.json"))] : [],
  );
  return results.findLast((found) => found !== undefined && found.controls.proven > 0);
}

/** Writes the pages of an article's recorded run to a folder, which is made. */
export function writeRecordedPages(
  folder: string,
  results: Results,
  article: Article,
  around: readonly NamedPage[] = [],
): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "results.json"), `${JSON.stringify(results, undefined, 2)}\n`);
  const [day, version] = [results.started.slice(0, 10), results.world.kubernetes];
  writePages(folder, results, article, {
    around,
    recorded: {
      en: `Recorded on ${day} on Kubernetes ${version}, without its evidence: no run of yours. npm test makes one.`,
      zh: `這是 ${day} 在 Kubernetes ${version} 上錄下的結果，不含佐證檔案，並非你自己的執行。npm test 會產生你自己的。`,
    },
  });
}

/**
 * Writes the pages of a run beside its results: `index.html` to begin with, `article.html`, `errata.md` and the corrected
 * text, the matrix of recorded runs to compare with, and what other programs read: SARIF, reviewdog's format and JUnit.
 *
 * @param recorded said on top where the run is the recorded one, not the reader's own
 * @param around what the bar on top of the pages leads to besides
 */
export function writePages(
  out: string,
  results: Results,
  article: Article,
  { recorded, around = [] }: { readonly recorded?: Bilingual; readonly around?: readonly NamedPage[] } = {},
): void {
  const matrix = readRecordedMatrix(article);
  const recordedControls = recorded === undefined ? recordedRun(article) : results;
  const recordedWorlds = readRecordedWorlds(article);
  const said = recorded === undefined ? {} : { recorded };
  const evidence = new Map(
    results.claims.map((claim) => [claim.id, evidenceOf(out, claim, entryOf(claim.id, article).shown)]),
  );
  const file = relative(process.cwd(), article.file);
  const write = (name: string, text: string) => writeFileSync(join(out, name), text);
  write("article.sarif", `${JSON.stringify(sarifOf(results, article, file), undefined, 2)}\n`);
  write("article.rdjson", `${JSON.stringify(rdjsonOf(results, article, file), undefined, 2)}\n`);
  write("junit.xml", junitOf(results, article, file));
  write("errata.md", errataAsMarkdown(results, article, mostTelling(evidence)));
  const entries = readLedger(out);
  // Allure's report is made last, from the same results.
  const files = [
    ...readdirSync(out),
    ...["index.html", "article.html", ...(entries.length === 0 ? [] : [timesPageFile])],
    ...(matrix === undefined ? [] : [recordedMatrixPage]),
    ...(recorded === undefined ? ["allure-report/index.html"] : []),
  ];
  // Where the corrected text was judged, it is there already.
  const corrected = results.corrected === true ? undefined : correctedIn(results, article);
  const { diff, text } = correctedFiles(article);
  if (corrected !== undefined && corrected.article.text !== article.text) files.push(diff, text);
  const pages = (current: string) => [...around, ...pagesBeside(current, article, files)];
  if (corrected !== undefined) writeCorrected(out, results, article, corrected, pages(diff));
  if (matrix !== undefined) write(recordedMatrixPage, matrixPage(matrix, false, pages(recordedMatrixPage)));
  write(
    "article.html",
    articlePage({
      ...{ results, article, evidence, pages: pages("article.html"), ...said },
      allure: placesInAllure(out),
      recordedVerdicts: recordedVerdicts(matrix, article),
      ...(recordedWorlds === undefined ? {} : { recordedWorlds }),
      ...(recordedControls === undefined ? {} : { recordedControls }),
    }),
  );
  if (entries.length > 0)
    write(
      timesPageFile,
      timesPage({ results, article, entries, processor: readProcessor(out), pages: pages(timesPageFile) }),
    );
  const previous = resultsAt(join(out, previousResults));
  write(
    "index.html",
    startPage({
      ...{ results, article, files, runs: runsIn(out, results), pages: pages("index.html"), ...said },
      ...(recordedWorlds === undefined ? {} : { recordedWorlds }),
      ...(recordedControls === undefined ? {} : { recordedControls }),
      ...(matrix === undefined ? {} : { matrix }),
      ...(previous === undefined ? {} : { previous }),
    }),
  );
}

/** By claim, the file that shows what decided, else the one whose output has most of it, the last where there are several. */
function mostTelling(evidence: ReadonlyMap<string, ClaimEvidence>): Map<string, Pick<Shown, "path" | "line">> {
  return new Map(
    [...evidence].flatMap(([id, { texts, shown }]) => {
      if (shown !== undefined) return [[id, shown]];
      // The positive controls come first, and may print the same.
      const most = texts.toReversed().toSorted((a, b) => b.deciding.length - a.deciding.length)[0];
      return most === undefined || most.deciding.length === 0 ? [] : [[id, most]];
    }),
  );
}

/** What a claim's check kept: its texts, and the pictures that lie beside them; nothing where only the results were kept. */
function evidenceOf(out: string, claim: ClaimResult, pattern: Claim["shown"]): ClaimEvidence {
  const { evidence, deciding = [] } = claim;
  const [first] = evidence;
  const folder = first === undefined ? undefined : dirname(first);
  if (folder === undefined || !existsSync(join(out, folder))) return { texts: [], pictures: [] };
  const pictures = readdirSync(join(out, folder)).filter((name) => name.endsWith(".svg"));
  const pieces = piecesOf(out, claim);
  const shown = claim.verdict === "refuted" ? shownOf(pieces, claim, pattern) : undefined;
  return {
    ...(shown === undefined ? {} : { shown }),
    texts: pieces.map(({ path, title, command, output }) => ({
      path,
      title,
      command,
      deciding: decidingLines(
        output,
        // What only repeats the question is no answer.
        deciding.map(({ value }) => value).filter((value) => !command.includes(value)),
      ),
    })),
    pictures: pictures.toSorted().map((name) => ({
      path: join(folder, name),
      title: basename(name, ".svg"),
      // Each picture on a page has arrows of its own.
      svg: readFileSync(join(out, folder, name), "utf8").replaceAll(
        /(?<=id="|url\(#)tip/g,
        `${claim.id}-${basename(name, ".svg")}`,
      ),
    })),
  };
}
