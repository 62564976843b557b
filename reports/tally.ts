import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Verdict } from "../helpers/claim/verdict.ts";
import { RunFile, usualPhases } from "./results.ts";
import { verdictCounts } from "./summary.ts";

/** How far a run is: how many claims came out how, and how long it may still take. */
export class Tally {
  readonly #counts: Record<Verdict, number> = { holds: 0, refuted: 0, external: 0, inconclusive: 0 };
  readonly #total: number | undefined;
  readonly #usualMs: number | undefined;

  /**
   * @param expected how many claims there are, and how many milliseconds they took in an earlier run; both where known
   */
  constructor(expected: { readonly total?: number; readonly usualMs?: number } = {}) {
    this.#total = expected.total;
    this.#usualMs = expected.usualMs;
  }

  /** Counts a claim and returns how many were counted. */
  add(verdict: Verdict): number {
    this.#counts[verdict] += 1;
    return this.#judged;
  }

  /** Returns the line that says it, after so many milliseconds. */
  line(elapsedMs: number): string {
    const done = this.#total === undefined ? `${this.#judged} judged` : `${this.#judged} of ${this.#total}`;
    const seconds = (milliseconds: number) => `${(milliseconds / 1000).toFixed(0)} s`;
    const usual = this.#usualMs === undefined ? "" : ` of about ${seconds(this.#usualMs)}`;
    return `${done}: ${verdictCounts((verdict) => this.#counts[verdict])}; ${seconds(elapsedMs)}${usual}`;
  }

  get #judged(): number {
    return Object.values(this.#counts).reduce((sum, count) => sum + count, 0);
  }
}

/** Returns the tally of the run that was begun in an output folder; the run before tells how long it takes, if it was asked for the same. */
export function tallyOf(out: string): Tally {
  const file = join(out, "run.json");
  if (!existsSync(file)) return new Tally();
  const { selection, claims } = RunFile.parse(JSON.parse(readFileSync(file, "utf8")));
  const usual = usualPhases(out, selection).find(({ name }) => name === "claims");
  return new Tally({
    ...(selection === "" ? { total: claims } : {}),
    ...(usual === undefined ? {} : { usualMs: usual.milliseconds }),
  });
}
