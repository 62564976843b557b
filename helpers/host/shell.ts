import type { Readable, Writable } from "node:stream";
import type { CommandResult } from "./command.ts";
import { entered } from "./ledger.ts";

/** The ends of a shell that was started somewhere, and how to end it. */
export interface ShellStreams {
  readonly stdin: Writable;
  readonly stdout: Readable;
  readonly stderr: Readable;
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
 * Keeps apart what commands print, and leaves nothing behind when the shell's input ends. `run` takes the program that PATH
 * leads to: a shell's own `kill` or `echo` may differ from it, and BusyBox' shell has a hundred of its own. Of a job that is
 * done, the shell's errors tell in one line: slot, exit status, bytes of output and of errors.
 */
const prologue = `
d=$(mktemp -d) || exit
trap 'rm -rf "$d"' EXIT
run() {
  program=$1
  shift
  IFS=:
  case $program in */*) ;; *) for folder in $PATH; do
    if [ -f "$folder/$program" ] && [ -x "$folder/$program" ]; then program=$folder/$program; break; fi
  done ;; esac
  exec "$program" "$@"
}
job() {
  slot=$1
  shift
  (run "$@") </dev/null >"$d/$slot.out" 2>"$d/$slot.err"
  echo job "$slot" "$?" $(stat -c %s "$d/$slot.out" "$d/$slot.err") >&2
}
`;

/** Returns a word as a POSIX shell takes it literally, whatever is in it. */
export function quoted(word: string): string {
  return `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/** How a job ended, and how many bytes it printed. */
interface JobEnd {
  readonly exitCode: number;
  readonly output: number;
  readonly errors: number;
}

/** A POSIX shell that stays open and runs commands beside each other. */
class Shell {
  readonly #streams: ShellStreams;
  /** By slot, which is part of the names of a job's files. */
  readonly #jobs = new Map<number, PromiseWithResolvers<JobEnd>>();
  readonly #free: number[] = [];
  /** What was asked for and is yet to come, in order. */
  readonly #wanted: { readonly bytes: number; readonly came: PromiseWithResolvers<Buffer> }[] = [];
  #received = Buffer.alloc(0);
  #said = "";
  #ended: string | undefined;

  constructor(streams: ShellStreams) {
    this.#streams = streams;
    const ended = (error?: Error | null) => this.#end(error?.message ?? "its output ended");
    streams.stdout.on("data", (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#deliver();
    });
    streams.stderr.on("data", (chunk: Buffer) => {
      const lines = (this.#said + chunk.toString()).split("\n");
      this.#said = lines.pop() ?? "";
      for (const line of lines) this.#jobEnded(line);
    });
    for (const stream of [streams.stdout, streams.stderr])
      for (const event of ["end", "close", "error"]) stream.once(event, ended);
    streams.stdin.once("error", ended);
    streams.stdin.write(prologue);
  }

  get open(): boolean {
    return this.#ended === undefined;
  }

  /** Runs a command, whose input is empty. A failed one is a result too; after a time-out nobody waits for it any more. */
  async run(command: readonly string[], { timeout, signal }: ShellOptions): Promise<CommandResult> {
    const started = performance.now();
    const deadline = timeout === undefined ? [] : [AbortSignal.timeout(timeout)];
    const stop = AbortSignal.any([...deadline, ...(signal === undefined ? [] : [signal])]);
    stop.throwIfAborted();
    const { promise: stopped, reject } = Promise.withResolvers<never>();
    const onStop = () => reject(stop.reason);
    stop.addEventListener("abort", onStop, { once: true });
    try {
      const { exitCode, output, printed } = await Promise.race([this.#job(command), stopped]);
      return {
        failed: exitCode !== 0,
        exitCode,
        stdout: printed.toString("utf8", 0, output),
        stderr: printed.toString("utf8", output),
        durationMs: performance.now() - started,
        timedOut: false,
      };
    } catch (error) {
      signal?.throwIfAborted();
      if (!stop.aborted) throw error;
      return { failed: true, stdout: "", stderr: "", durationMs: performance.now() - started, timedOut: true };
    } finally {
      stop.removeEventListener("abort", onStop);
    }
  }

  close(why = "it was closed"): void {
    this.#end(why);
    this.#streams.end();
  }

  /** A job keeps its slot until all is said, whether somebody still waits for it or not. @throws ShellEnded */
  async #job(command: readonly string[]): Promise<JobEnd & { readonly printed: Buffer }> {
    if (this.#ended !== undefined) throw this.#error();
    const slot = this.#free.pop() ?? this.#jobs.size;
    const job = Promise.withResolvers<JobEnd>();
    this.#jobs.set(slot, job);
    this.#streams.stdin.write(`job ${slot} ${command.map(quoted).join(" ")} &\n`);
    const end = await job.promise;
    const bytes = end.output + end.errors;
    const printed = bytes === 0 ? Buffer.alloc(0) : await this.#read(slot, bytes);
    this.#free.push(slot);
    return { ...end, printed };
  }

  #read(slot: number, bytes: number): Promise<Buffer> {
    if (this.#ended !== undefined) throw this.#error();
    const came = Promise.withResolvers<Buffer>();
    this.#wanted.push({ bytes, came });
    this.#streams.stdin.write(`cat "$d/${slot}.out" "$d/${slot}.err"\n`);
    return came.promise;
  }

  #jobEnded(line: string): void {
    // A shell has words of its own for a command that a signal ended.
    if (!line.startsWith("job ")) return;
    const [slot = 0, exitCode = 0, output, errors] = line.split(" ").slice(1).map(Number);
    if (output === undefined || errors === undefined) this.close(`it could not keep what a command printed: ${line}`);
    else this.#jobs.get(slot)?.resolve({ exitCode, output, errors });
  }

  #deliver(): void {
    for (let next = this.#wanted[0]; next !== undefined; next = this.#wanted[0]) {
      if (this.#received.length < next.bytes) return;
      next.came.resolve(this.#received.subarray(0, next.bytes));
      this.#received = this.#received.subarray(next.bytes);
      this.#wanted.shift();
    }
  }

  #end(reason: string): void {
    this.#ended ??= reason;
    const error = this.#error();
    for (const job of this.#jobs.values()) job.reject(error);
    for (const { came } of this.#wanted.splice(0)) came.reject(error);
  }

  #error(): ShellEnded {
    return new ShellEnded(`the shell ended before an exit status arrived: ${this.#ended}`);
  }
}

/**
 * Shells that stay open, one for each place. To start a process in a container takes a tenth of a second of processor time, in a
 * shell that is there already a hundredth of that.
 */
export class Shells implements Disposable {
  readonly #start: (place: string) => Promise<ShellStreams> | ShellStreams;
  readonly #shells = new Map<string, Promise<Shell>>();

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
    return entered("command", command.join(" "), async () => (await this.#shellOf(place)).run(command, options));
  }

  async #shellOf(place: string): Promise<Shell> {
    const there = this.#shells.get(place);
    if (there !== undefined) {
      const shell = await there;
      if (shell.open) return shell;
      // Whoever comes first replaces it.
      if (this.#shells.get(place) !== there) return this.#shellOf(place);
    }
    const starting = Promise.resolve(this.#start(place)).then((streams) => new Shell(streams));
    this.#shells.set(place, starting);
    starting.catch(() => this.#shells.delete(place));
    return starting;
  }

  /** Ends all shells. */
  [Symbol.dispose](): void {
    for (const shell of this.#shells.values())
      void shell.then(
        (started) => started.close(),
        () => {},
      );
    this.#shells.clear();
  }
}
