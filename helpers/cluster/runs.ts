import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { z } from "zod";
import { identify, isAlive } from "../host/process.ts";

/** Every cluster that the suite makes has a name that begins so. */
const clusterPrefix = "knc-";

const Kept = z.strictObject({
  engine: z.enum(["user", "suite"]),
  image: z.string(),
  kind: z.string(),
  adaptations: z.array(z.string()),
  cell: z.string().optional(),
});
/** What a later command has to know of a kept cluster. */
export type Kept = z.infer<typeof Kept>;

const Record = z.strictObject({
  id: z.string().regex(/^[0-9a-f]{6}$/),
  owner: z.strictObject({ pid: z.int(), startTicks: z.int() }),
  started: z.iso.datetime(),
  kept: Kept.optional(),
});
type Record = z.infer<typeof Record>;

/** A run that owns a cluster, on disk from before the cluster exists until after it is gone. */
export interface Run {
  readonly id: string;
  /** Holds the run's kubeconfig and whatever else has to go with it. */
  readonly folder: string;
  readonly cluster: string;
  readonly kubeconfig: string;
  readonly kept: Kept | undefined;
}

/** Starts a run of this process. */
export function startRun(cache: string): Run {
  const id = randomBytes(3).toString("hex");
  const owner = identify(process.pid);
  if (owner === undefined) throw new Error("/proc does not show this process");
  mkdirSync(join(runsFolder(cache), id), { recursive: true, mode: 0o700 });
  return save(cache, { id, owner, started: new Date().toISOString() });
}

/** Marks a run's cluster as kept: it outlives its process, and later commands use it. */
export function keepRun(cache: string, run: Run, kept: Kept): Run {
  return save(cache, { ...readRecord(cache, run.id), kept });
}

/** Ends a run: nothing of it is left on disk. */
export function endRun(run: Pick<Run, "folder">): void {
  rmSync(run.folder, { recursive: true, force: true });
}

/** Returns the run whose cluster is kept, if there is one. */
export function keptRun(cache: string): Run | undefined {
  const record = allRecords(cache).find(({ kept }) => kept !== undefined);
  return record === undefined ? undefined : runOf(cache, record);
}

/** Returns the runs that nobody owns any more: neither kept nor of a live process. */
export function deadRuns(cache: string): Run[] {
  return allRecords(cache)
    .filter(({ kept, owner }) => kept === undefined && !isAlive(owner))
    .map((record) => runOf(cache, record));
}

function allRecords(cache: string): Record[] {
  const folder = runsFolder(cache);
  return existsSync(folder) ? readdirSync(folder).map((id) => readRecord(cache, id)) : [];
}

/** Returns whether the process that owns the run in a folder is alive. */
export function isOwned(folder: string): boolean {
  return isAlive(recordIn(folder).owner);
}

function readRecord(cache: string, id: string): Record {
  return recordIn(join(runsFolder(cache), id));
}

function recordIn(folder: string): Record {
  const file = join(folder, "run.json");
  // A run that was killed between making its folder and its record owns nothing yet, and nobody else is in between.
  if (!existsSync(file))
    return { id: basename(folder), owner: { pid: 0, startTicks: 0 }, started: new Date(0).toISOString() };
  return Record.parse(JSON.parse(readFileSync(file, "utf8")));
}

function save(cache: string, record: Record): Run {
  const run = runOf(cache, record);
  writeFileSync(join(run.folder, "run.json"), JSON.stringify(record));
  return run;
}

function runOf(cache: string, { id, kept }: Record): Run {
  const folder = join(runsFolder(cache), id);
  return { id, folder, cluster: `${clusterPrefix}${id}`, kubeconfig: join(folder, "kubeconfig"), kept };
}

function runsFolder(cache: string): string {
  return join(cache, "runs");
}
