import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

/** A process that can be told apart from a later one with the same id: Linux gives its start in clock ticks. */
export interface ProcessIdentity {
  readonly pid: number;
  readonly startTicks: number;
}

/** Environment variable that marks every process of a run, so that a later run can find those of a dead one. */
export const runMarker = "KIND_NETWORK_CONFORMANCE_RUN";

/** Returns the identity of a running process, or undefined where there is none with that id (proc_pid_stat(5)). */
export function identify(pid: number): ProcessIdentity | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    if (fields[0] === "Z") return undefined;
    return { pid, startTicks: Number(fields[19]) };
  } catch {
    return undefined;
  }
}

/** Returns whether that very process still runs. */
export function isAlive(identity: ProcessIdentity): boolean {
  return identify(identity.pid)?.startTicks === identity.startTicks;
}

/** Returns the running processes for which `matches` is true, this process excepted. */
export function findProcesses(matches: (pid: number) => boolean): ProcessIdentity[] {
  return allProcesses().filter(({ pid }) => pid !== process.pid && matches(pid));
}

/** Returns the running processes whose environment carries the marker of the given run, this process excepted. */
export function processesOfRun(run: string): ProcessIdentity[] {
  return findProcesses((pid) => environmentOf(pid).includes(`${runMarker}=${run}`));
}

/** Returns the runs of which processes are alive, this process excepted. */
export function runsWithProcesses(): Set<string> {
  const marked = findProcesses(() => true).flatMap(({ pid }) =>
    environmentOf(pid).filter((entry) => entry.startsWith(`${runMarker}=`)),
  );
  return new Set(marked.map((entry) => entry.slice(runMarker.length + 1)));
}

/** Ends the given processes: SIGTERM, then SIGKILL for those still there after `graceMs` milliseconds. */
export async function endProcesses(processes: readonly ProcessIdentity[], graceMs = 5000): Promise<void> {
  signal(processes, "SIGTERM");
  const deadline = Date.now() + graceMs;
  while (processes.some(isAlive) && Date.now() < deadline) await delay(50);
  signal(processes.filter(isAlive), "SIGKILL");
  while (processes.some(isAlive) && Date.now() < deadline + graceMs) await delay(50);
}

function signal(processes: readonly ProcessIdentity[], name: NodeJS.Signals): void {
  for (const identity of processes) {
    if (!isAlive(identity)) continue;
    try {
      process.kill(identity.pid, name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  }
}

function allProcesses(): ProcessIdentity[] {
  return readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => identify(Number(name)) ?? []);
}

function environmentOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
  } catch {
    return [];
  }
}
