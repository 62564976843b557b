import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Engine, engineCommand, engineOutput, findUserEngine, inEngineNetwork } from "../engine/engine.ts";
import { asTyped } from "../host/command.ts";
import { UserError } from "../host/errors.ts";
import { acquireLock, type Lock } from "../host/lock.ts";
import { runMarker } from "../host/process.ts";
import type { Progress, Say } from "../host/progress.ts";
import type { Settings } from "../host/settings.ts";
import { buildCniPlugin, type CniPlugin } from "../source/cni.ts";
import { findNodeImage, loadWorkloads, type NodeImage } from "../source/find.ts";
import type { ImageLock } from "../source/image-lock.ts";
import { PartStore } from "../source/parts.ts";
import { privateEnginePlace, runningPrivateEngine, startPrivateEngine } from "../source/private.ts";
import { type EngineTools, engineTools } from "../source/tools.ts";
import { adaptConfig } from "./adapt.ts";
import { cellOf, configOf, imageLockFor } from "./cells.ts";
import { installCni } from "./cni.ts";
import { endStrayProcesses, explain, giveUp, removeRun } from "./give-up.ts";
import { givenCluster, requireApiServer } from "./given.ts";
import { type ClusterPlan, createCluster, exportLogs, findKind, type Kind, loadArchive } from "./kind.ts";
import { containerNodes, networkOf, nodeContainers } from "./nodes.ts";
import { outsiderLabel, outsiders, startOutsider } from "./outsider.ts";
import { deadRuns, endRun, type Kept, keepRun, keptRun, type Run, startRun } from "./runs.ts";
import { configIn, engineConfigIn, needOwnCluster, worldsOf } from "./worlds.ts";

/** A cluster that is up, and what it stands on. */
export interface RunningCluster {
  readonly run: Run;
  readonly name: string;
  readonly kubeconfig: string;
  readonly nodes: readonly string[];
  readonly outsider: string;
  /** The engine's network that the nodes and the outsider are on. */
  readonly network: string;
  readonly engine: Engine;
  readonly kind: Kind;
  readonly image: NodeImage;
  readonly adaptations: readonly string[];
  /** Made for this run. */
  readonly fresh: boolean;
  /** user: nobody knows how it was configured. */
  readonly madeBy: "suite" | "user";
}

/** An engine of which this process is the only user, and what it takes to give it up again. */
export interface Session {
  readonly settings: Settings;
  readonly progress: Progress;
  readonly engine: Engine;
  readonly tools: EngineTools | undefined;
  readonly run: Run;
  /** Aborted when the user interrupts or the engine dies. */
  readonly signal: AbortSignal;
}

/**
 * Finds or starts an engine, removes what dead runs left, hands the engine to `use`, and gives everything up again:
 * whatever happens, a private engine is stopped unless a kept cluster lives on it, and what is left of the run is named.
 *
 * @returns what `use` returned, and a line for everything that could not be removed
 */
export async function withEngine<T>(
  settings: Settings,
  progress: Progress,
  interrupt: AbortSignal,
  use: (session: Session) => Promise<T>,
): Promise<{ value: T; leftovers: string[] }> {
  mkdirSync(settings.cache, { recursive: true, mode: 0o700 });
  const place = privateEnginePlace(settings.cache);
  let lock: Lock | undefined;
  let run: Run | undefined;
  let engine: Engine | undefined;
  let tools: EngineTools | undefined;
  const leftovers: string[] = [];
  let value: T;
  try {
    await progress.phase("engine", async (say) => {
      lock = await acquireLock(join(settings.cache, "run.lock"), "run the suite", say, interrupt);
      run = startRun(settings.cache);
      await endStrayProcesses(settings.cache, run.id);
      new PartStore(settings.cache).sweep();
      engine = await findUserEngine();
      if (engine !== undefined) {
        say(`${engine.cli} ${engine.version}, the user's`);
        engineConfigIn(worldsOf(settings), true);
      } else {
        tools = await engineTools(new PartStore(settings.cache), settings.cache, settings.install, say, interrupt);
        engine =
          keptRun(settings.cache)?.kept?.engine === "suite" ? await runningPrivateEngine(place, tools) : undefined;
        const config = engineConfigIn(worldsOf(settings), engine !== undefined);
        engine ??= await startPrivateEngine(place, tools, run.id, say, interrupt, config);
      }
      await forgetLostCluster(settings.cache, engine, say);
      for (const dead of deadRuns(settings.cache)) {
        say(`removing what run ${dead.id} left behind`);
        await removeRun(engine, dead);
      }
    });
    const session = { settings, progress, tools, engine: engine as unknown as Engine, run: run as unknown as Run };
    value = await use({ ...session, signal: AbortSignal.any([interrupt, session.engine.died]) });
  } catch (error) {
    throw await explain(error, engine, interrupt);
  } finally {
    await progress.phase("clean-up", async (say) => {
      if (run !== undefined && engine !== undefined)
        leftovers.push(
          ...(await giveUp(settings, place, engine, tools, run).catch((error: unknown) => [(error as Error).message])),
        );
      // Its record tells the next start what to remove: nothing, where no engine was found or unpacked.
      else if (run !== undefined && tools === undefined) endRun(run);
      for (const line of leftovers) say(`left behind: ${line}`);
    });
    lock?.[Symbol.dispose]();
  }
  return { value, leftovers };
}

/**
 * Creates a cluster of the settings' cell, or of the locked version with kind's defaults, or uses the kept one, or the one of `KNC_KUBECONFIG`.
 * It is deleted when the session ends, unless it is kept or the user's own.
 */
export async function openCluster(session: Session): Promise<RunningCluster> {
  const { settings, progress } = session;
  const kept = keptRun(settings.cache);
  if (settings.kubeconfig !== undefined)
    return progress.phase("cluster", () => openGiven(session, settings.kubeconfig as string));
  if (kept?.kept !== undefined && !needOwnCluster(worldsOf(settings))) {
    const record = kept.kept;
    if (record.cell !== settings.cell)
      throw new UserError(
        `the kept cluster ${kept.cluster} is ${record.cell === undefined ? "of no cell" : `of the cell ${record.cell}`}`,
        "set KNC_CELL as it was then, or npm run cluster -- down",
      );
    return progress.phase("cluster", async (say) => {
      say(`using the kept cluster ${kept.cluster}`);
      return openKept(session, kept, record);
    });
  }
  return makeCluster(session);
}

/** Creates a cluster of the settings' cell, or of the locked version with kind's defaults. It is deleted when the session ends. */
export async function makeCluster(session: Session): Promise<RunningCluster> {
  const { settings, progress, engine, run, signal } = session;
  const lock = imageLockFor(settings);
  const { image, plugin } = await progress.phase("image", async (say) => {
    const found = await findImage(session, lock, settings.nodeImage, say);
    say(`node image ${found.reference}, ${found.origin}`);
    return { image: found, plugin: await cniPlugin(session, lock, say) };
  });
  return progress.phase("cluster", async (say) => {
    const kind = await findKind(lock.kind, engine, settings.cache, say, signal);
    const { plan, adaptations } = planCluster(session, lock, image);
    for (const adaptation of adaptations) say(`adapted: ${adaptation}`);
    await createCluster(kind, engine, plan, say, signal, { [runMarker]: run.id });
    // The private engine's network is at hand.
    if (engine.owner === "user") await requireApiServer(engine, run.kubeconfig);
    const load = (archive: string) => loadArchive(kind, engine, run.cluster, archive, signal);
    const bare = { engine, controlPlane: `${run.cluster}-control-plane`, load };
    const installed =
      plugin === undefined
        ? []
        : await installCni(plugin, bare, say, signal).catch(async (error: unknown) => {
            signal.throwIfAborted();
            await exportLogs(kind, engine, plan.name, plan.logs);
            throw new UserError((error as Error).message, `the nodes' logs are in ${plan.logs}`, { cause: error });
          });
    for (const line of installed) say(`adapted: ${line}`);
    if (!image.carriesWorkloads)
      await loadWorkloads(image, engine, { cache: settings.cache, load, say, signal, label: outsiderLabel(run.id) });
    const nodes = await nodeContainers(engine, run.cluster);
    const network = await networkOf(engine, nodes);
    const outsider = await startOutsider(engine, run.id, image.reference, network);
    const otherwise = [
      ...(image.carriesWorkloads ? await asPublished(session, nodes) : []),
      ...(engine.owner === "suite" ? await forwarding(engine, nodes) : []),
    ];
    for (const line of otherwise) say(`adapted: ${line}`);
    return {
      run,
      name: run.cluster,
      kubeconfig: run.kubeconfig,
      ...{ nodes, network, madeBy: "suite" as const },
      outsider: outsider.name,
      engine,
      kind,
      image,
      adaptations: [...adaptations, ...installed, ...otherwise],
      fresh: true,
    };
  });
}

/** Removes from nodes of a built image what the published image of their cell lacks, and returns what was done, in words. */
async function asPublished({ settings, engine }: Session, nodes: readonly string[]): Promise<string[]> {
  const { lacks = [] } = cellOf(settings) ?? {};
  if (lacks.length === 0) return [];
  const script = 'for program; do path=$(command -v "$program") && rm "$path"; done; true';
  for (const node of nodes) await engineOutput(engine, ["exec", node, "sh", "-c", script, "sh", ...lacks]);
  return [`nodes without ${lacks.join(", ")}, which the published image of this version does not have`];
}

/**
 * Has nodes forward packets before the first pod of theirs makes them, and returns that in words. Elsewhere they do: Docker turns it
 * on in the machine's own network namespace, from which new ones have it (kernel documentation, sysctl/net, devconf_inherit_init_net).
 */
async function forwarding(engine: Engine, nodes: readonly string[]): Promise<string[]> {
  const script = "echo 1 > /proc/sys/net/ipv4/ip_forward";
  await Promise.all(nodes.map((node) => engineOutput(engine, ["exec", node, "sh", "-c", script])));
  return [
    "net.ipv4.ip_forward=1 on nodes, which Docker's have from the machine where it is not in a namespace of its own",
  ];
}

/** Returns the CNI plugin that the settings' cell has in the place of kind's own, built where it is not there. */
async function cniPlugin(session: Session, lock: ImageLock, say: Say): Promise<CniPlugin | undefined> {
  const { settings, run, signal } = session;
  const { cache, install } = settings;
  const { cni } = cellOf(settings) ?? {};
  if (cni === undefined) return undefined;
  const lack = { what: `no registry has ${cni} of the suite's own`, remedy: "choose another cell" };
  const tools = session.tools ?? (await engineTools(new PartStore(cache), cache, install, say, signal, lack));
  return buildCniPlugin(cni, lock.node.kubernetes, run.folder, { tools, cache, say, signal });
}

/** Returns the node image for a session: the one given, or whatever can be had; see {@link findNodeImage}. */
export async function findImage(
  { settings, engine, tools, signal }: Session,
  lock: ImageLock,
  given: string | undefined,
  say: Say,
): Promise<NodeImage> {
  const { cache, install } = settings;
  return findNodeImage({ cache, install, lock, engine, tools, given, say, signal });
}

/** Returns what the session's cluster is made of, with its configuration adapted to this machine and written to disk. */
export function planCluster(
  { settings, run, engine }: Session,
  lock: ImageLock,
  image: NodeImage,
): { plan: ClusterPlan; adaptations: readonly string[] } {
  const wanted = configIn(configOf(cellOf(settings)), worldsOf(settings));
  const { yaml, adaptations } = adaptConfig(wanted, lock.node.kubernetes, engine);
  const config = join(run.folder, "kind.yaml");
  writeFileSync(config, yaml);
  const logs = join(settings.out, "logs", "kind");
  const { cni } = cellOf(settings) ?? {};
  return {
    plan: {
      ...{ name: run.cluster, image: image.reference, config, kubeconfig: run.kubeconfig, logs },
      withoutCni: cni !== undefined,
    },
    adaptations,
  };
}

/** Keeps the cluster of this session when it ends; returns the run that owns it. */
export function keepCluster(session: Session, cluster: RunningCluster): Run {
  const { engine, image, kind, adaptations } = cluster;
  return keepRun(session.settings.cache, session.run, {
    engine: engine.owner,
    image: image.reference,
    kind: kind.provenance,
    adaptations: [...adaptations],
    ...(session.settings.cell === undefined ? {} : { cell: session.settings.cell }),
  });
}

/** Returns the engine that a kept cluster is on, for commands beside a run. @throws UserError where it does not run */
export async function engineOfKept(
  { cache, install }: Settings,
  kept: Run,
  say: Say,
  signal: AbortSignal,
): Promise<Engine> {
  const engine =
    kept.kept?.engine === "user"
      ? await findUserEngine()
      : await runningPrivateEngine(
          privateEnginePlace(cache),
          await engineTools(new PartStore(cache), cache, install, say, signal),
        );
  if (engine === undefined)
    throw new UserError(`the engine of the kept cluster ${kept.cluster} does not run`, "npm run cluster -- up");
  return engine;
}

/** Returns lines that tell a user how to reach a kept cluster, and how to be rid of it. */
export function howToUse({ engine, kubeconfig }: RunningCluster): string[] {
  const own = Object.entries(engine.environment).filter(([name]) => name.startsWith("DOCKER_"));
  const variables = [...own, ["KUBECONFIG", kubeconfig]].map(([name, value]) => `${name}=${value}`);
  return [
    `  ${inEngineNetwork(engine, ["env", ...variables, "kubectl", "get", "nodes"]).join(" ")}`,
    asTyped("  npm test checks it, npm run cluster -- down deletes it"),
  ];
}

/** Deletes the kept cluster. @returns its name, or undefined where none is kept */
export async function dropKept({ settings, engine }: Session): Promise<string | undefined> {
  const kept = keptRun(settings.cache);
  if (kept === undefined) return undefined;
  await removeRun(engine, kept);
  return kept.cluster;
}

/** What a node does with packets: whether it forwards, its routes and links, and its rules with how often each was met. */
const networkOfNode =
  "iptables-save -c; ip6tables-save -c; nft list ruleset; ip route; ip -s link; grep . /proc/sys/net/ipv?/conf/all/forwarding /proc/sys/net/netfilter/nf_conntrack_*";

/** Collects the nodes' logs and what they do with packets below the output folder, as far as they can be had. */
export async function saveLogs(session: Session, cluster: RunningCluster): Promise<void> {
  const folder = join(session.settings.out, "logs");
  mkdirSync(folder, { recursive: true });
  for (const node of cluster.nodes) {
    const { stdout, stderr } = await containerNodes(session.engine).run(node, ["sh", "-c", networkOfNode]);
    writeFileSync(join(folder, `${node}.network.txt`), `${stdout}\n${stderr}`);
  }
  await exportLogs(cluster.kind, session.engine, cluster.name, join(session.settings.out, "logs", "kind"));
}

async function openKept(session: Session, run: Run, kept: Kept): Promise<RunningCluster> {
  const { settings, engine, signal, progress } = session;
  const nodes = await nodeContainers(engine, run.cluster);
  if (nodes.length === 0)
    throw new UserError(
      `the kept cluster ${run.cluster} is not on ${engine.cli} ${engine.version}`,
      "use the engine that it was made on",
    );
  const lock = imageLockFor(settings);
  const say = (line: string) => progress.say("cluster", line);
  const reference = await imageOf(engine, nodes[0] as string);
  const image = await findImage(session, lock, reference, say);
  const kind = await findKind(lock.kind, engine, settings.cache, say, signal);
  await loadLackingWorkloads(session, { kind, name: run.cluster, nodes, image }, say);
  const [outsider] = await outsiders(engine, run.id);
  const network = await networkOf(engine, nodes);
  const name = outsider?.name ?? (await startOutsider(engine, run.id, reference, network)).name;
  return {
    run,
    name: run.cluster,
    kubeconfig: run.kubeconfig,
    ...{ nodes, network, madeBy: "suite" as const },
    outsider: name,
    engine,
    kind,
    image,
    adaptations: kept.adaptations,
    fresh: false,
  };
}

async function openGiven(session: Session, kubeconfig: string): Promise<RunningCluster> {
  const { settings, engine, run, signal, progress } = session;
  const { name, nodes } = await givenCluster(engine, kubeconfig);
  const lock = imageLockFor(settings);
  const say = (line: string) => progress.say("cluster", line);
  const reference = await imageOf(engine, nodes[0] as string);
  const image = await findImage(session, lock, reference, say);
  const kind = await findKind(lock.kind, engine, settings.cache, say, signal);
  await loadLackingWorkloads(session, { kind, name, nodes, image }, say);
  const network = await networkOf(engine, nodes);
  const outsider = await startOutsider(engine, run.id, reference, network);
  return {
    ...{ run, name, kubeconfig, nodes, network, engine, kind, image, madeBy: "user" as const },
    outsider: outsider.name,
    adaptations: [],
    fresh: false,
  };
}

/** Returns the name of a node's image, or its digest where the engine has that name no more: an image stays as long as its containers. */
async function imageOf(engine: Engine, node: string): Promise<string> {
  const inspected = await engineOutput(engine, ["inspect", "--format", "{{.Config.Image}} {{.Image}}", node]);
  const [name = "", digest = ""] = inspected.trim().split(" ");
  return (await engineCommand(engine, ["image", "inspect", name])).failed ? digest : name;
}

/** Nodes of a cluster that is used again may have let go of images that they cannot pull, or may never have had them. */
async function loadLackingWorkloads(
  { settings, engine, run, signal }: Session,
  { kind, name, nodes, image }: Pick<RunningCluster, "kind" | "name" | "nodes" | "image">,
  say: Say,
): Promise<void> {
  const wanted = Object.values(image.workloads).map(({ reference }) => reference);
  const list = ["ctr", "--namespace=k8s.io", "images", "list", "--quiet"];
  const lists = await Promise.all(nodes.map((node) => containerNodes(engine).run(node, list, { signal })));
  const there = lists.map(({ stdout }) => new Set(stdout.split("\n")));
  if (there.every((images) => wanted.every((reference) => images.has(reference)))) return;
  const load = (archive: string) => loadArchive(kind, engine, name, archive, signal);
  await loadWorkloads(image, engine, { cache: settings.cache, load, say, signal, label: outsiderLabel(run.id) });
}

/** A kept cluster can end by other hands, or with the machine's last start: that is no reason to refuse the next run. */
async function forgetLostCluster(cache: string, engine: Engine, say: Say): Promise<void> {
  const kept = keptRun(cache);
  if (kept?.kept?.engine !== engine.owner || (await nodeContainers(engine, kept.cluster)).length > 0) return;
  say(`the kept cluster ${kept.cluster} is gone`);
  await removeRun(engine, kept);
}
