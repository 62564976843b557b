import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import { execa } from "execa";
import { imageLockFor } from "../helpers/cluster/cells.ts";
import { createCluster, findKind } from "../helpers/cluster/kind.ts";
import { findImage, planCluster, withEngine } from "../helpers/cluster/lifecycle.ts";
import { keptRun } from "../helpers/cluster/runs.ts";
import { lastLine } from "../helpers/host/command.ts";
import { interruption, UserError } from "../helpers/host/errors.ts";
import { main } from "../helpers/host/main.ts";
import { runMarker } from "../helpers/host/process.ts";
import { Progress } from "../helpers/host/progress.ts";
import { projectRoot, readSettings } from "../helpers/host/settings.ts";
import { benchConformance } from "./bench-conformance.ts";

const defaultRounds = 3;

/**
 * Seconds of `npm test`, without what is tagged slow and whole, against a bare `kind create cluster --wait` of the same
 * image and configuration, in turn. With `--conformance`: the article beside Kubernetes' own conformance tests.
 */
await main(async () => {
  if (process.argv[2] === "--conformance") return benchConformance();
  const settings = readSettings();
  const rounds = Number(process.argv[2] ?? defaultRounds);
  if (!Number.isInteger(rounds) || rounds < 1)
    throw new UserError(`${process.argv[2]} is no number of rounds`, "npm run bench [-- 3 | -- --conformance]");
  if (keptRun(settings.cache) !== undefined)
    throw new UserError("a cluster is kept, and a run that uses it measures nothing", "npm run cluster -- down");
  const memory = watchMemory();
  const quick: number[] = [];
  const whole: number[] = [];
  for (let round = 1; round <= rounds; round++) {
    const bare = await bareCluster();
    const withoutSlow = await secondsOfTest("--tags-filter", "not slow");
    const all = await secondsOfTest();
    quick.push(withoutSlow / bare);
    whole.push(all / bare);
    process.stdout.write(
      `round ${round}: bare kind create ${bare.toFixed(1)} s; npm test without slow ${withoutSlow.toFixed(1)} s, ratio ${(withoutSlow / bare).toFixed(2)}; whole ${all.toFixed(1)} s, ratio ${(all / bare).toFixed(2)}\n`,
    );
  }
  process.stdout.write(`without slow: ${spread(quick)}\nwhole: ${spread(whole)}\n`);
  process.stdout.write(`memory: at most ${memory.stop().toFixed(1)} GB more in use than before\n`);
  return 0;
});

async function secondsOfTest(...words: readonly string[]): Promise<number> {
  const begun = performance.now();
  const command = ["test", "--", ...words];
  const result = await execa("npm", command, { cwd: projectRoot, reject: false, all: true, stdin: "ignore" });
  if (result.failed)
    throw new UserError(
      `npm ${command.join(" ")} exited with ${result.exitCode}: ${lastLine(result.all)}`,
      "make it pass before measuring it",
    );
  return (performance.now() - begun) / 1000;
}

function spread(ratios: readonly number[]): string {
  const sorted = ratios.toSorted((a, b) => a - b);
  return `median ${sorted[Math.floor(sorted.length / 2)]?.toFixed(2)}, from ${sorted[0]?.toFixed(2)} to ${sorted.at(-1)?.toFixed(2)}`;
}

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
      const lock = imageLockFor(settings);
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
