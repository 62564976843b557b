import { readdirSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { importsOf } from "../../helpers/host/imports.ts";
import { projectRoot } from "../../helpers/host/settings.ts";

/** What stands around the picture in CONTRIBUTING.md. */
export const picture = /(<!-- rooms: drawn by `npm run rooms` -->\n)[^]*?(<!-- end of the rooms -->)/;

const tops = ["commands", "reports", "specs", "helpers"];

/** A room is a folder; the specs of all articles are one. */
function roomOf(path: string): string {
  return path.startsWith("specs/") ? "specs" : dirname(path).replace(/^helpers\//, "");
}

function sourcesBelow(folder: string): string[] {
  return readdirSync(join(projectRoot, folder)).flatMap((name) => {
    const path = join(folder, name);
    if (statSync(join(projectRoot, path)).isDirectory()) return name === "out" ? [] : sourcesBelow(path);
    return name.endsWith(".ts") && !/\.(test|e2e|browser|judged)\.ts$/.test(name) ? [path] : [];
  });
}

/** Returns a Mermaid graph of which room imports from which; an arrow that others imply is left out. */
export function roomsAsMermaid(): string {
  const uses = new Map<string, Set<string>>();
  // What specs elsewhere import is in no room.
  for (const path of tops.flatMap(sourcesBelow).filter((source) => source !== "helpers/index.ts")) {
    const room = roomOf(path);
    const imported = importsOf(join(projectRoot, path)).map((target) => roomOf(relative(projectRoot, target)));
    uses.set(room, (uses.get(room) ?? new Set()).union(new Set(imported)));
  }
  const reaches = (from: string, to: string, passed: readonly string[] = []): boolean =>
    [...(uses.get(from) ?? [])].some(
      (next) => next === to || (next !== from && !passed.includes(next) && reaches(next, to, [...passed, from])),
    );
  const arrows = [...uses].flatMap(([from, targets]) =>
    [...targets]
      .filter((to) => to !== from && ![...targets].some((by) => by !== to && by !== from && reaches(by, to)))
      .map((to) => `  ${from} --> ${to}`),
  );
  return ["```mermaid", "graph TD", ...arrows.toSorted(), "```", ""].join("\n");
}
