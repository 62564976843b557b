import { type Attachment, type Evidence, shellCommand } from "../claim/evidence.ts";
import type { CommandResult } from "../host/command.ts";
import type { KubernetesObject } from "../probe/api.ts";
import { eventually, until, type Wake } from "../probe/until.ts";
import type { Stage } from "./stage.ts";

/** One check's work on the stage: what it does is kept as evidence, and undone when it ends. */
export class Session {
  readonly stage: Stage;
  readonly evidence: Evidence;
  #signal: AbortSignal;
  readonly #undo: (() => Promise<void>)[] = [];
  readonly #created: KubernetesObject[] = [];

  constructor(stage: Stage, evidence: Evidence, signal: AbortSignal) {
    this.stage = stage;
    this.evidence = evidence;
    this.#signal = signal;
  }

  /** Ends what the check does, once its time is over. */
  get signal(): AbortSignal {
    return this.#signal;
  }

  /** Runs `undo` when the check ends, however it ends. */
  afterwards(undo: () => Promise<void>): void {
    this.#undo.push(undo);
  }

  /** Has an object deleted when the check ends. */
  deleteAfterwards(object: KubernetesObject): void {
    this.#created.push(object);
  }

  /** Keeps an answer of the API server's as evidence. */
  keep(title: string, command: string, answer: unknown): void {
    this.evidence.add(title, command, JSON.stringify(answer, undefined, 2));
  }

  /** Keeps something that is neither a command nor an object. */
  note(title: string, text: string, attachments: readonly Attachment[] = []): void {
    this.evidence.add(title, "", text, attachments);
  }

  /** Returns the first value of `look` that is `done`. @throws NotInTime after the propagation time-out */
  async until<T>(
    what: string,
    look: () => Promise<T>,
    done: (value: T) => boolean,
    milliseconds = this.stage.timeouts.propagation,
    wake?: Wake,
  ): Promise<T> {
    return until(what, milliseconds, look, done, this.#signal, wake);
  }

  /** Returns the first value of `look` that is `done`, or the last one seen after a while. */
  async eventually<T>(
    look: () => Promise<T>,
    done: (value: T) => boolean,
    milliseconds = this.stage.timeouts.claimed,
  ): Promise<T> {
    return eventually(milliseconds, look, done, this.#signal);
  }

  /** Runs a command and keeps it as it could be typed, with what came of it; a silent one is left to the caller. */
  async recorded(
    title: string,
    words: readonly string[],
    run: () => Promise<CommandResult>,
    silent = false,
  ): Promise<CommandResult> {
    if (silent) return run();
    const command = shellCommand(words);
    try {
      const result = await run();
      this.evidence.add(
        title,
        command,
        `${result.stdout}${result.stderr === "" ? "" : `\n[stderr] ${result.stderr}`}\n[exit ${result.exitCode} after ${Math.round(result.durationMs)} ms]`,
      );
      return result;
    } catch (error) {
      this.evidence.add(title, command, `[did not run] ${(error as Error).message}`);
      throw error;
    }
  }

  /** Undoes what the check did, the last thing first, and has what it created deleted; nothing waits for that unless the stage is used again. @throws AggregateError of what failed */
  async close(): Promise<void> {
    const { stage } = this;
    const errors: unknown[] = [];
    // What a check did is undone after its time, too, when the signal that ended it would end every command at once.
    this.#signal = AbortSignal.timeout(stage.timeouts.podsReady);
    for (const undo of this.#undo.splice(0).toReversed()) await undo().catch((error: unknown) => errors.push(error));
    const deleted = await Promise.allSettled(
      this.#created.splice(0).map((object) =>
        // The next one has a namespace of its own: only what has a name of its own is in its way.
        stage.again && object.kind !== "Namespace"
          ? stage.api.delete(object, stage.timeouts.deletion)
          : stage.api.requestDeletion(object),
      ),
    );
    errors.push(...deleted.flatMap((end) => (end.status === "rejected" ? [end.reason as unknown] : [])));
    if (errors.length > 0)
      throw new AggregateError(errors, `could not undo: ${errors.map((error) => (error as Error).message).join("; ")}`);
  }
}
