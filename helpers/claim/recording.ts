import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { type Judgement, judgementOf, Verdict } from "./verdict.ts";

/** Environment variables that have the specs judge a stored run instead of a cluster: its folder, and where to write. */
export const recordingVariable = "KIND_NETWORK_CONFORMANCE_RECORDING";
export const rejudgedVariable = "KIND_NETWORK_CONFORMANCE_REJUDGED";

const Rejudged = z.strictObject({ verdict: Verdict, why: z.string() });

/** Judges the stored observation of a claim and writes what comes out; does nothing where the run stored none. */
export function judgeRecording(recording: string, id: string, judge: (observation: never) => void): void {
  const file = join(recording, "observations", `${id}.json`);
  const folder = process.env[rejudgedVariable];
  if (folder === undefined) throw new Error(`${rejudgedVariable} does not say where to write`);
  if (!existsSync(file)) return;
  const observation = JSON.parse(readFileSync(file, "utf8")) as never;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${id}.json`), JSON.stringify(judgementOf(() => judge(observation))));
}

/** Returns what came out for a claim, or undefined where the run stored nothing to judge. */
export function rejudged(folder: string, id: string): Judgement | undefined {
  const file = join(folder, `${id}.json`);
  return existsSync(file) ? Rejudged.parse(JSON.parse(readFileSync(file, "utf8"))) : undefined;
}
