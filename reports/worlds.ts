import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { WorldsFile } from "../helpers/claim/worlds.ts";

/** Where what came out in the worlds is kept for the pages of other runs. */
export const recordedWorlds: string = fileURLToPath(new URL("../fixtures/recordings/worlds.json", import.meta.url));

/** Returns what was recorded of the worlds, if anything was. */
export function readRecordedWorlds(): WorldsFile | undefined {
  if (!existsSync(recordedWorlds)) return undefined;
  return WorldsFile.parse(JSON.parse(readFileSync(recordedWorlds, "utf8")));
}
