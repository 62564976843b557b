import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";

/**
 * Returns what a module of ours imports, as paths, absolute if its own is: modules by their relative paths, and what `named` knows of others.
 *
 * @param named the paths of modules that are imported by a package's name
 */
export function importsOf(module: string, named: Readonly<Record<string, string>> = {}): string[] {
  return [...readFileSync(module, "utf8").matchAll(/(?:from|import) "([^"]+)"/g)].flatMap(
    ([, target = ""]) => named[target] ?? (target.startsWith(".") ? join(dirname(module), target) : []),
  );
}
