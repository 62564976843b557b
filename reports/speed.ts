import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { Matrix } from "./matrix.ts";

const Seconds = z.number().positive().describe("seconds");

const Round = z.strictObject({
  bare: Seconds.describe("seconds of `kind create cluster --wait`, to which all others are compared"),
  first: Seconds.describe("seconds from Enter to the first verdict of a whole run"),
  quick: Seconds.describe("seconds of a run without what is slow"),
  whole: Seconds.describe("seconds of a whole run"),
  both: Seconds.optional().describe("seconds of all articles on one cluster"),
});
/** Seconds of one round. */
export type Round = z.infer<typeof Round>;

const Verdicts = z.strictObject({
  runs: z.int().describe("whole runs of the main article, in all rounds"),
  different: z.array(z.string()).describe("what was not the same in all of them, and in those of other articles"),
});

const Kept = z.strictObject({ claim: z.array(Seconds), quick: z.array(Seconds) });
/** Seconds on a cluster that is kept: of one claim, and of all that are not slow. */
export type Kept = z.infer<typeof Kept>;

const Growth = z.strictObject({
  bare: Seconds,
  claims: z.array(z.strictObject({ claims: z.int(), seconds: Seconds })),
  articles: z.array(z.strictObject({ articles: z.int(), seconds: Seconds })),
  workers: z.array(
    z.strictObject({ workers: z.int(), seconds: Seconds, claims: z.int().describe("that were not external there") }),
  ),
});
/** Seconds of runs by the number of claims, of articles on one cluster, and of the cluster's workers. */
export type Growth = z.infer<typeof Growth>;

const Ledger = z.strictObject({
  spans: z.array(z.strictObject({ name: z.string(), seconds: z.number() })).describe("phases, and the run in all"),
  users: z
    .array(z.strictObject({ name: z.string(), seconds: z.array(z.number()) }))
    .describe("processor seconds by span"),
  requests: z.int(),
  commands: z.int(),
  pods: z.int().describe("of checks, that were seen"),
});
/** Who used the processor in which phase, and how much was asked for. */
export type Ledger = z.infer<typeof Ledger>;

const measured = { date: z.iso.date(), commit: z.string(), kubernetes: z.string(), cores: z.int() };

const Speed = z.strictObject({
  rounds: z.strictObject({ ...measured, rounds: z.array(Round), verdicts: Verdicts }).optional(),
  kept: z.strictObject({ ...measured, ...Kept.shape }).optional(),
  growth: z.strictObject({ ...measured, ...Growth.shape }).optional(),
  ledger: z.strictObject({ ...measured, ...Ledger.shape }).optional(),
});
/** What `npm run bench -- … --record` measured last, each part when it was. */
export type Speed = z.infer<typeof Speed>;

/** Where an article's folder has it. */
export const speedFile = join("recordings", "speed.json");

/** Returns what was measured of an article; nothing where it was not. */
export function readSpeed(folder: string): Speed {
  const file = join(folder, speedFile);
  return existsSync(file) ? Speed.parse(JSON.parse(readFileSync(file, "utf8"))) : {};
}

/** Returns the middle of some values; of an even number of them the higher one. @throws RangeError of none */
export function median(values: readonly number[]): number {
  const middle = values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
  if (middle === undefined) throw new RangeError("nothing has no median");
  return middle;
}

/** What a run should take at the most, as a multiple of a bare cluster's time, and what it took. */
interface Goal {
  readonly what: string;
  readonly goal: number;
  readonly unit: "×" | "s";
  readonly values: readonly number[];
}

/** Returns the goals of which something was measured, with all that was. */
export function goalsOf({ rounds, kept }: Speed): Goal[] {
  const ratios = (pick: (round: Round) => number | undefined) =>
    (rounds?.rounds ?? []).flatMap((round) => {
      const seconds = pick(round);
      return seconds === undefined ? [] : [seconds / round.bare];
    });
  const goals: Goal[] = [
    { what: "a whole run", goal: 2.6, unit: "×", values: ratios(({ whole }) => whole) },
    { what: "without what is slow", goal: 1.7, unit: "×", values: ratios(({ quick }) => quick) },
    { what: "all articles on one cluster", goal: 3.8, unit: "×", values: ratios(({ both }) => both) },
    { what: "the first verdict", goal: 1.15, unit: "×", values: ratios(({ first }) => first) },
    { what: "one claim on a kept cluster", goal: 3, unit: "s", values: kept?.claim ?? [] },
    { what: "all that is not slow on a kept cluster", goal: 20, unit: "s", values: kept?.quick ?? [] },
  ];
  return goals.filter(({ values }) => values.length > 0);
}

/** Cells of a matrix, and how long they take. */
export interface Machine {
  readonly cells: readonly string[];
  readonly seconds: number;
}

/**
 * Spreads cells over machines, those that take longest first, each to the machine that is free first; that takes at most 4/3 of the
 * shortest time possible (R. L. Graham, Bounds on multiprocessing timing anomalies, 1969).
 */
export function spread(cells: readonly Machine[], machines: number): Machine[] {
  const spread: { cells: string[]; seconds: number }[] = Array.from({ length: machines }, () => ({
    cells: [],
    seconds: 0,
  }));
  for (const cell of cells.toSorted((a, b) => b.seconds - a.seconds)) {
    const [free] = spread.toSorted((a, b) => a.seconds - b.seconds);
    free?.cells.push(...cell.cells);
    if (free !== undefined) free.seconds += cell.seconds;
  }
  return spread;
}

/** Returns how long each recorded cell of a matrix took: to make its cluster, as a bare one takes, and to judge its claims. */
export function secondsOfCells({ cells }: Matrix, bare: number): Machine[] {
  return cells.map(({ id, started, finished }) => ({
    cells: [id],
    seconds: bare + (Date.parse(finished) - Date.parse(started)) / 1000,
  }));
}
