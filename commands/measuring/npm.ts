import { execa } from "execa";
import { keptRun } from "../../helpers/cluster/runs.ts";
import { lastLine } from "../../helpers/host/command.ts";
import { UserError } from "../../helpers/host/errors.ts";
import { projectRoot, readSettings } from "../../helpers/host/settings.ts";

/** Starts an npm command as a user would; an interrupted one gives up its cluster before it ends. */
export function startNpm(
  words: readonly string[],
  interrupt: AbortSignal | undefined,
  env: Readonly<Record<string, string>> = {},
) {
  return execa("npm", words, {
    env,
    ...{ cwd: projectRoot, reject: false, all: true, stdin: "ignore", forceKillAfterDelay: false },
    ...(interrupt === undefined ? {} : { cancelSignal: interrupt }),
  });
}

/** @throws UserError where an npm command ended with none of these codes */
export function refuseFailed(
  words: readonly string[],
  { exitCode, all }: { readonly exitCode?: number; readonly all: string },
  codes: readonly number[] = [0],
): void {
  if (exitCode === undefined || !codes.includes(exitCode))
    throw new UserError(
      `npm ${words.join(" ")} exited with ${exitCode}: ${lastLine(all)}`,
      "make it pass before measuring it",
    );
}

/** @throws UserError where a cluster is kept */
export function refuseKept(): void {
  if (keptRun(readSettings().cache) !== undefined)
    throw new UserError("a cluster is kept, and a run that uses it measures nothing", "npm run cluster -- down");
}

/** Returns seconds as they are told: to a tenth. */
export function rounded(seconds: number): number {
  return Math.round(seconds * 10) / 10;
}
