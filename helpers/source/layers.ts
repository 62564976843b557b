import { readdirSync } from "node:fs";
import { join, relative } from "node:path";
import type { LayerEntry } from "./archive.ts";
import type { Part } from "./parts.ts";

/** Labels of a node image that was built here: what its parts really are, and the workload images that it carries. */
export const labels = {
  provenance: "kind-network-conformance.provenance",
  workloads: "kind-network-conformance.workloads",
} as const;

/** What an image is put together from, by the names of the recipe. */
export interface Parts {
  readonly go: Readonly<Record<string, Part>>;
  readonly rootfs: Readonly<Record<string, Part>>;
}

/** Returns a part that was compiled. @throws Error if the recipe makes none of that name */
export function goPart(parts: Parts, name: string): Part {
  const part = parts.go[name];
  if (part === undefined) throw new Error(`the recipe names a part ${name} that it does not make`);
  return part;
}

/** Returns the archive of a root file system. @throws Error if the recipe makes none of that name */
export function rootfsTar(parts: Parts, name: string): string {
  const part = parts.rootfs[name];
  if (part === undefined) throw new Error(`the recipe names a root file system ${name} that it does not make`);
  return join(part.folder, "rootfs.tar");
}

/** Returns a part's program as a layer has it, in that folder. */
export function programEntry(part: Part, program: string, folder: string): LayerEntry {
  return { path: `${folder}/${program}`, source: join(part.folder, "bin", program), mode: 0o755 };
}

/** Returns a part's licences as a layer has them, below a folder of the part's name. */
export function licences(part: Part, name: string): LayerEntry[] {
  const folder = join(part.folder, "licenses");
  return filesBelow(folder).map((path) => ({ path: `/LICENSES/${name}/${path}`, source: join(folder, path) }));
}

/** Returns the files below a folder, by their paths from there, in order. */
export function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}
