import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import type { Check } from "./check.ts";
import { isLive } from "./control.ts";
import { decidingValues, survivors } from "./mutants.ts";
import { Deciding } from "./results.ts";
import { judgementOf, Verdict } from "./verdict.ts";

/** Environment variables that have the specs judge a stored run instead of a cluster: its folder, and where to write. */
export const recordingVariable = "KIND_NETWORK_CONFORMANCE_RECORDING";
export const rejudgedVariable = "KIND_NETWORK_CONFORMANCE_REJUDGED";

const Judged = z.strictObject({ verdict: Verdict, why: z.string() });
const Rejudged = z.strictObject({
  untouched: Judged,
  changed: Judged.optional(),
  deciding: z.array(Deciding),
  survivors: z.array(z.string()),
});
type Rejudged = z.infer<typeof Rejudged>;

/** Returns where a run stores what a claim's check observed, relative to its folder; `changed` is under its live control. */
export function observationFile(id: string, changed = false): string {
  return join("observations", ...(changed ? ["changed"] : []), `${id}.json`);
}

/** Writes a file of a run, with the folders that lead to it. */
export function store(file: string, text: string): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
}

/** Judges what a run stored of a claim and writes what comes out; does nothing where it stored nothing. */
export function judgeRecording<Lab, Observation>(recording: string, id: string, check: Check<Lab, Observation>): void {
  const folder = process.env[rejudgedVariable];
  if (folder === undefined) throw new Error(`${rejudgedVariable} does not say where to write`);
  const { control } = check;
  const untouched = readObservation(join(recording, observationFile(id))) as Observation | undefined;
  if (untouched === undefined) return;
  const changed =
    control === undefined || isLive(control)
      ? (readObservation(join(recording, observationFile(id, true))) as Observation | undefined)
      : control.alter(structuredClone(untouched));
  const outcome: Rejudged = {
    untouched: judgementOf(() => check.judge(untouched)),
    deciding: decidingValues(untouched, (observation) => check.judge(observation)),
    survivors: survivors(untouched, (observation) => check.judge(observation)),
    ...(changed === undefined ? {} : { changed: judgementOf(() => check.judge(changed)) }),
  };
  store(join(folder, `${id}.json`), JSON.stringify(outcome));
}

function readObservation(file: string): unknown {
  return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : undefined;
}

/**
 * Returns what came out for a claim, and under its control, what decided it and what its judge does not look at, or undefined
 * where the run stored nothing to judge.
 */
export function rejudged(folder: string, id: string): Rejudged | undefined {
  const file = join(folder, `${id}.json`);
  return existsSync(file) ? Rejudged.parse(JSON.parse(readFileSync(file, "utf8"))) : undefined;
}
