import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { LedgerEntry, ledgerFile } from "../helpers/host/ledger.ts";

/** Processor seconds since a run began, by whom they were used, at a moment. */
export const ProcessorSample = z.strictObject({
  at: z.number().describe("milliseconds since 1970"),
  seconds: z.record(z.string(), z.number()).describe("since the run began"),
  pods: z.int().describe("of checks, seen so far"),
});
export type ProcessorSample = z.infer<typeof ProcessorSample>;

/** The file in the output folder that has samples of who used the processor, one in a line; `npm run bench -- --ledger` makes it. */
export const processorFile = "processor.jsonl";

/** Returns what was done in the run of an output folder, in the order in which it ended; nothing if it kept no ledger. */
export function readLedger(out: string): LedgerEntry[] {
  return linesOf(join(out, ledgerFile)).map((line) => LedgerEntry.parse(line));
}

/** Returns who used the processor in the run of an output folder; nothing where that was not looked at. */
export function readProcessor(out: string): ProcessorSample[] {
  return linesOf(join(out, processorFile)).map((line) => ProcessorSample.parse(line));
}

function linesOf(file: string): unknown[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, "utf8")
    .split("\n")
    .flatMap((line) => (line === "" ? [] : [JSON.parse(line) as unknown]));
}

/** What was done for a claim, or in all. */
export interface Sum {
  readonly requests: number;
  readonly commands: number;
  /** That were asked for. */
  readonly pods: number;
}

/** Returns how much was done. */
export function sumOf(entries: readonly LedgerEntry[]): Sum {
  const count = (wanted: LedgerEntry["kind"]) => entries.filter(({ kind }) => kind === wanted).length;
  return {
    requests: count("request"),
    commands: count("command"),
    pods: entries.reduce((sum, { pods = 0 }) => sum + pods, 0),
  };
}

/** A claim's part of a run. */
export interface ClaimTime extends Sum {
  readonly claim: string;
  readonly begun: number;
  readonly lasted: number;
  /** In the order of their beginnings. */
  readonly waits: readonly LedgerEntry[];
}

/** Returns the claims that were judged, in the order of their beginnings. */
export function claimTimes(entries: readonly LedgerEntry[]): ClaimTime[] {
  const byClaim = Map.groupBy(entries, ({ claim }) => claim);
  return entries
    .filter(({ kind }) => kind === "claim")
    .map(({ what, begun, lasted }) => {
      const own = (byClaim.get(what) ?? []).filter(({ kind }) => kind !== "claim");
      const waits = own.filter(({ kind }) => kind === "wait").toSorted((a, b) => a.begun - b.begun);
      return { claim: what, begun, lasted, waits, ...sumOf(own) };
    })
    .toSorted((a, b) => a.begun - b.begun);
}
