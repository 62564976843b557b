import { performance } from "node:perf_hooks";
import { entered } from "./ledger.ts";

/** A part of a command's work, and how long it took. */
interface Phase {
  readonly name: string;
  readonly milliseconds: number;
}

const noticeableMs = 2_000;

/** Says one line about what is going on right now. */
export type Say = (line: string) => void;

/** Prints what a command is doing, a plain line at a time with the seconds since its start, and times its phases. */
export class Progress {
  readonly phases: Phase[] = [];
  readonly #start = performance.now();
  readonly #write: (line: string) => void;
  readonly #usual: () => readonly Phase[];

  /** @param usual returns the phases of an earlier run: how long each may take */
  constructor(
    write: (line: string) => void = (line) => process.stderr.write(`${line}\n`),
    usual: () => readonly Phase[] = () => [],
  ) {
    this.#write = write;
    this.#usual = usual;
  }

  /** Prints a line under the name of a phase. */
  say(phase: string, line: string): void {
    const seconds = ((performance.now() - this.#start) / 1000).toFixed(0);
    this.#write(`${seconds.padStart(5)}s  ${phase.padEnd(10)}  ${line}`);
  }

  /** Runs a phase: its lines carry its name, and its duration in milliseconds is kept in `phases`. One that takes long says so. */
  async phase<T>(name: string, run: (say: Say) => Promise<T>): Promise<T> {
    const usual = this.#usual().find((phase) => phase.name === name)?.milliseconds ?? 0;
    if (usual > noticeableMs) this.say(name, `took ${(usual / 1000).toFixed(0)} s in the run before`);
    const begun = performance.now();
    try {
      return await entered("phase", name, () => run((line) => this.say(name, line)));
    } finally {
      this.phases.push({ name, milliseconds: Math.round(performance.now() - begun) });
    }
  }
}
