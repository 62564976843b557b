import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { readCatalogue } from "../helpers/claim/catalogue.ts";
import { exitCodeOf, type Results } from "../helpers/claim/results.ts";
import { contextVariable, writeContext } from "../helpers/cluster/context.ts";
import {
  howToUse,
  keepCluster,
  openCluster,
  type RunningCluster,
  type Session,
  saveLogs,
  withEngine,
} from "../helpers/cluster/lifecycle.ts";
import { containerNodes } from "../helpers/cluster/nodes.ts";
import { inEngineNetwork } from "../helpers/engine/engine.ts";
import { interruption, UserError } from "../helpers/host/errors.ts";
import { main } from "../helpers/host/main.ts";
import { runMarker } from "../helpers/host/process.ts";
import { Progress } from "../helpers/host/progress.ts";
import { projectRoot, readSettings, type Settings } from "../helpers/host/settings.ts";
import { readImageLock } from "../helpers/image/lock.ts";
import { detectWorld } from "../helpers/world/detect.ts";
import { generateAllureReport } from "../reports/allure.ts";
import { collectResults } from "../reports/results.ts";
import { summaryOf } from "../reports/summary.ts";

/** The main job: a cluster, all claims, the reports, and nothing left behind. Arguments go to vitest. */
await main(async () => {
  const settings = readSettings();
  // Before anything is started: a broken catalogue or lock file must not cost a cluster.
  readCatalogue();
  readImageLock(settings.imageLock);
  const progress = new Progress();
  const interrupt = interruption((line) => progress.say("signal", line));
  emptyOutput(settings);
  const { value, leftovers } = await withEngine(settings, progress, interrupt, async (session) => {
    const cluster = await openCluster(session);
    try {
      const found = await check(session, cluster, process.argv.slice(2), interrupt);
      if (exitCodeOf(found.results) !== 0) await saveLogs(session, cluster);
      if (settings.keepCluster && cluster.fresh) keep(session, cluster);
      return found;
    } catch (error) {
      if (!session.signal.aborted) await saveLogs(session, cluster);
      throw error;
    }
  });
  progress.say("reports", `report: ${await value.report}`);
  process.stdout.write(`\n${summaryOf(value.results)}\n`);
  if (leftovers.length > 0) throw new UserError(`left behind: ${leftovers.join(", ")}`, "npm run clean");
  const code = exitCodeOf(value.results);
  // Something broke beside the verdicts, such as a clean-up: they may be right, the run is not.
  return code === 0 && value.failed ? 2 : code;
});

async function check(
  session: Session,
  cluster: RunningCluster,
  selection: readonly string[],
  interrupt: AbortSignal,
): Promise<{ results: Results; failed: boolean; report: Promise<string> }> {
  const { settings, progress, run, signal } = session;
  const controlPlane = cluster.nodes.find((name) => name.endsWith("-control-plane"));
  if (controlPlane === undefined)
    throw new UserError(`${cluster.name} has no node ${cluster.name}-control-plane`, "check a cluster that kind made");
  const { engine, image } = cluster;
  await progress.phase("world", async (say) => {
    const world = await detectWorld(containerNodes(engine), controlPlane, {
      cluster: cluster.name,
      fresh: cluster.fresh,
      kind: readImageLock(settings.imageLock).kind.version,
      engine: { name: engine.cli, version: engine.version, owner: engine.owner, cgroup: engine.cgroup },
      images: Object.fromEntries(Object.entries(image.workloads).map(([name, { reference }]) => [name, reference])),
      provenance: { ...image.provenance, "kind program": cluster.kind.provenance },
      adaptations: [...cluster.adaptations],
    });
    write(settings, "world.json", world);
    say(
      `Kubernetes ${world.kubernetes}, kube-proxy ${world.proxyMode}, ${world.ipFamilies.join("+")}, ${world.nodes.length} nodes`,
    );
  });
  write(settings, "run.json", { started: new Date().toISOString(), selection: selection.join(" ") });
  const context = join(run.folder, "context.json");
  writeContext(context, {
    run: cluster.run.id,
    out: settings.out,
    kubeconfig: cluster.kubeconfig,
    controlPlane,
    outsider: cluster.outsider,
    engine: { cli: engine.cli, program: engine.program, environment: { ...engine.environment } },
    images: Object.fromEntries(
      Object.entries(image.workloads).map(([name, { reference, id }]) => [
        name,
        { reference, ...(id === undefined ? {} : { id }) },
      ]),
    ),
    timeoutFactor: settings.timeoutFactor,
    selection: selection.join(" "),
  });
  const failed = await progress.phase("claims", async () => {
    const [command, ...words] = inEngineNetwork(engine, [
      process.execPath,
      join(projectRoot, "node_modules", "vitest", "vitest.mjs"),
      "run",
      ...selection,
    ]);
    const result = await execa(command, words, {
      cwd: projectRoot,
      env: {
        ...engine.environment,
        PATH: process.env["PATH"],
        [contextVariable]: context,
        [runMarker]: run.id,
        KNC_OUT: settings.out,
      },
      cancelSignal: signal,
      forceKillAfterDelay: 5_000,
      reject: false,
      stdin: "ignore",
      stdout: "inherit",
      stderr: "inherit",
    });
    signal.throwIfAborted();
    if (result.exitCode === undefined) throw new Error(`the claims' process ended by ${result.signal}`);
    return result.exitCode !== 0;
  });
  write(settings, "phases.json", progress.phases);
  const results = collectResults(settings.out);
  // Made while the cluster is deleted: it reads only what is on disk.
  const report = generateAllureReport(settings.out, interrupt);
  report.catch(() => {});
  return { results, failed, report };
}

function keep(session: Session, cluster: RunningCluster): void {
  keepCluster(session, cluster);
  session.progress.say("cluster", `kept: ${cluster.name}`);
  for (const line of howToUse(cluster)) session.progress.say("cluster", line);
}

/** Results of an earlier run would read as this one's. */
function emptyOutput({ out }: Settings): void {
  for (const name of [
    "allure-report",
    "allure-results",
    "claims",
    "evidence",
    "logs",
    "observations",
    "junit.xml",
    "phases.json",
    "results.json",
    "run.json",
    "world.json",
  ])
    rmSync(join(out, name), { recursive: true, force: true });
  if (!existsSync(out)) mkdirSync(out, { recursive: true });
}

function write({ out }: Settings, file: string, value: unknown): void {
  writeFileSync(join(out, file), JSON.stringify(value, undefined, 2));
}
