import { cpSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { main } from "../helpers/host/main.ts";
import { projectRoot } from "../helpers/host/settings.ts";

/**
 * Builds the package's `dist`: all modules as JavaScript, since Node strips no types below node_modules, laid out as in the repository
 * together with the files that they read.
 */
await main(async () => {
  const dist = join(projectRoot, "dist");
  rmSync(dist, { recursive: true, force: true });
  const compiled = await execa("tsc", ["-p", "tsconfig.build.json"], {
    ...{
      cwd: projectRoot,
      preferLocal: true,
      localDir: projectRoot,
      stdin: "ignore",
      stdout: "inherit",
      stderr: "inherit",
    },
    reject: false,
  });
  if (compiled.failed) return 1;
  const schemas = readdirSync(join(projectRoot, "reports")).filter((name) => name.endsWith(".schema.json"));
  for (const path of [
    "package.json",
    "fixtures",
    join("commands", "run.js"),
    ...schemas.map((name) => join("reports", name)),
  ])
    cpSync(join(projectRoot, path), join(dist, path), { recursive: true });
  return 0;
});
