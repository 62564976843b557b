import { moduleEnding } from "./settings.ts";

/** How a command ended; `exitCode` is absent where it was never started or ended by a signal. */
export interface CommandResult {
  readonly failed: boolean;
  readonly exitCode?: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  readonly durationMs: number;
  readonly timedOut: boolean;
}

/** Returns the last line of a command's output that is not empty. */
export function lastLine(text: string): string {
  return text.trimEnd().split("\n").at(-1) ?? "";
}

/**
 * Returns a text that speaks of the project's commands, such as `npm run claims -- --json`, as they are typed where it is
 * installed as a package: `npx knc claims --json`.
 */
export function asTyped(text: string, ending: string = moduleEnding): string {
  if (ending === ".ts") return text;
  return text
    .replaceAll(/npm test( --)?/g, "npx knc check")
    .replaceAll(/npm run (?:--silent )?([a-z-]+)( --)?/g, "npx knc $1");
}
