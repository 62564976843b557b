import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { Semaphore } from "async-mutex";
import { execa } from "execa";
import { main } from "../helpers/host/main.ts";
import { projectRoot } from "../helpers/host/settings.ts";

const sources = [
  ...["commands", "helpers", "reports", "specs"],
  ...readdirSync(projectRoot).filter((name) => name.endsWith(".ts")),
];

const workflows = readdirSync(join(projectRoot, ".github", "workflows")).map((name) =>
  join(".github", "workflows", name),
);

function folders(place: string): string[] {
  return readdirSync(place, { withFileTypes: true }).flatMap((entry) => (entry.isDirectory() ? [entry.name] : []));
}

/** Recorded runs of all articles, from the project's root. */
function recordedRuns(): string[] {
  return folders(join(projectRoot, "specs")).flatMap((article) => {
    const recordings = join("specs", article, "recordings");
    return existsSync(join(projectRoot, recordings))
      ? folders(join(projectRoot, recordings)).map((run) => join(recordings, run))
      : [];
  });
}

const recordedRun = "recorded run";
const unitTests = "unit tests";

const checks: Readonly<Record<string, readonly string[]>> = {
  types: ["tsc", "-p", "."],
  format: ["biome", "check", "."],
  lint: ["oxlint", "--type-aware", "--deny-warnings", ...sources],
  "dead code": ["knip", "--no-progress"],
  ...Object.fromEntries(
    recordedRuns().map((run) => [
      `${recordedRun} ${run}`,
      ["node", "commands/run.js", "rejudge", run, "--article", dirname(dirname(run))],
    ]),
  ),
  workflows: ["go", "run", "github.com/rhysd/actionlint/cmd/actionlint@v1.7.12", ...workflows],
  [unitTests]: ["vitest", "run", "--config", "vitest.tests.config.ts", "--mode", "unit"],
};

/** What checks need that npm does not bring, by the checks' names. */
const needs: Readonly<Record<string, string>> = { workflows: "go" };

/** Returns how a check ended, and what it said; or what it lacks. */
async function carryOut(name: string, [program = "", ...words]: readonly string[]) {
  const lacks = needs[name];
  if (lacks !== undefined && (await execa(lacks, ["version"], { reject: false, stdin: "ignore" })).failed)
    return { lacks };
  const started = Date.now();
  const { failed, all } = await execa(program, words, {
    cwd: projectRoot,
    preferLocal: true,
    localDir: join(projectRoot),
    reject: false,
    all: true,
    stdin: "ignore",
    // The project's own tests speak of the article that is checked when none is named.
    env: { NO_COLOR: "1", FORCE_COLOR: undefined, KNC_ARTICLE: undefined },
  });
  return { failed, said: all.trimEnd(), seconds: ((Date.now() - started) / 1000).toFixed(1) };
}

/** How many checks run at a time: most of them use one core. The unit tests run alone, since they use all. */
const atATime = 2;

/** The project's own checks, which need no cluster; all of them run, and each failed one is shown. */
await main(async () => {
  let failed = 0;
  let skipped = 0;
  const turns = new Semaphore(atATime);
  const running = Object.entries(checks).map(([name, words]) => ({
    name,
    ending: turns.runExclusive(() => carryOut(name, words), name === unitTests ? atATime : 1),
  }));
  for (const { name, ending } of running) {
    const end = await ending;
    if ("lacks" in end) {
      process.stdout.write(`– ${name}: skipped, since ${end.lacks} is not on PATH\n`);
      skipped++;
      continue;
    }
    process.stdout.write(`${end.failed ? "✗" : "✓"} ${name} (${end.seconds} s)\n`);
    if (end.failed) failed++;
    if (end.failed || name === unitTests || name.startsWith(recordedRun)) process.stdout.write(`${end.said}\n`);
  }
  const passed = Object.keys(checks).length - failed - skipped;
  process.stdout.write(`${passed} passed, ${failed} failed${skipped === 0 ? "" : `, ${skipped} skipped`}\n`);
  return failed === 0 ? 0 : 1;
});
