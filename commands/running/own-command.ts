import { join } from "node:path";
import { execa } from "execa";
import { projectRoot, readSettings } from "../../helpers/host/settings.ts";

/**
 * Runs a command of the project's own, such as `test`, and returns how it ended and all that it said.
 *
 * @param env beside this process's own variables
 * @throws the signal's reason when aborted; the command gives up its cluster and its engine first
 */
export async function ownCommand(
  words: readonly string[],
  env: Readonly<Record<string, string>>,
  cancelSignal: AbortSignal | undefined,
): Promise<{ exitCode: number | undefined; all: string }> {
  const { exitCode, all } = await execa(process.execPath, [join("commands", "run.js"), ...words], {
    // It runs in the project's folder, from which an article would be looked for there.
    ...{
      cwd: projectRoot,
      env: { KNC_ARTICLE: readSettings().article, ...env },
      stdin: "ignore",
      all: true,
      reject: false,
    },
    ...(cancelSignal === undefined ? {} : { cancelSignal }),
    forceKillAfterDelay: false,
  });
  cancelSignal?.throwIfAborted();
  return { exitCode, all };
}
