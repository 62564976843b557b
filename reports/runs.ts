import { appendFileSync, existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { Results } from "../helpers/claim/results.ts";
import { wrongSentences } from "./sentences.ts";

/** What is kept of a whole run when the next one begins in the same folder. */
const PastRun = z.strictObject({
  started: z.string(),
  kubernetes: z.string(),
  sha256: z.string().describe("of the article's text"),
  judged: z.int(),
  misleading: z.int().describe("sentences"),
  milliseconds: z.int(),
});
export type PastRun = z.infer<typeof PastRun>;

/** A line for each run, as JSON. */
const file = "runs.jsonl";
/** So many are told of. */
const most = 20;

function pastRun({ started, article, world, claims, phases }: Results): PastRun {
  const judged = claims.filter(({ verdict }) => verdict !== undefined);
  return {
    ...{ started, kubernetes: world.kubernetes, sha256: article.sha256, judged: judged.length },
    misleading: wrongSentences(judged).length,
    milliseconds: phases.reduce((sum, phase) => sum + phase.milliseconds, 0),
  };
}

/** Keeps what the start pages of later runs in the folder tell of a run; of one that was asked for some claims only it is nothing. */
export function rememberRun(out: string, results: Results | undefined): void {
  if (results?.complete === true && results.selection === "" && results.corrected !== true)
    appendFileSync(join(out, file), `${JSON.stringify(pastRun(results))}\n`);
}

/** Returns the whole runs of a text in a folder, this one last; lines that a run which was killed left half are left out. */
export function runsIn(out: string, results: Results): PastRun[] {
  const lines = existsSync(join(out, file)) ? readFileSync(join(out, file), "utf8").split("\n") : [];
  const before = lines.flatMap((line) => {
    try {
      return [PastRun.parse(JSON.parse(line))];
    } catch {
      return [];
    }
  });
  return [...before.filter(({ sha256 }) => sha256 === results.article.sha256), pastRun(results)].slice(-most);
}
