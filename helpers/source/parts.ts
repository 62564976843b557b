import { createHash } from "node:crypto";
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statfsSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { UserError } from "../host/errors.ts";
import { acquireLock, lockHolder } from "../host/lock.ts";
import type { Say } from "../host/progress.ts";

/** JSON that decides what a part is: two equal recipes give the same part. */
export type Recipe = { readonly [key: string]: string | number | boolean | readonly string[] | Recipe | undefined };

/** What a part really was made from; goes into image labels and reports. */
export type Provenance = Readonly<Record<string, string>>;

/** A part that was built, or found built: the folder that holds it and what it was made from. */
export interface Part {
  readonly folder: string;
  readonly key: string;
  readonly provenance: Provenance;
}

/** Ends the name of the folder of a part that is not whole. */
const unfinished = ".unfinished";

/** Returns the lock of a part's folder. */
function lockOf(folder: string): string {
  return `${folder}.lock`;
}

/** Built parts, kept below one folder by the content of their recipes. */
export class PartStore {
  readonly folder: string;

  constructor(cache: string) {
    this.folder = join(cache, "parts");
  }

  /** Returns the part of that recipe where it was built before. */
  find(name: string, recipe: Recipe): Part | undefined {
    const key = keyOf(recipe);
    const folder = join(this.folder, `${name}-${key}`);
    const made = join(folder, "provenance.json");
    if (!existsSync(made)) return undefined;
    const now = new Date();
    utimesSync(folder, now, now);
    return { folder, key, provenance: JSON.parse(readFileSync(made, "utf8")) as Provenance };
  }

  /**
   * Returns the part of that recipe, building it first where it is not there. `build` fills an empty folder and returns
   * what it was made from; the part appears only when it is whole, and nobody else builds it meanwhile.
   */
  async make(
    name: string,
    recipe: Recipe,
    say: Say,
    build: (folder: string) => Promise<Provenance>,
    signal?: AbortSignal,
  ): Promise<Part> {
    const early = this.find(name, recipe);
    if (early !== undefined) return early;
    const folder = join(this.folder, `${name}-${keyOf(recipe)}`);
    using _ = await acquireLock(lockOf(folder), `build ${name}`, say, signal);
    const found = this.find(name, recipe);
    if (found !== undefined) return found;
    const beginnings = folder + unfinished;
    rmSync(beginnings, { recursive: true, force: true });
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(beginnings, { recursive: true });
    const provenance = await build(beginnings);
    writeFileSync(join(beginnings, "provenance.json"), JSON.stringify(provenance, undefined, 2));
    renameSync(beginnings, folder);
    return { folder, key: keyOf(recipe), provenance };
  }

  /** Removes what interrupted builds left of parts, but not what is being built. */
  sweep(): void {
    if (!existsSync(this.folder)) return;
    for (const entry of readdirSync(this.folder).filter((name) => name.endsWith(unfinished))) {
      const folder = join(this.folder, entry.slice(0, -unfinished.length));
      if (lockHolder(lockOf(folder)) === undefined) rmSync(folder + unfinished, { recursive: true, force: true });
    }
  }
}

/**
 * Throws a UserError unless the file system of the folder has the bytes free that are about to be needed; says both
 * figures where it has.
 */
export function requireDisk(folder: string, bytes: number, forWhat: string, say: Say): void {
  mkdirSync(folder, { recursive: true });
  const { bavail, bsize } = statfsSync(folder);
  const gigabytes = (n: number) => `${(n / 1e9).toFixed(1)} GB`;
  const free = bavail * bsize;
  if (free < bytes)
    throw new UserError(
      `${forWhat} needs ${gigabytes(bytes)} of disk below ${folder}, ${gigabytes(free)} are free`,
      "free some, or set KNC_CACHE to a folder on a larger disk",
    );
  say(`disk: ${forWhat} needs up to ${gigabytes(bytes)}, ${gigabytes(free)} are free`);
}

function keyOf(recipe: Recipe): string {
  return createHash("sha256").update(canonical(recipe)).digest("hex").slice(0, 12);
}

function canonical(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    inner !== null && typeof inner === "object" && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1)))
      : inner,
  );
}
