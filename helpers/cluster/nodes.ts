import type { Socket } from "node:net";
import { execa } from "execa";
import { type CommandOptions, type Engine, engineCommand, engineOutput } from "../engine/engine.ts";
import type { CommandResult } from "../host/command.ts";
import { Shells } from "../host/shell.ts";

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

/**
 * Returns the same access for many commands: each container has a shell that stays open and runs them beside each other. They
 * end with this process.
 */
export function containerShells(engine: Pick<Engine, "program" | "environment">): NodeAccess {
  const shells = new Shells((container) => {
    const child = execa(engine.program, ["exec", "--interactive", container, "sh"], {
      env: engine.environment,
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
      buffer: false,
      reject: false,
    });
    // Nothing waits for a shell: what is asked of it has a time-out.
    child.nodeChildProcess.unref();
    const { stdin, stdout, stderr } = child;
    for (const stream of [stdin, stdout, stderr]) (stream as unknown as Socket).unref();
    return { stdin, stdout, stderr, end: () => void child.kill() };
  });
  return {
    run: async (container, command, { signal, timeout, input }: CommandOptions = {}) => {
      if (input !== undefined) throw new RangeError("a shell that others use has no input for a command");
      const { stdout, stderr, ...result } = await shells.run(container, command, { signal, timeout });
      // As execa gives it, and so does access without a shell.
      return { ...result, stdout: stdout.replace(/\n$/, ""), stderr: stderr.replace(/\n$/, "") };
    },
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
