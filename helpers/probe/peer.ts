import type { CommandResult } from "../host/command.ts";

/** Somewhere a probe can be sent from. */
export interface Peer {
  /** As evidence names it: `client-1 (10.244.1.3)`. */
  readonly label: string;
  /** Returns how a command there ended, after at most `timeout` milliseconds; what was run is kept as evidence. */
  run(title: string, command: readonly string[], timeout?: number): Promise<CommandResult>;
}

/** Milliseconds that starting a command may take on a busy node, besides what it does. */
export const startingTime = 30_000;

/** Thrown when a probe could not be carried out, as opposed to one that got no answer. */
export class ProbeFailed extends Error {
  override name = "ProbeFailed";
}

/** Returns a command's output. @throws ProbeFailed where it failed: it should have worked whatever the network does */
export async function outputOf(
  peer: Peer,
  title: string,
  command: readonly string[],
  timeout?: number,
): Promise<string> {
  const result = await peer.run(title, command, timeout);
  if (result.failed)
    throw new ProbeFailed(
      `${command.join(" ")} failed on ${peer.label} with exit code ${result.exitCode}: ${result.stderr.trim()}`,
    );
  return result.stdout;
}

/** Returns a command's output, which is JSON. @throws ProbeFailed where it failed or is not */
export async function jsonOf<T>(peer: Peer, title: string, command: readonly string[]): Promise<T> {
  const output = await outputOf(peer, title, command);
  try {
    return JSON.parse(output) as T;
  } catch {
    throw new ProbeFailed(`${command.join(" ")} on ${peer.label} did not print JSON: ${output.slice(0, 200)}`);
  }
}
