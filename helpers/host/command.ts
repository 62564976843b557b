/** How a command ended; `exitCode` is absent where it was never started or ended by a signal. */
export interface CommandResult {
  readonly failed: boolean;
  readonly exitCode?: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  readonly durationMs: number;
  readonly timedOut: boolean;
}
