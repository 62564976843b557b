import { existsSync, readFileSync } from "node:fs";
import { type Engine, engineCommand, removeContainers } from "../engine/engine.ts";
import { UserError } from "../host/errors.ts";
import { endProcesses, processesOfRun, runsWithProcesses } from "../host/process.ts";
import type { Settings } from "../host/settings.ts";
import {
  clearPrivateEngine,
  type PrivateEnginePlace,
  privateEngineLeftovers,
  startPrivateEngine,
} from "../source/private.ts";
import type { EngineTools } from "../source/tools.ts";
import { clusterContainers } from "./nodes.ts";
import { removeOutsiders } from "./outsider.ts";
import { deadRuns, endRun, keptRun, type Run } from "./runs.ts";

export async function giveUp(
  settings: Settings,
  place: PrivateEnginePlace,
  engine: Engine,
  tools: EngineTools | undefined,
  run: Run,
): Promise<string[]> {
  const kept = keptRun(settings.cache);
  const keepsThis = kept?.id === run.id;
  const alive = !engine.died.aborted;
  const stops = engine.owner === "suite" && kept === undefined && tools !== undefined;
  const failures: string[] = [];
  if (!keepsThis) await endProcessesOf(run.id);
  if (stops) {
    // One that died still has its containers and their volumes on disk; only an engine can remove them.
    if (!alive) await startPrivateEngine(place, tools, run.id, () => {}, AbortSignal.timeout(60_000));
    await clearPrivateEngine(place, tools);
    endRun(run);
  } else if (!keepsThis) {
    await removeRun(engine, run).catch((error: unknown) => failures.push((error as Error).message));
  }
  return [
    ...failures,
    ...(keepsThis || kept !== undefined ? [] : processesOfRun(run.id).map(({ pid }) => `process ${pid}`)),
    ...(stops ? privateEngineLeftovers(place) : []),
    ...(keepsThis || stops || !alive
      ? []
      : (await clusterContainers(engine, run.cluster)).map((name) => `container ${name}`)),
    ...(!keepsThis && existsSync(run.folder) ? [`folder ${run.folder}`] : []),
  ];
}

/** Ends a run's processes, but not the private engine's: they carry its marker too, and end when the engine is stopped. */
async function endProcessesOf(run: string): Promise<void> {
  await endProcesses(processesOfRun(run).filter(({ pid }) => !isDaemon(pid)));
}

function isDaemon(pid: number): boolean {
  try {
    return /(dockerd|containerd|containerd-shim|docker-proxy)/.test(readFileSync(`/proc/${pid}/comm`, "utf8"));
  } catch {
    return false;
  }
}

/** Ends processes of runs that are over: a runner killed by SIGKILL cannot end its children itself. */
export async function endStrayProcesses(cache: string, own: string): Promise<void> {
  const kept = keptRun(cache)?.id;
  const dead = new Set(deadRuns(cache).map(({ id }) => id));
  for (const id of runsWithProcesses()) {
    if (id === own || id === kept || !dead.has(id)) continue;
    await endProcessesOf(id);
  }
}

/** Turns what an interruption or a dead engine made other code throw into the one cause that matters. */
export async function explain(error: unknown, engine: Engine | undefined, interrupt: AbortSignal): Promise<unknown> {
  if (interrupt.aborted) return interrupt.reason;
  if (engine === undefined) return error;
  if (engine.died.aborted) return engine.died.reason;
  const answer = await engineCommand(engine, ["info"], { timeout: 10_000 });
  return answer.failed
    ? new UserError(`the ${engine.cli} engine does not answer any more`, "start it and run again")
    : error;
}

/** Removes what belongs to a run: its cluster, outsiders, processes and folder. A container is known by kind's own label. */
export async function removeRun(engine: Engine, run: Run): Promise<void> {
  await removeOutsiders(engine, run.id);
  await removeContainers(engine, await clusterContainers(engine, run.cluster));
  endRun(run);
}
