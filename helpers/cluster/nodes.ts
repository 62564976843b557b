import { type CommandOptions, type Engine, engineCommand, engineOutput } from "../engine/engine.ts";
import type { CommandResult } from "../host/command.ts";

/** Label that kind puts on the containers of a cluster. */
const clusterLabel = "io.x-k8s.kind.cluster";

/** Runs commands in a node's namespaces. */
export interface NodeAccess {
  /** Returns how the command ended on that node; a failed one is a result too. */
  run(node: string, command: readonly string[], options?: CommandOptions): Promise<CommandResult>;
}

/** Returns access to nodes that are containers of the engine. */
export function containerNodes(engine: Pick<Engine, "program" | "environment">): NodeAccess {
  return {
    run: (node, command, options = {}) =>
      engineCommand(
        engine,
        ["exec", ...(options.input === undefined ? [] : ["--interactive"]), node, ...command],
        options,
      ),
  };
}

/** Returns the names of the containers, stopped ones too, that are nodes of that cluster. */
export async function nodeContainers(engine: Engine, cluster: string): Promise<string[]> {
  const output = await engineOutput(engine, [
    "ps",
    "--all",
    "--filter",
    `label=${clusterLabel}=${cluster}`,
    "--format",
    "{{.Names}}",
  ]);
  return output.split("\n").filter(Boolean).sort();
}
