import { rmSync } from "node:fs";
import type { Engine } from "../engine/engine.ts";
import type { Say } from "../host/progress.ts";
import type { CniPlugin } from "../source/cni.ts";
import { containerNodes, kubectlOnNode } from "./nodes.ts";

/** A cluster that has no CNI plugin yet. */
export interface BareCluster {
  readonly engine: Engine;
  /** The container that is its control plane. */
  readonly controlPlane: string;
  readonly load: (archive: string) => Promise<void>;
}

/**
 * Installs a CNI plugin other than kind's own by its manifest, and waits until all nodes are ready. Its archive is removed.
 *
 * @returns what was installed and what it was made from, in a line each
 * @throws Error with kubectl's words where the manifest is refused, or the nodes are not ready after 3 minutes
 */
export async function installCni(
  { name, archive, manifest, provenance }: CniPlugin,
  { engine, controlPlane, load }: BareCluster,
  say: Say,
  signal: AbortSignal,
): Promise<string[]> {
  const kubectl = async (words: readonly string[], input?: string) => {
    const command = [...kubectlOnNode, ...words];
    const result = await containerNodes(engine).run(controlPlane, command, {
      ...{ signal, timeout: 200_000 },
      ...(input === undefined ? {} : { input }),
    });
    if (result.failed) throw new Error(`${name} does not come up: kubectl ${words[0]} says: ${result.stderr.trim()}`);
  };
  say(`loading ${name} into the nodes`);
  await load(archive);
  rmSync(archive);
  say(`installing ${name} by its own manifest`);
  await kubectl(["apply", "--filename=-"], manifest);
  say("waiting ≤ 3 min for all nodes to be ready");
  await kubectl(["wait", "--for=condition=Ready", "nodes", "--all", "--timeout=180s"]);
  return [
    `${name} in the place of kindnet, by its own manifest with the image that was built here`,
    ...Object.entries(provenance).map(([part, made]) => `${part}: ${made}`),
  ];
}
