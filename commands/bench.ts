import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { execa } from "execa";
import { createCluster, findKind } from "../helpers/cluster/kind.ts";
import { findImage, planCluster, withEngine } from "../helpers/cluster/lifecycle.ts";
import { keptRun } from "../helpers/cluster/runs.ts";
import { lastLine } from "../helpers/engine/engine.ts";
import { interruption, UserError } from "../helpers/host/errors.ts";
import { main } from "../helpers/host/main.ts";
import { runMarker } from "../helpers/host/process.ts";
import { Progress } from "../helpers/host/progress.ts";
import { projectRoot, readSettings } from "../helpers/host/settings.ts";
import { readImageLock } from "../helpers/image/lock.ts";

const defaultRounds = 3;

/** Seconds of a whole `npm test` against a bare `kind create cluster --wait` of the same image and configuration, in pairs. */
await main(async () => {
  const settings = readSettings();
  const rounds = Number(process.argv[2] ?? defaultRounds);
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new UserError(`${process.argv[2]} is no number of rounds`, "npm run bench [-- 3]");
  if (keptRun(settings.cache) !== undefined)
    throw new UserError("a cluster is kept, and a run that uses it measures nothing", "npm run cluster -- down");
  const pairs: { bare: number; whole: number; gigabytes: number }[] = [];
  for (let round = 1; round <= rounds; round++) {
    const bare = await bareCluster();
    const memory = watchMemory();
    const begun = performance.now();
    const result = await execa("npm", ["test"], { cwd: projectRoot, reject: false, all: true, stdin: "ignore" });
    const whole = (performance.now() - begun) / 1000;
    const gigabytes = memory.stop();
    if (result.failed)
      throw new UserError(
        `npm test exited with ${result.exitCode}: ${lastLine(result.all)}`,
        "make it pass before measuring it",
      );
    pairs.push({ bare, whole, gigabytes });
    process.stdout.write(
      `round ${round}: bare kind create ${bare.toFixed(1)} s, whole npm test ${whole.toFixed(1)} s, ratio ${(whole / bare).toFixed(2)}\n`,
    );
  }
  const ratios = pairs.map(({ bare, whole }) => whole / bare).sort((a, b) => a - b);
  process.stdout.write(
    `ratio: median ${ratios[Math.floor(ratios.length / 2)]?.toFixed(2)}, from ${ratios[0]?.toFixed(2)} to ${ratios.at(-1)?.toFixed(2)}\n`,
  );
  process.stdout.write(
    `memory: at most ${Math.max(...pairs.map(({ gigabytes }) => gigabytes)).toFixed(1)} GB more in use than before a run\n`,
  );
  return 0;
});

/** Watches how much memory the whole machine has available; `stop` returns by how many GB it fell at the most. */
function watchMemory(): { stop: () => number } {
  const available = () => Number(/^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1]) / 1e6;
  const before = available();
  let least = before;
  const timer = setInterval(() => {
    least = Math.min(least, available());
  }, 250);
  return {
    stop: () => {
      clearInterval(timer);
      return before - least;
    },
  };
}

async function bareCluster(): Promise<number> {
  const settings = readSettings();
  const progress = new Progress(() => {});
  const { value } = await withEngine(
    settings,
    progress,
    interruption((line) => process.stderr.write(`${line}\n`)),
    async (session) => {
      const { engine, run, signal } = session;
      const say = () => {};
      const lock = readImageLock(settings.imageLock);
      const image = await findImage(session, lock, settings.nodeImage, say);
      const kind = await findKind(lock.kind, engine, settings.cache, say, signal);
      const { plan } = planCluster(session, lock, image);
      const begun = performance.now();
      await createCluster(kind, engine, plan, say, signal, { [runMarker]: run.id });
      return (performance.now() - begun) / 1000;
    },
  );
  return value;
}
