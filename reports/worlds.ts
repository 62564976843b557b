import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Article } from "../helpers/article/article.ts";
import { WorldsFile } from "../helpers/claim/worlds.ts";

/** Returns where what came out in the worlds is kept for the pages of an article's other runs. */
export function recordedWorlds({ folder }: Pick<Article, "folder">): string {
  return join(folder, "recordings", "worlds.json");
}

/** Returns what was recorded of the worlds, if anything was. */
export function readRecordedWorlds(article: Pick<Article, "folder">): WorldsFile | undefined {
  const file = recordedWorlds(article);
  if (!existsSync(file)) return undefined;
  return WorldsFile.parse(JSON.parse(readFileSync(file, "utf8")));
}
