import { mkdirSync, statfsSync } from "node:fs";
import { execa } from "execa";
import { imageLockFor } from "../helpers/cluster/cells.ts";
import { findUserEngine } from "../helpers/engine/engine.ts";
import { privateEngineLeftovers, privateEnginePlace } from "../helpers/engine/private.ts";
import { debianMirror } from "../helpers/host/debian.ts";
import { main } from "../helpers/host/main.ts";
import { readSettings } from "../helpers/host/settings.ts";
import { goVersion } from "../helpers/image/go.ts";

/** What this machine can do, a line each, and what a missing thing costs. */
await main(async () => {
  const settings = readSettings();
  const lock = imageLockFor(settings);
  const engine = await findUserEngine();
  const ask = async (what: () => Promise<string>) => what().catch((error: Error) => `no: ${error.message}`);
  mkdirSync(settings.cache, { recursive: true, mode: 0o700 });
  const { bavail, bsize } = statfsSync(settings.cache);
  const kind = await execa("kind", ["version", "--quiet"], { reject: false, stdin: "ignore" });
  const rows: [string, string][] = [
    [
      "container engine",
      engine === undefined
        ? "none answers; a private one will be unpacked, which needs Debian and root"
        : `${engine.cli} ${engine.version}, cgroup ${engine.cgroup}`,
    ],
    ["root", process.getuid?.() === 0 ? "yes" : "no: no private engine can be made"],
    [
      "Debian mirror",
      engine === undefined
        ? await ask(async () => `yes, for ${(await debianMirror()).codename}`)
        : "not needed unless images have to be built",
    ],
    ["Go", await ask(goVersion)],
    [
      "kind",
      kind.failed
        ? `not on PATH; ${lock.kind.version} will be downloaded or built`
        : `v${kind.stdout.trim()} on PATH, ${lock.kind.version} is wanted`,
    ],
    [
      "disk",
      `${((bavail * bsize) / 1e9).toFixed(1)} GB free below ${settings.cache}; building takes up to 18 GB, a run 5 GB`,
    ],
    ["Node.js", process.version],
    [
      "left behind",
      engine === undefined
        ? privateEngineLeftovers(privateEnginePlace(settings.cache)).join(", ") || "nothing"
        : "nothing looked for: the engine is the user's",
    ],
  ];
  for (const [what, answer] of rows) process.stdout.write(`${what.padEnd(18)}${answer}\n`);
  return engine === undefined && process.getuid?.() !== 0 ? 2 : 0;
});
