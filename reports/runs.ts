import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { Results } from "../helpers/claim/results.ts";
import { wrongSentences } from "./sentences.ts";

/** What is kept of a whole run when the next one begins in the same folder. */
const PastRun = z.object({
  started: z.string(),
  kubernetes: z.string(),
  sha256: z.string().describe("of the article's text"),
  misleading: z.int().describe("sentences"),
});
export type PastRun = z.infer<typeof PastRun>;

/** A line for each run, as JSON. */
const file = "runs.jsonl";
/** So many are told of. */
const most = 20;

/** Returns whether a run judged all claims of the article's own text: one that was asked for some, or ended before, says less. */
export function isWhole({ complete, selection, corrected }: Results): boolean {
  return complete && selection === "" && corrected !== true;
}

/** Returns whether a run can be recorded: it is whole, and each verdict is the expected one. */
export function isWholeAsExpected(results: Results): boolean {
  return isWhole(results) && results.claims.every(({ verdict, expected }) => verdict === expected);
}

/** Returns how long a run took, in milliseconds. */
export function totalOf(phases: Results["phases"]): number {
  return phases.reduce((sum, { milliseconds }) => sum + milliseconds, 0);
}

function pastRun({ started, article, world, claims }: Results): PastRun {
  const judged = claims.filter(({ verdict }) => verdict !== undefined);
  return {
    ...{ started, kubernetes: world.kubernetes, sha256: article.sha256 },
    misleading: wrongSentences(judged).length,
  };
}

/** Keeps what the start pages of later runs in the folder tell of a run; of one that was asked for some claims only it is nothing. */
export function rememberRun(out: string, results: Results | undefined): void {
  if (results !== undefined && isWhole(results))
    appendFileSync(join(out, file), `${JSON.stringify(pastRun(results))}\n`);
}

/** Returns the whole runs of a text in a folder, this one last if it is one; lines that a run which was killed left half are left out. */
export function runsIn(out: string, results: Results): PastRun[] {
  const lines = existsSync(join(out, file)) ? readFileSync(join(out, file), "utf8").split("\n") : [];
  const before = lines.flatMap((line) => {
    try {
      return [PastRun.parse(JSON.parse(line))];
    } catch {
      return [];
    }
  });
  const same = before.filter(({ sha256 }) => sha256 === results.article.sha256);
  return [...same, ...(isWhole(results) ? [pastRun(results)] : [])].slice(-most);
}
