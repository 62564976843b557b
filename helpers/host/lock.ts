import { randomUUID } from "node:crypto";
import { linkSync, mkdirSync, readFileSync, unlinkSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { UserError } from "./errors.ts";
import { identify, isAlive, type ProcessIdentity } from "./process.ts";
import type { Say } from "./progress.ts";

interface Holder extends ProcessIdentity {
  readonly token: string;
  readonly purpose: string;
  readonly since: string;
}

/** A lock held by this process; disposing of it lets the next one in. */
export interface Lock {
  [Symbol.dispose](): void;
}

/**
 * Waits until no other live process holds the lock file, then holds it. A lock whose process is dead is taken over.
 * While it waits it says, once for each holder, who that is and since when.
 *
 * @throws the signal's reason when aborted
 */
export async function acquireLock(file: string, purpose: string, say: Say, signal?: AbortSignal): Promise<Lock> {
  mkdirSync(dirname(file), { recursive: true });
  const own = identify(process.pid);
  if (own === undefined)
    throw new UserError(
      "this is not Linux: the suite knows its processes by /proc",
      "run it in WSL on Windows, or in a Linux machine or container on a Mac",
    );
  const token = randomUUID();
  const candidate = `${file}.${token}`;
  writeFileSync(
    candidate,
    JSON.stringify({ ...own, token, purpose, since: new Date().toISOString() } satisfies Holder),
  );
  try {
    let told: number | undefined;
    while (!tryLink(candidate, file)) {
      const holder = readHolder(file);
      if (holder === undefined) continue;
      if (!isAlive(holder)) {
        // Two waiters may both see a dead holder; only the one that still finds it there may remove it.
        if (readHolder(file)?.token === holder.token) unlinkSync(file);
        continue;
      }
      if (told !== holder.pid)
        say(`waiting: process ${holder.pid} holds it to ${holder.purpose}, since ${holder.since}`);
      told = holder.pid;
      await delay(200);
      signal?.throwIfAborted();
    }
  } finally {
    unlinkSync(candidate);
  }
  return {
    [Symbol.dispose]: () => {
      if (readHolder(file)?.token === token) unlinkSync(file);
    },
  };
}

/** Returns the live process that holds a lock file, and to do what; undefined where none does. */
export function lockHolder(file: string): { readonly pid: number; readonly purpose: string } | undefined {
  const holder = readHolder(file);
  return holder !== undefined && isAlive(holder) ? holder : undefined;
}

function tryLink(candidate: string, file: string): boolean {
  try {
    linkSync(candidate, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "EEXIST") return false;
    throw error;
  }
}

function readHolder(file: string): Holder | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8")) as Holder;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}
