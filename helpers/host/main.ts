import { Interrupted, UserError } from "./errors.ts";

/**
 * Runs a command and sets the process's exit code to what it returns. A {@link UserError} becomes one line with the
 * remedy and exit code 2, an interruption the shell's code for its signal, and anything else a line that says so, with
 * the stack, and exit code 2: the command could not do its work.
 */
export async function main(run: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await run();
  } catch (error) {
    process.exitCode = 2;
    if (error instanceof UserError) process.stderr.write(`error: ${error.message} – ${error.remedy}\n`);
    else if (error instanceof Interrupted) process.exitCode = error.exitCode;
    else
      process.stderr.write(
        `error: ${error instanceof Error ? error.message : String(error)} – this is a defect of the suite, or of what it stands on\n${error instanceof Error ? `${error.stack}\n` : ""}`,
      );
  }
}
