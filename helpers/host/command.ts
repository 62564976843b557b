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
