import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { moduleEnding, projectRoot } from "../../helpers/host/settings.ts";

/** Returns the command by which vitest runs an article's specs; `vitest.config.ts` says what variables it looks at. */
export function vitestOfSpecs(): [program: string, ...words: string[]] {
  const vitest = fileURLToPath(new URL("vitest.mjs", import.meta.resolve("vitest/package.json")));
  const config = join(projectRoot, `vitest.config${moduleEnding}`);
  // Any other loader writes beside the project's packages, which may be somebody else's.
  return [process.execPath, vitest, "run", "--configLoader", "native", "--config", config];
}
