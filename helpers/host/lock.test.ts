import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, expect, test } from "vitest";
import { acquireLock, lockHolder } from "./lock.ts";
import { identify } from "./process.ts";

const folder = mkdtempSync(join(tmpdir(), "lock-"));
afterAll(() => rmSync(folder, { recursive: true }));

const silent = () => {};

test("a lock is there while it is held and gone afterwards", async () => {
  const file = join(folder, "plain");
  const lock = await acquireLock(file, "test", silent);
  expect(existsSync(file)).toBe(true);
  lock[Symbol.dispose]();
  expect(existsSync(file)).toBe(false);
});

test("who holds a lock can be asked without waiting", async () => {
  const file = join(folder, "asked");
  expect(lockHolder(file)).toBeUndefined();
  const lock = await acquireLock(file, "test", silent);
  expect(lockHolder(file)).toMatchObject({ pid: process.pid, purpose: "test" });
  lock[Symbol.dispose]();
  expect(lockHolder(file)).toBeUndefined();
});

test("the second one waits, and tells once who holds it and what for", async () => {
  const file = join(folder, "waited");
  const holder = spawn("sleep", ["30"]);
  await once(holder, "spawn");
  writeFileSync(
    file,
    JSON.stringify({
      ...identify(holder.pid ?? 0),
      purpose: "build the node image",
      since: "2026-01-01T00:00:00.000Z",
    }),
  );
  const lines: string[] = [];
  const waiting = acquireLock(file, "test", (line) => lines.push(line));
  await delay(500);
  expect(lines).toEqual([
    `waiting: process ${holder.pid} holds it to build the node image, since 2026-01-01T00:00:00.000Z`,
  ]);
  holder.kill();
  await once(holder, "exit");
  // The holder is dead now, and did not give the lock back.
  const lock = await waiting;
  lock[Symbol.dispose]();
  expect(existsSync(file)).toBe(false);
});

test("a process that only has the id of the dead holder does not count as the holder", async () => {
  const file = join(folder, "recycled");
  writeFileSync(file, JSON.stringify({ pid: process.pid, startTicks: 1, purpose: "something", since: "" }));
  const lock = await acquireLock(file, "test", silent);
  lock[Symbol.dispose]();
  expect(existsSync(file)).toBe(false);
});

test("waiting ends when it is aborted", async () => {
  const file = join(folder, "aborted");
  const lock = await acquireLock(file, "test", silent);
  await expect(acquireLock(file, "second", silent, AbortSignal.timeout(300))).rejects.toThrow();
  lock[Symbol.dispose]();
});
