import type { Readable, Writable } from "node:stream";
import type { CommandResult } from "./command.ts";

/** The two ends of a shell that was started somewhere, and how to end it. */
export interface ShellStreams {
  readonly stdin: Writable;
  readonly stdout: Readable;
  end(): void;
}

/** Thrown when a shell ended before a command's exit status arrived: a lost status must not look like success. */
export class ShellEnded extends Error {
  override name = "ShellEnded";
}

/** How a command may end otherwise than by itself. */
interface ShellOptions {
  /** Milliseconds; none where absent. */
  readonly timeout?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Keeps apart what a command prints, and leaves nothing behind when the shell's input ends. `run` takes the program that PATH
 * leads to: a shell's own `kill` or `echo` may differ from it, and BusyBox' shell has a hundred of its own.
 */
const prologue = `
o=$(mktemp) e=$(mktemp) && trap 'rm -f "$o" "$e"' EXIT
run() {
  program=$1
  shift
  IFS=:
  case $program in */*) ;; *) for folder in $PATH; do
    if [ -f "$folder/$program" ] && [ -x "$folder/$program" ]; then program=$folder/$program; break; fi
  done ;; esac
  exec "$program" "$@"
}
`;

/** Tells how a command ended and how many bytes it printed, then these. */
const epilogue = `printf '%s %d %d\\n' "$?" "$(wc -c <"$o")" "$(wc -c <"$e")"; cat "$o" "$e"\n`;

/** Returns a word as a POSIX shell takes it literally, whatever is in it. */
export function quoted(word: string): string {
  return `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/** A POSIX shell that stays open and runs commands one after another. */
class Shell {
  readonly #streams: ShellStreams;
  #received = Buffer.alloc(0);
  #ended: string | undefined;
  #wake = () => {};

  constructor(streams: ShellStreams) {
    this.#streams = streams;
    const ended = (error?: Error | null) => {
      this.#ended ??= error?.message ?? "its output ended";
      this.#wake();
    };
    streams.stdout.on("data", (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake();
    });
    for (const event of ["end", "close", "error"]) streams.stdout.once(event, ended);
    streams.stdin.once("error", ended);
    streams.stdin.write(prologue);
  }

  get open(): boolean {
    return this.#ended === undefined;
  }

  /** Runs a command, whose input is empty. A failed one is a result too; after a time-out the shell is of no more use. */
  async run(command: readonly string[], { timeout, signal }: ShellOptions): Promise<CommandResult> {
    const started = performance.now();
    const deadline = timeout === undefined ? [] : [AbortSignal.timeout(timeout)];
    const stop = AbortSignal.any([...deadline, ...(signal === undefined ? [] : [signal])]);
    stop.throwIfAborted();
    const wake = () => this.#wake();
    stop.addEventListener("abort", wake, { once: true });
    try {
      const words = command.map(quoted).join(" ");
      this.#streams.stdin.write(`( run ${words} ) </dev/null >"$o" 2>"$e"; ${epilogue}`);
      const head = await this.#take(() => this.#received.indexOf("\n") + 1 || undefined, stop);
      const [exitCode = 0, length = 0, errors = 0] = head.toString().split(" ").map(Number);
      const printed = await this.#take(
        () => (this.#received.length < length + errors ? undefined : length + errors),
        stop,
      );
      return {
        failed: exitCode !== 0,
        exitCode,
        stdout: printed.toString("utf8", 0, length),
        stderr: printed.toString("utf8", length),
        durationMs: performance.now() - started,
        timedOut: false,
      };
    } catch (error) {
      this.close();
      signal?.throwIfAborted();
      if (!stop.aborted) throw error;
      return { failed: true, stdout: "", stderr: "", durationMs: performance.now() - started, timedOut: true };
    } finally {
      stop.removeEventListener("abort", wake);
    }
  }

  close(): void {
    this.#ended ??= "it was closed";
    this.#streams.end();
  }

  /** Returns the first so many bytes of what came, once `measure` says how many. @throws ShellEnded; the signal's reason */
  async #take(measure: () => number | undefined, stop: AbortSignal): Promise<Buffer> {
    for (;;) {
      const bytes = measure();
      if (bytes !== undefined) {
        const taken = this.#received.subarray(0, bytes);
        this.#received = this.#received.subarray(bytes);
        return taken;
      }
      stop.throwIfAborted();
      if (this.#ended !== undefined)
        throw new ShellEnded(`the shell ended before an exit status arrived: ${this.#ended}`);
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      await promise;
    }
  }
}

/**
 * Shells that stay open, by places. To start a process in a container takes a tenth of a second of processor time, in a shell
 * that is there already a hundredth of that; so commands share shells, one at a time each.
 */
export class Shells implements Disposable {
  readonly #start: (place: string) => Promise<ShellStreams> | ShellStreams;
  readonly #idle = new Map<string, Shell[]>();

  /** @param start starts a POSIX shell in a place; it throws where that cannot be */
  constructor(start: (place: string) => Promise<ShellStreams> | ShellStreams) {
    this.#start = start;
  }

  /**
   * Returns how a command in a place ended; a failed one is a result too, and one that was not done after `timeout` has no exit code.
   *
   * @throws ShellEnded where no status arrived; the signal's reason when aborted; whatever starting a shell throws
   */
  async run(place: string, command: readonly string[], options: ShellOptions = {}): Promise<CommandResult> {
    const idle = this.#idle.get(place) ?? [];
    this.#idle.set(place, idle);
    let shell = idle.pop();
    while (shell?.open === false) shell = idle.pop();
    shell ??= new Shell(await this.#start(place));
    const result = await shell.run(command, options);
    if (shell.open) idle.push(shell);
    return result;
  }

  /** Ends the shells that are idle. */
  [Symbol.dispose](): void {
    for (const shell of [...this.#idle.values()].flat()) shell.close();
    this.#idle.clear();
  }
}
