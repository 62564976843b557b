import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { endProcesses, identify, isAlive, processesOfRun, runMarker, runsWithProcesses } from "./process.ts";

async function start(command: string[], run: string) {
  const child = spawn(command[0] as string, command.slice(1), {
    env: { ...process.env, [runMarker]: run },
    stdio: ["ignore", "pipe", "ignore"],
  });
  await once(child, "spawn");
  return child;
}

test("a process and its children are found by the marker of their run", async () => {
  const child = await start(["sh", "-c", "sleep 31 & echo started; wait"], "test-found");
  await once(child.stdout, "data");
  expect(runsWithProcesses()).toContain("test-found");
  const found = processesOfRun("test-found");
  expect(found.length).toBe(2);
  await endProcesses(found);
  expect(found.filter(isAlive)).toEqual([]);
});

test("one that ignores SIGTERM is killed after its grace", async () => {
  const child = await start(["sh", "-c", "trap '' TERM; echo ready; while :; do sleep 0.1; done"], "test-stubborn");
  await once(child.stdout, "data");
  const [identity] = processesOfRun("test-stubborn");
  expect(identity?.pid).toBe(child.pid);
  await endProcesses(processesOfRun("test-stubborn"), 300);
  expect(isAlive(identity as { pid: number; startTicks: number })).toBe(false);
});

test("nobody has no identity", () => {
  expect(identify(2 ** 22 + 1)).toBeUndefined();
  expect(identify(process.pid)?.pid).toBe(process.pid);
});
