import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { moduleEnding, projectRoot } from "../helpers/host/settings.ts";

/** Returns the command that runs vitest with one of the project's configurations, such as `vitest.config`. */
export function vitestWith(config: string): [program: string, ...words: string[]] {
  const vitest = fileURLToPath(new URL("vitest.mjs", import.meta.resolve("vitest/package.json")));
  const file = join(projectRoot, `${config}${moduleEnding}`);
  // Any other loader writes beside the project's packages, which may be somebody else's.
  return [process.execPath, vitest, "run", "--configLoader", "native", "--config", file];
}
