import type { Facts } from "../article/expectation.ts";
import type { Evidence } from "./evidence.ts";
import type { World } from "./world.ts";

/** What a check works with; it undoes what was done with it. */
export interface Workspace {
  /** Undoes what the check did. @throws Error saying what could not be undone */
  close(): Promise<void>;
}

/** What claims are checked on: all that they may ask of the outside. `Lab` is what a check works with. */
export interface Environment<Lab extends Workspace> {
  /** What is known of it. */
  readonly world: World & Facts;
  /** The folder that results are written to. */
  readonly out: string;
  /** Stretches all time-outs, on slow machines. */
  readonly timeoutFactor: number;
  /** Returns what it lacks of these features, in words. @throws RangeError for a feature that nobody knows */
  missing(features: readonly string[]): string | undefined;
  /**
   * Returns something for one check to work with; what is done with it is kept as evidence.
   *
   * @throws Inconclusive if the environment is not ready
   */
  open(evidence: Evidence, signal: AbortSignal): Promise<Lab>;
  /**
   * Returns the same environment for checks that are carried out again, under a change: what several checks do once they do
   * anew, and what is claimed is waited for less, since it should not come.
   */
  again(): Environment<Lab>;
  /** Returns why a change failed by itself, if the text of some evidence tells. */
  failureOfChange(text: string): string | undefined;
}
