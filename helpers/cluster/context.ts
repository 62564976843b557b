import { existsSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { isOwned } from "./runs.ts";

/** Environment variable that tells the claims' process where the context of its run is. */
export const contextVariable = "KIND_NETWORK_CONFORMANCE_CONTEXT";

/** Environment variable with the names of the spec files that are read, as a JSON array; all of the article's if it is empty. */
export const filesVariable = "KIND_NETWORK_CONFORMANCE_FILES";

/** The spec of all claims that name a ready-made check, beside those of an article. */
export const readyMadeSpec = "ready-made.spec.ts";

const Context = z.strictObject({
  run: z.string().describe("the run's id"),
  out: z.string(),
  castFile: z.string().describe("where a cast is kept for the next specs on the same cluster"),
  kubeconfig: z.string(),
  controlPlane: z.string().describe("container name"),
  outsider: z.string().describe("container name"),
  engine: z.strictObject({
    cli: z.enum(["docker", "podman"]),
    program: z.string(),
    environment: z.record(z.string(), z.string()),
  }),
  /** Workload images by name: reference, and the digest that nodes have to report where it is known. */
  images: z.record(z.string(), z.strictObject({ reference: z.string(), id: z.string().optional() })),
  timeoutFactor: z.number(),
  selection: z.string(),
});
/** What the process that runs the claims has to know of the cluster that its parent owns. */
export type Context = z.infer<typeof Context>;

/** Writes the context of a run to a file, for which a process may wait: it finds the whole of it, or no file. */
export function writeContext(file: string, context: Context): void {
  writeFileSync(`${file}.new`, JSON.stringify(Context.parse(context), undefined, 2));
  renameSync(`${file}.new`, file);
}

/** Returns where the context of the run is that this process is part of. @throws Error where it is part of none */
function contextFile(): string {
  const file = process.env[contextVariable];
  if (file === undefined) throw new Error("no cluster to check: claims run below `npm test`, which makes one");
  return file;
}

/** Waits until the run that this process is part of has a cluster. @throws Error if whoever makes it ends before */
export async function runBegun(): Promise<void> {
  const file = contextFile();
  while (!existsSync(file)) {
    if (!isOwned(dirname(file))) throw new Error("the run ended before it had a cluster");
    await delay(50);
  }
}

/** Returns the context of the run that this process is part of. @throws Error where it is part of none */
export function readContext(): Context {
  return Context.parse(JSON.parse(readFileSync(contextFile(), "utf8")));
}
