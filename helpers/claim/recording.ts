import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { z } from "zod";
import type { Claim } from "../article/article.ts";
import { linePerEntry } from "../host/json.ts";
import type { Check } from "./check.ts";
import { isLive } from "./control.ts";
import { correctionOf, judgeCorrection, wordsOf } from "./correction.ts";
import { decidingValues, survivors } from "./mutants.ts";
import { CorrectionResult, Deciding } from "./results.ts";
import { judgementOf, Verdict } from "./verdict.ts";

/** Environment variables that have the specs judge a stored run instead of a cluster: its folder, and where to write. */
export const recordingVariable = "KIND_NETWORK_CONFORMANCE_RECORDING";
export const rejudgedVariable = "KIND_NETWORK_CONFORMANCE_REJUDGED";

const Judged = z.strictObject({ verdict: Verdict, why: z.string() });
/** What came out for a claim's correction. */
const RejudgedCorrection = z.strictObject({
  untouched: CorrectionResult,
  changed: Verdict.optional(),
  survivors: z.array(z.string()),
});
const Rejudged = z.strictObject({
  untouched: Judged,
  changed: Judged.optional(),
  deciding: z.array(Deciding),
  survivors: z.array(z.string()),
  /** By the correction's words: which of them are in force, the run's world tells. */
  corrections: z.record(z.string(), RejudgedCorrection),
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

/** What a run observed: by claims, as it was and under the claim's live control. */
const Observations = z.record(z.string(), z.strictObject({ untouched: z.unknown(), changed: z.unknown().optional() }));
export type Observations = z.infer<typeof Observations>;

/** The file of a recording that has all its observations, a line for each claim. */
const observationsFile = "observations.json";

/**
 * Returns what was observed in a run: in a recording, where one file has it, or in the output folder of a run, whose claims
 * are written side by side, a file each.
 */
export function observationsOf(folder: string): Observations {
  const recorded = join(folder, observationsFile);
  if (existsSync(recorded)) return Observations.parse(readJson(recorded));
  const files = existsSync(join(folder, "observations")) ? readdirSync(join(folder, "observations")) : [];
  const ids = files.filter((file) => file.endsWith(".json")).map((file) => basename(file, ".json"));
  return Object.fromEntries(
    ids.toSorted().map((id) => {
      const changed = join(folder, observationFile(id, true));
      return [
        id,
        {
          untouched: readJson(join(folder, observationFile(id))),
          ...(existsSync(changed) ? { changed: readJson(changed) } : {}),
        },
      ];
    }),
  );
}

/** Writes what was observed in a run into a recording. */
export function recordObservations(folder: string, observations: Observations): void {
  store(join(folder, observationsFile), linePerEntry(observations));
}

function readJson(file: string): unknown {
  return JSON.parse(readFileSync(file, "utf8"));
}

/** Judges what was observed of a claim and writes what comes out; does nothing where nothing was. */
export function judgeRecording<Lab, Observation>(
  observations: Observations,
  { id, expect = [] }: Claim,
  check: Check<Lab, Observation>,
): void {
  const folder = process.env[rejudgedVariable];
  if (folder === undefined) throw new Error(`${rejudgedVariable} does not say where to write`);
  const { control } = check;
  const untouched = observations[id]?.untouched as Observation | undefined;
  if (untouched === undefined) return;
  const changed =
    control === undefined || isLive(control)
      ? (observations[id]?.changed as Observation | undefined)
      : control.alter(structuredClone(untouched));
  const corrections: Rejudged["corrections"] = {};
  for (const expectation of expect) {
    const words = wordsOf(expectation);
    const { correction } = correctionOf(check, expectation, untouched);
    if (correction === undefined || words in corrections) continue;
    const under = changed === undefined ? undefined : judgeCorrection(check, expectation, changed);
    corrections[words] = {
      untouched: correction,
      survivors: survivors(untouched, (observation) => check.corrected?.(observation, words)),
      ...(under === undefined ? {} : { changed: under.verdict }),
    };
  }
  const outcome: Rejudged = {
    corrections,
    untouched: judgementOf(() => check.judge(untouched)),
    deciding: decidingValues(untouched, (observation) => check.judge(observation)),
    survivors: survivors(untouched, (observation) => check.judge(observation)),
    ...(changed === undefined ? {} : { changed: judgementOf(() => check.judge(changed)) }),
  };
  store(join(folder, `${id}.json`), JSON.stringify(outcome));
}

/**
 * Returns what came out for a claim, and under its control, what decided it and what its judge does not look at, or undefined
 * where the run stored nothing to judge.
 */
export function rejudged(folder: string, id: string): Rejudged | undefined {
  const file = join(folder, `${id}.json`);
  return existsSync(file) ? Rejudged.parse(readJson(file)) : undefined;
}
