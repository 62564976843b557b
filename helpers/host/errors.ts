/**
 * An error that the user can mend: bad input, a missing tool, a full disk. Commands print it as one line with the
 * remedy, without a stack trace, and exit with 2.
 */
export class UserError extends Error {
  override name = "UserError";
  readonly remedy: string;

  constructor(what: string, remedy: string, options?: ErrorOptions) {
    super(what, options);
    this.remedy = remedy;
  }
}

/** Thrown when the user ended the command by a signal; the exit code is the shell's for that signal. */
export class Interrupted extends Error {
  override name = "Interrupted";
  readonly exitCode: number;

  constructor(signal: "SIGHUP" | "SIGINT" | "SIGPIPE" | "SIGTERM") {
    super(`interrupted by ${signal}`);
    this.exitCode = { SIGHUP: 129, SIGINT: 130, SIGPIPE: 141, SIGTERM: 143 }[signal];
  }
}

/**
 * Returns a signal that is aborted by the first SIGINT, SIGTERM or SIGHUP, with an {@link Interrupted}, and by an error
 * that nobody caught, with that error: clean-up then runs as it always does. Later signals only tell.
 */
export function interruption(tell: (line: string) => void): AbortSignal {
  const controller = new AbortController();
  const end = (why: string, reason: Error) => {
    tell(controller.signal.aborted ? "still cleaning up" : `${why}: cleaning up`);
    controller.abort(reason);
  };
  for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => end(name, new Interrupted(name)));
  process.on("uncaughtException", (error) => end(error.message, error));
  return controller.signal;
}
