import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { execa } from "execa";
import type { Article } from "../../helpers/article/article.ts";
import { previousResults } from "../../helpers/claim/results.ts";
import { cellOf, imageLockFor, settingsOf } from "../../helpers/cluster/cells.ts";
import { contextVariable, filesVariable, writeContext } from "../../helpers/cluster/context.ts";
import type { RunningCluster, Session } from "../../helpers/cluster/lifecycle.ts";
import {
  controlPlaneContainers,
  defaultBridge,
  nodesToAsk,
  publishedPorts,
  reachesNode,
} from "../../helpers/cluster/nodes.ts";
import { settingsIn, worldsOf } from "../../helpers/cluster/worlds.ts";
import { inEngineNetwork } from "../../helpers/engine/engine.ts";
import { UserError } from "../../helpers/host/errors.ts";
import { ledgerFile } from "../../helpers/host/ledger.ts";
import { acquireLock, type Lock } from "../../helpers/host/lock.ts";
import { runMarker } from "../../helpers/host/process.ts";
import type { Say } from "../../helpers/host/progress.ts";
import { projectRoot, type Settings } from "../../helpers/host/settings.ts";
import { compareWithCell } from "../../helpers/world/compare.ts";
import { detectWorld } from "../../helpers/world/detect.ts";
import { correctedFiles } from "../../reports/corrected.ts";
import { processorFile } from "../../reports/ledger.ts";
import { resultsAt } from "../../reports/results.ts";
import { rememberRun } from "../../reports/runs.ts";
import { timesPageFile } from "../../reports/words.ts";
import { filesIn } from "./selection.ts";
import { vitestOfSpecs } from "./vitest.ts";

/** Results of an earlier run would read as this one's. */
const ofARun = [
  "allure-report",
  "allure-results",
  "article.html",
  "article.rdjson",
  "article.sarif",
  "claims",
  "controls",
  "errata.md",
  "evidence",
  "index.html",
  "logs",
  "observations",
  "junit.xml",
  ledgerFile,
  "phases.json",
  processorFile,
  "results.json",
  "run.json",
  "tests.json",
  timesPageFile,
  "world.json",
];

/**
 * Waits until no other run writes results, then empties the output folder for this one. The lock is to be held until the reports
 * are written too: they are made from what is there.
 *
 * @throws the signal's reason when aborted
 */
export async function takeOutput(settings: Settings, say: Say, signal: AbortSignal): Promise<Lock> {
  mkdirSync(settings.cache, { recursive: true, mode: 0o700 });
  const lock = await acquireLock(join(settings.cache, "output.lock"), "run the suite", say, signal);
  emptyOutput(settings);
  return lock;
}

/** Removes from the output folder what an earlier run left there, but for its results, which are kept as the previous ones. */
export function emptyOutput(settings: Settings): void {
  const { out } = settings;
  mkdirSync(out, { recursive: true });
  if (existsSync(join(out, "results.json"))) {
    rememberRun(out, resultsAt(join(out, "results.json")));
    renameSync(join(out, "results.json"), join(out, previousResults));
  }
  const { text, diff } = correctedFiles({ id: basename(settings.article) });
  removeOutput(settings, [...ofARun, text, diff]);
}

/** Removes files and folders from the output folder. */
export function removeOutput({ out }: Settings, names: readonly string[]): void {
  for (const name of names) rmSync(join(out, name), { recursive: true, force: true });
}

/** Writes a value as JSON to the output folder. */
export function writeOutput({ out }: Settings, file: string, value: unknown): void {
  writeFileSync(join(out, file), JSON.stringify(value, undefined, 2));
}

/** Writes down what a run is about: the world as its cluster shows it, and what the specs have to know to reach it. */
export async function beginRun(
  { settings, progress, run }: Session,
  {
    engine,
    image,
    nodes,
    outsider,
    kubeconfig,
    name,
    fresh,
    madeBy,
    network,
    kind,
    adaptations,
    ...cluster
  }: RunningCluster,
  article: Article,
  selection: readonly string[],
  { corrected = false }: { readonly corrected?: boolean } = {},
): Promise<void> {
  const [controlPlane] = await controlPlaneContainers(engine, name);
  if (controlPlane === undefined)
    throw new UserError(`${name} has no node that is a control plane`, "check a cluster that kind made");
  const cell = cellOf(settings);
  await progress.phase("world", async (say) => {
    const given = {
      ...{ cluster: name, fresh, madeBy, network },
      publishedPorts: await publishedPorts(engine, nodes, name),
      kind: imageLockFor(settings).kind.version,
      otherwise: [...(cell === undefined ? [] : settingsOf(cell)), ...settingsIn(worldsOf(settings))],
      ...(cell?.mayNotStart === true ? { mayNotStart: true } : {}),
      engine: {
        ...{ name: engine.cli, version: engine.version, owner: engine.owner, cgroup: engine.cgroup },
        bridge: await defaultBridge(engine),
      },
      images: Object.fromEntries(Object.entries(image.workloads).map(([which, { reference }]) => [which, reference])),
      provenance: { ...image.provenance, "kind program": kind.provenance },
      adaptations: [...adaptations],
    };
    const reaches = (address: string, authority: string) => reachesNode(engine, address, authority);
    using asked = nodesToAsk(engine);
    const world = await detectWorld(asked, controlPlane, given, reaches, article.lab);
    writeOutput(settings, "world.json", world);
    if (world.proxyFailure !== undefined && world.mayNotStart !== true)
      throw new UserError(
        `kube-proxy does not start in ${world.proxyMode} mode on this machine, and nothing can be judged without it; its last words: ${world.proxyFailure}`,
        "lift the limit that they name, on the machine or in the cluster's configuration",
      );
    if (cell !== undefined) compareWithCell(cell, world);
    say(
      `Kubernetes ${world.kubernetes}, kube-proxy ${world.proxyMode}, ${world.ipFamilies.join("+")}, ${world.cni}, ${world.nodes.length} nodes`,
    );
  });
  writeOutput(settings, "run.json", {
    started: new Date().toISOString(),
    selection: selection.join(" "),
    claims: article.claims.filter(({ expect }) => expect !== undefined).length,
    ...(corrected ? { corrected } : {}),
  });
  writeContext(contextFile(run), {
    run: cluster.run.id,
    out: settings.out,
    castFile: join(run.folder, "cast.json"),
    ...{ kubeconfig, controlPlane, outsider },
    engine: { cli: engine.cli, program: engine.program, environment: { ...engine.environment } },
    images: Object.fromEntries(
      Object.entries(image.workloads).map(([which, { reference, id }]) => [
        which,
        { reference, ...(id === undefined ? {} : { id }) },
      ]),
    ),
    timeoutFactor: settings.timeoutFactor,
    selection: selection.join(" "),
  });
}

/** An article's specs in a process of their own. */
export interface RunningSpecs extends AsyncDisposable {
  /**
   * Waits until they have ended and returns whether something failed.
   *
   * @throws the signal's reason when aborted; UserError where vitest was ended by a signal
   */
  ended(): Promise<boolean>;
}

/**
 * Starts an article's specs. Their process reads what it needs while the cluster is made, and waits for {@link beginRun}; disposing of
 * them ends it.
 *
 * @param environment what they are run for: nothing else than to judge the claims, if it is empty
 */
export async function startSpecs(
  { settings, run, engine, signal }: Session,
  selection: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<RunningSpecs> {
  const { rest: options, files } = await filesIn(selection, settings.article);
  const [command, ...rest] = inEngineNetwork(engine, [...vitestOfSpecs(), ...options]);
  const stop = new AbortController();
  const running = execa(command, rest, {
    cwd: projectRoot,
    env: {
      ...engine.environment,
      PATH: process.env["PATH"],
      [contextVariable]: contextFile(run),
      [runMarker]: run.id,
      [filesVariable]: JSON.stringify(files),
      KNC_OUT: settings.out,
      KNC_ARTICLE: settings.article,
      // allure-js-commons makes labels of such variables; a report of several cells tells them apart by this one.
      ...(settings.cell === undefined ? {} : { ALLURE_LABEL_cell: settings.cell }),
      ...environment,
    },
    cancelSignal: AbortSignal.any([signal, stop.signal]),
    forceKillAfterDelay: 5_000,
    reject: false,
    stdin: "ignore",
    stdout: "inherit",
    stderr: "inherit",
  });
  return {
    ended: async () => {
      const result = await running;
      signal.throwIfAborted();
      if (result.exitCode === undefined)
        throw new UserError(`the specs' process ended by ${result.signal}`, "look at free memory, and run again");
      return result.exitCode !== 0;
    },
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await running;
    },
  };
}

function contextFile({ folder }: Pick<Session["run"], "folder">): string {
  return join(folder, "context.json");
}
