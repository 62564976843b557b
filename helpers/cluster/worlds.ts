import { readFileSync } from "node:fs";
import { execa } from "execa";
import { parse } from "yaml";
import { z } from "zod";
import { type Engine, inEngineNetwork } from "../engine/engine.ts";
import { UserError } from "../host/errors.ts";
import { runMarker } from "../host/process.ts";
import type { Say } from "../host/progress.ts";
import type { Settings } from "../host/settings.ts";
import type { EngineConfig } from "../source/private.ts";
import type { ClusterConfig } from "./cells.ts";
import { containerNodes } from "./nodes.ts";

const file = new URL("../../fixtures/clusters/worlds.yaml", import.meta.url);

const Config = z.strictObject({
  controlPlanes: z.int().min(1).max(5).default(1),
  workers: z.int().min(0).max(9).default(2),
  controlPlane: z.record(z.string(), z.unknown()).default({}).describe("fields of the first control plane"),
  worker: z.record(z.string(), z.unknown()).default({}).describe("fields of the first worker"),
  networking: z.record(z.string(), z.unknown()).default({}),
  kubeadmConfigPatches: z.array(z.string()).default([]),
});

const Change = z.strictObject({
  on: z.enum(["control-plane", "worker", "nodes", "machine"]),
  do: z.string(),
  undo: z.string(),
});

const JsonObject = z.record(z.string(), z.unknown()).default({});

const World = z.strictObject({
  id: z.string().regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, "must be kebab-case"),
  what: z.string().min(10),
  link: z.url().optional(),
  group: z.string(),
  config: Config.optional(),
  change: z.array(Change).default([]),
  engine: z.strictObject({ daemon: JsonObject, client: JsonObject }).optional(),
  prepare: z.string().optional(),
  environment: z.record(z.string(), z.string()).default({}),
  lacks: z.array(z.string()).default([]),
  ends: z.string().optional(),
});
/** A cluster or machine in which verdicts must stay; see fixtures/clusters/worlds.yaml. */
export type World = z.infer<typeof World>;

/** Returns all worlds, in their file's order. @throws Error where the file is not valid or two have one name */
export function readWorlds(text = readFileSync(file, "utf8")): World[] {
  const { worlds } = z.strictObject({ worlds: z.array(World).min(1) }).parse(parse(text));
  const twice = worlds.find(({ id }, index) => worlds.findIndex((world) => world.id === id) < index);
  if (twice !== undefined) throw new Error(`fixtures/clusters/worlds.yaml has the world ${twice.id} twice`);
  return worlds;
}

/** Returns the worlds that the settings name. @throws UserError naming those that there are */
export function worldsOf({ worlds: ids }: Pick<Settings, "worlds">): World[] {
  if (ids.length === 0) return [];
  const worlds = readWorlds();
  const unknown = ids.find((id) => worlds.every((world) => world.id !== id));
  if (unknown !== undefined)
    throw new UserError(
      `there is no world ${unknown}`,
      `fixtures/clusters/worlds.yaml has ${worlds.map(({ id }) => id).join(", ")}`,
    );
  return worlds.filter(({ id }) => ids.includes(id));
}

/** Returns whether worlds need a cluster of their own: they change its configuration, its engine, or the environment in which it is made. */
export function needOwnCluster(worlds: readonly World[]): boolean {
  return worlds.some(
    ({ config, engine, environment }) =>
      config !== undefined || engine !== undefined || Object.keys(environment).length > 0,
  );
}

/**
 * Returns what the worlds have in the configuration of the suite's own engine and of its client.
 *
 * @throws UserError for a world that has it, where an engine runs already: the user's, or a kept cluster's
 */
export function engineConfigIn(worlds: readonly World[], runs: boolean): Required<EngineConfig> {
  const other = worlds.find(({ engine }) => engine !== undefined);
  if (runs && other !== undefined)
    throw new UserError(
      `the world ${other.id} needs an engine that is started with another configuration, and one runs already`,
      "leave that world out, or stop the engine (npm run cluster -- down, where it is the suite's)",
    );
  return {
    daemon: Object.assign({}, ...worlds.map(({ engine }) => engine?.daemon)) as object,
    client: Object.assign({}, ...worlds.map(({ engine }) => engine?.client)) as object,
  };
}

/** Returns the names of cells' settings that the worlds have otherwise than kind when it is told nothing. */
export function settingsIn(worlds: readonly World[]): string[] {
  const networking = new Set(worlds.flatMap(({ config }) => Object.keys(config?.networking ?? {})));
  return [
    ...(networking.has("kubeProxyMode") ? ["proxyMode"] : []),
    ...(networking.has("ipFamily") ? ["ipFamily"] : []),
  ];
}

/** Returns a kind configuration with what the worlds have otherwise in it. */
export function configIn(config: ClusterConfig, worlds: readonly World[]): ClusterConfig {
  const changes = worlds.flatMap((world) => world.config ?? []);
  if (changes.length === 0) return config;
  const count = (key: "controlPlanes" | "workers", usual: number) =>
    changes.map((change) => change[key]).find((value) => value !== usual) ?? usual;
  const node = (role: "control-plane" | "worker", index: number) => ({
    role,
    ...(index === 0
      ? Object.assign({}, ...changes.map((change) => (role === "worker" ? change.worker : change.controlPlane)))
      : {}),
  });
  return {
    ...config,
    nodes: [
      ...Array.from({ length: count("controlPlanes", 1) }, (_, index) => node("control-plane", index)),
      ...Array.from({ length: count("workers", 2) }, (_, index) => node("worker", index)),
    ],
    networking: Object.assign({}, config["networking"], ...changes.map(({ networking }) => networking)) as object,
    kubeadmConfigPatches: [
      ...((config["kubeadmConfigPatches"] as string[] | undefined) ?? []),
      ...changes.flatMap(({ kubeadmConfigPatches }) => kubeadmConfigPatches),
    ],
  };
}

/** What changes to a running cluster need of it. */
export interface Changeable {
  readonly engine: Engine;
  readonly name: string;
  readonly nodes: readonly string[];
  readonly network: string;
  readonly run: { readonly id: string; readonly folder: string };
}

/**
 * Makes the worlds' changes on a running cluster.
 *
 * @returns what undoes them, the last one first
 * @throws Error with the words of the one that failed, once the others are undone
 */
export async function changeCluster(
  worlds: readonly World[],
  cluster: Changeable,
  say: Say,
): Promise<() => Promise<void>> {
  const undo: { readonly title: string; readonly run: () => Promise<void> }[] = [];
  const undoAll = async () => {
    const failures: unknown[] = [];
    for (const { title, run } of undo.splice(0).toReversed()) {
      say(`undo: ${title}`);
      await run().catch((error: unknown) => failures.push(error));
    }
    if (failures.length > 0)
      throw new AggregateError(failures, failures.map((error) => (error as Error).message).join("; "));
  };
  try {
    for (const { id, what, change } of worlds) {
      if (change.length > 0) say(`world ${id}: ${what}`);
      for (const { on, do: script, undo: back } of change) {
        await carryOut(script, on, cluster);
        undo.push({ title: id, run: () => carryOut(back, on, cluster) });
      }
    }
  } catch (error) {
    await undoAll().catch((undoing: unknown) => {
      throw new AggregateError([error, undoing], `${(error as Error).message}; then ${(undoing as Error).message}`, {
        cause: error,
      });
    });
    throw error;
  }
  return undoAll;
}

async function carryOut(script: string, on: z.infer<typeof Change>["on"], cluster: Changeable): Promise<void> {
  const { engine, name, nodes, network, run } = cluster;
  if (on === "machine") {
    const [command, ...words] = inEngineNetwork(engine, ["sh", "-ec", script]);
    const environment = {
      // What a killed run leaves running is found by it.
      [runMarker]: run.id,
      CLUSTER: name,
      NETWORK: network,
      FOLDER: run.folder,
      NODE: process.execPath,
      ENGINE: engine.program,
    };
    const result = await execa(command, words, {
      env: { ...engine.environment, ...environment },
      reject: false,
      // What it starts in the background goes on, and holds its output.
      stdio: "ignore",
    });
    if (result.failed) throw new Error(`a world's script failed on the machine:\n${script}`);
    return;
  }
  const ofRole = nodes.filter((node) => /-control-plane\d*$/.test(node) === (on === "control-plane"));
  const kubectl = 'export KUBECONFIG=/etc/kubernetes/admin.conf CLUSTER="$0"; set -e\n';
  for (const node of on === "nodes" ? nodes : ofRole.slice(0, 1)) {
    const result = await containerNodes(engine).run(node, ["bash", "-c", `${kubectl}${script}`, name], {
      timeout: 420_000,
    });
    if (result.failed) throw new Error(`a world's script failed on ${node}: ${result.stderr.trim()}\n${script}`);
  }
}
