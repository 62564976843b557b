import { performance } from "node:perf_hooks";

/** A part of a command's work, and how long it took. */
interface Phase {
  readonly name: string;
  readonly milliseconds: number;
}

/** Says one line about what is going on right now. */
export type Say = (line: string) => void;

/** Prints what a command is doing, a plain line at a time with the seconds since its start, and times its phases. */
export class Progress {
  readonly phases: Phase[] = [];
  readonly #start = performance.now();
  readonly #write: (line: string) => void;

  constructor(write: (line: string) => void = (line) => process.stderr.write(`${line}\n`)) {
    this.#write = write;
  }

  /** Prints a line under the name of a phase. */
  say(phase: string, line: string): void {
    const seconds = ((performance.now() - this.#start) / 1000).toFixed(0);
    this.#write(`${seconds.padStart(5)}s  ${phase.padEnd(10)}  ${line}`);
  }

  /** Runs a phase: its lines carry its name, and its duration in milliseconds is kept in `phases`. */
  async phase<T>(name: string, run: (say: Say) => Promise<T>): Promise<T> {
    const begun = performance.now();
    try {
      return await run((line) => this.say(name, line));
    } finally {
      this.phases.push({ name, milliseconds: Math.round(performance.now() - begun) });
    }
  }
}
