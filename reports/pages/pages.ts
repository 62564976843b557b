import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { type Article, type Claim } from "../../helpers/article/article.ts";
import { type ClaimResult, previousResults, type Results } from "../../helpers/claim/results.ts";
import { placesInAllure } from "../allure/allure.ts";
import { correctedIn } from "../corrected.ts";
import { decidingLines } from "../deciding.ts";
import { errataAsMarkdown } from "../errata.ts";
import { junitOf } from "../formats/junit.ts";
import { rdjsonOf } from "../formats/rdjson.ts";
import { sarifOf } from "../formats/sarif.ts";
import { readRecordedMatrix } from "../matrix.ts";
import { entryOf } from "../places.ts";
import { resultsAt } from "../results.ts";
import { piecesOf, type Shown, shownOf } from "../shown.ts";
import { recordedVerdicts } from "../when.ts";
import { type Bilingual, recordedMatrixPage } from "../words.ts";
import { readRecordedWorlds } from "../worlds.ts";
import { articlePage } from "./article-page.ts";
import type { ClaimEvidence } from "./claim-details.ts";
import { writeCorrected } from "./diff-page.ts";
import { matrixPage } from "./matrix-page.ts";
import { startPage } from "./start-page.ts";

/** Returns the results of the article's recorded run in which the controls were tried, if there is one. */
export function recordedRun({ folder }: Pick<Article, "folder">): Results | undefined {
  const recordings = join(folder, "recordings");
  const runs = existsSync(recordings) ? readdirSync(recordings, { withFileTypes: true }) : [];
  const results = runs.flatMap((run) =>
    run.isDirectory() ? [resultsAt(join(recordings, run.name, "results.json"))] : [],
  );
  return results.findLast((found) => found !== undefined && found.controls.proven > 0);
}

/**
 * Writes the pages of a run beside its results: `index.html` to begin with, `article.html`, `errata.md` and the corrected
 * text, the matrix of recorded runs to compare with, and what other programs read: SARIF, reviewdog's format and JUnit.
 *
 * @param recorded said on top where the run is not the reader's own
 */
export function writePages(out: string, results: Results, article: Article, recorded?: Bilingual): void {
  const matrix = readRecordedMatrix(article);
  const controls = recordedRun(article);
  const worlds = readRecordedWorlds(article);
  const said = recorded === undefined ? {} : { recorded };
  const evidence = new Map(
    results.claims.map((claim) => [claim.id, evidenceOf(out, claim, entryOf(claim.id, article).shown)]),
  );
  writeFileSync(
    join(out, "article.html"),
    articlePage({
      ...{ results, article, evidence, ...said },
      allure: placesInAllure(out),
      recordedVerdicts: recordedVerdicts(matrix, article),
      ...(worlds === undefined ? {} : { recordedWorlds: worlds }),
      ...(controls === undefined ? {} : { recordedControls: controls }),
    }),
  );
  if (matrix !== undefined) writeFileSync(join(out, recordedMatrixPage), matrixPage(matrix));
  const file = relative(process.cwd(), article.file);
  writeFileSync(join(out, "article.sarif"), `${JSON.stringify(sarifOf(results, article, file), undefined, 2)}\n`);
  writeFileSync(join(out, "article.rdjson"), `${JSON.stringify(rdjsonOf(results, article, file), undefined, 2)}\n`);
  writeFileSync(join(out, "junit.xml"), junitOf(results, article, file));
  // Where the corrected text was judged, it is there already.
  if (results.corrected !== true) writeCorrected(out, results, article, correctedIn(results, article));
  writeFileSync(join(out, "errata.md"), errataAsMarkdown(results, article, mostTelling(evidence)));
  const previous = resultsAt(join(out, previousResults));
  // Allure's report is made last, from the same results.
  const files = [...readdirSync(out), ...(recorded === undefined ? ["allure-report/index.html"] : [])];
  writeFileSync(
    join(out, "index.html"),
    startPage({
      ...{ results, article },
      files,
      ...(controls === undefined ? {} : { recordedControls: controls }),
      ...said,
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
    pictures: pictures.toSorted().map((name) => ({ path: join(folder, name), title: basename(name, ".svg") })),
  };
}
