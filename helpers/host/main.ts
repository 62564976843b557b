import { asTyped } from "./command.ts";
import { Interrupted, UserError } from "./errors.ts";

/**
 * Runs a command and sets the process's exit code to what it returns. A {@link UserError} becomes one line with the
 * remedy and exit code 2, an interruption the shell's code for its signal, and anything else a line that says so, with
 * the stack, and exit code 2: the command could not do its work. Output that nobody reads any more, as after `| head`, ends
 * it as SIGPIPE does.
 */
export async function main(run: () => Promise<number>): Promise<void> {
  // Told once each: what is said of it on the way would be the next such error.
  for (const output of [process.stdout, process.stderr]) output.once("error", unread).on("error", () => {});
  try {
    process.exitCode = await run();
  } catch (error) {
    process.exitCode = 2;
    if (error instanceof UserError) process.stderr.write(asTyped(`error: ${error.message} – ${error.remedy}\n`));
    else if (error instanceof Interrupted) process.exitCode = error.exitCode;
    else if (isRefused(error))
      process.stderr.write(
        `error: ${error.message} – let this user write there, or set KNC_OUT and KNC_CACHE to folders of its own\n`,
      );
    else
      process.stderr.write(
        `error: ${error instanceof Error ? error.message : String(error)} – this is a defect of the suite, or of what it stands on\n${error instanceof Error ? `${error.stack}\n` : ""}`,
      );
  }
}

/** A file or folder that may not be made or changed: somebody else's, or of a disk that is not written to. */
function isRefused(error: unknown): error is NodeJS.ErrnoException {
  const { code, path } = error as NodeJS.ErrnoException;
  return error instanceof Error && path !== undefined && ["EACCES", "EPERM", "EROFS"].includes(code ?? "");
}

/** Node ignores SIGPIPE, which any pipe and socket can give, and has the stream's error in its place. */
function unread(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error;
  const end = new Interrupted("SIGPIPE");
  if (process.listenerCount("uncaughtException") === 0) process.exit(end.exitCode);
  throw end;
}
