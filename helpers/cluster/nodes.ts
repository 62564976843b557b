import type { Socket } from "node:net";
import { join } from "node:path";
import { execa } from "execa";
import { z } from "zod";
import {
  type CommandOptions,
  type Engine,
  type EngineClient,
  engineCommand,
  engineOutput,
  inEngineNetwork,
} from "../engine/engine.ts";
import type { CommandResult } from "../host/command.ts";
import { moduleEnding } from "../host/settings.ts";
import { ShellEnded, Shells } from "../host/shell.ts";

/** Label that kind puts on the containers of a cluster. */
const clusterLabel = "io.x-k8s.kind.cluster";

/** Label by which kind says what a container is to its cluster: a node, or the load balancer before several control planes. */
const roleLabel = "io.x-k8s.kind.role";

/** Docker and kind hand the user's proxies to containers. Nothing of a cluster is behind one. */
export const pastProxies: readonly string[] = ["--env", "no_proxy=*", "--env", "NO_PROXY=*"];

/** Runs commands in a node's namespaces. */
export interface NodeAccess {
  /** Returns how the command ended on that node; a failed one is a result too. */
  run(node: string, command: readonly string[], options?: CommandOptions): Promise<CommandResult>;
}

/** The first words of kubectl on a control plane, where it is an administrator (kubeadm, `/etc/kubernetes/admin.conf`). */
export const kubectlOnNode: readonly string[] = ["kubectl", "--kubeconfig=/etc/kubernetes/admin.conf"];

/** Returns access to nodes that are containers of the engine. */
export function containerNodes(engine: Pick<Engine, "program" | "environment">): NodeAccess {
  return {
    run: (node, command, options = {}) =>
      engineCommand(
        engine,
        ["exec", ...pastProxies, ...(options.input === undefined ? [] : ["--interactive"]), node, ...command],
        options,
      ),
  };
}

/**
 * Returns the same access for many commands: each container has a shell that stays open and runs them beside each other. They
 * end with this process.
 */
export function containerShells(engine: Pick<Engine, "program" | "environment">): NodeAccess {
  return shellsOf(engine, { hold: false });
}

/** @param hold whether this process goes on until they are disposed of, rather than ending them */
function shellsOf(
  engine: Pick<Engine, "program" | "environment">,
  { hold }: { readonly hold: boolean },
): NodeAccess & Disposable {
  const shells = new Shells((container) => {
    const child = execa(engine.program, ["exec", ...pastProxies, "--interactive", container, "sh"], {
      env: engine.environment,
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
      buffer: false,
      reject: false,
    });
    const { stdin, stdout, stderr } = child;
    if (!hold) {
      child.nodeChildProcess.unref();
      for (const stream of [stdin, stdout, stderr]) (stream as unknown as Socket).unref();
    }
    return { stdin, stdout, stderr, end: () => void child.kill() };
  });
  return {
    run: async (container, command, { signal, timeout, input }: CommandOptions = {}) => {
      if (input !== undefined) throw new RangeError("a shell that others use has no input for a command");
      const { stdout, stderr, ...result } = await shells.run(container, command, { signal, timeout });
      // As execa gives it, and so does access without a shell.
      return { ...result, stdout: stdout.replace(/\n$/, ""), stderr: stderr.replace(/\n$/, "") };
    },
    [Symbol.dispose]: () => shells[Symbol.dispose](),
  };
}

/** Returns such access for what may be asked twice: where a container has no shell, the engine says why. */
export function nodesToAsk(engine: Pick<Engine, "program" | "environment">): NodeAccess & Disposable {
  const shells = shellsOf(engine, { hold: true });
  let disposed = false;
  return {
    run: async (node, command, options) => {
      // Whoever is late must not start a shell that nobody ends.
      if (disposed) throw new Error(`nobody waits for ${node} any more`);
      try {
        return await shells.run(node, command, options);
      } catch (error) {
        if (disposed || !(error instanceof ShellEnded)) throw error;
        return containerNodes(engine).run(node, command, options);
      }
    },
    [Symbol.dispose]: () => {
      disposed = true;
      shells[Symbol.dispose]();
    },
  };
}

/** Returns the names of the containers, stopped ones too, that kind made for that cluster: nodes, and perhaps a load balancer. */
export async function clusterContainers(engine: Engine, cluster: string): Promise<string[]> {
  return withLabels(engine, `${clusterLabel}=${cluster}`);
}

/** Returns the names of the containers, stopped ones too, that are nodes of that cluster. */
export async function nodeContainers(engine: Engine, cluster: string): Promise<string[]> {
  const [controlPlanes, workers] = await Promise.all([
    controlPlaneContainers(engine, cluster),
    withLabels(engine, `${clusterLabel}=${cluster}`, `${roleLabel}=worker`),
  ]);
  return [...controlPlanes, ...workers].sort();
}

/** Returns the names of the containers, stopped ones too, that are control planes of that cluster, the first one first. */
export async function controlPlaneContainers(engine: EngineClient, cluster: string): Promise<string[]> {
  return withLabels(engine, `${clusterLabel}=${cluster}`, `${roleLabel}=control-plane`);
}

async function withLabels(engine: EngineClient, ...labels: readonly string[]): Promise<string[]> {
  const filters = labels.flatMap((label) => ["--filter", `label=${label}`]);
  const output = await engineOutput(engine, ["ps", "--all", ...filters, "--format", "{{.Names}}"]);
  return output.split("\n").filter(Boolean).sort();
}

const Inspected = z.array(
  z.object({
    Name: z.string().transform((name) => name.replace(/^\//, "")),
    NetworkSettings: z.object({
      Networks: z.record(z.string(), z.unknown()),
      Ports: z.record(z.string(), z.array(z.unknown()).nullable()).nullish(),
    }),
  }),
);

async function inspect(engine: Engine, containers: readonly string[]): Promise<z.infer<typeof Inspected>> {
  return Inspected.parse(JSON.parse(await engineOutput(engine, ["inspect", ...containers])));
}

/** kind's own setting for the network of the nodes (kind, pkg/cluster/internal/providers/docker/network.go). */
export const networkVariables = {
  docker: "KIND_EXPERIMENTAL_DOCKER_NETWORK",
  podman: "KIND_EXPERIMENTAL_PODMAN_NETWORK",
} as const;

/** Returns the network on which kind puts nodes, as its environment asks for it. */
export function wantedNetwork({ cli }: Pick<Engine, "cli">): string {
  return process.env[networkVariables[cli]] || "kind";
}

/** Returns the network that a cluster's nodes are on: the wanted one where they are on several. */
export async function networkOf(engine: Engine, nodes: readonly string[]): Promise<string> {
  const found = (await inspect(engine, nodes)).map(({ NetworkSettings }) => Object.keys(NetworkSettings.Networks));
  const common = (found[0] ?? []).filter((name) => found.every((names) => names.includes(name)));
  const wanted = wantedNetwork(engine);
  return common.includes(wanted) ? wanted : (common[0] ?? wanted);
}

/** Returns the ports of a cluster's nodes that the machine publishes besides the API server's, as `worker 31000/tcp`. */
export async function publishedPorts(engine: Engine, nodes: readonly string[], cluster: string): Promise<string[]> {
  return (await inspect(engine, nodes)).flatMap(({ Name, NetworkSettings }) =>
    Object.entries(NetworkSettings.Ports ?? {}).flatMap(([port, bindings]) =>
      (bindings ?? []).length === 0 || port === "6443/tcp" ? [] : [`${Name.replace(`${cluster}-`, "")} ${port}`],
    ),
  );
}

/** Returns whether this machine reaches the API server of a cluster, known by its authority's certificate, at a node's own address. */
export async function reachesNode(
  engine: Pick<Engine, "networkNamespace">,
  address: string,
  authority: string,
): Promise<boolean> {
  const program = join(import.meta.dirname, `reach${moduleEnding}`);
  const [command, ...words] = inEngineNetwork(engine, [process.execPath, program, address]);
  // Where nobody has the address, perhaps nobody says so.
  return !(await execa(command, words, { input: authority, reject: false, timeout: 10_000 })).failed;
}

/** Returns what Docker's default network is like: containers on a closed one cannot talk (dockerd, `--icc=false`, `--bridge=none`). */
export async function defaultBridge(engine: Engine): Promise<"open" | "closed" | "none"> {
  const format = '{{index .Options "com.docker.network.bridge.enable_icc"}}';
  const { failed, stdout } = await engineCommand(engine, ["network", "inspect", "--format", format, "bridge"]);
  return failed ? "none" : stdout.trim() === "false" ? "closed" : "open";
}
