import { existsSync, readdirSync } from "node:fs";
import { dirname, join } from "node:path";
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
  "unit tests": ["vitest", "run", "--config", "vitest.tests.config.ts", "--mode", "unit"],
};

/** What checks need that npm does not bring, by the checks' names. */
const needs: Readonly<Record<string, string>> = { workflows: "go" };

/** The project's own checks, which need no cluster; all of them run, and each failed one is shown. */
await main(async () => {
  let failed = 0;
  let skipped = 0;
  for (const [name, [program = "", ...words]] of Object.entries(checks)) {
    const needed = needs[name];
    if (needed !== undefined && (await execa(needed, ["version"], { reject: false, stdin: "ignore" })).failed) {
      process.stdout.write(`– ${name}: skipped, since ${needed} is not on PATH\n`);
      skipped++;
      continue;
    }
    const started = Date.now();
    const result = await execa(program, words, {
      cwd: projectRoot,
      preferLocal: true,
      localDir: join(projectRoot),
      reject: false,
      all: true,
      stdin: "ignore",
      // The project's own tests speak of the article that is checked when none is named.
      env: { NO_COLOR: "1", FORCE_COLOR: undefined, KNC_ARTICLE: undefined },
    });
    const seconds = ((Date.now() - started) / 1000).toFixed(1);
    process.stdout.write(`${result.failed ? "✗" : "✓"} ${name} (${seconds} s)\n`);
    if (result.failed) failed++;
    if (result.failed || name === "unit tests" || name.startsWith(recordedRun))
      process.stdout.write(`${result.all.trimEnd()}\n`);
  }
  const passed = Object.keys(checks).length - failed - skipped;
  process.stdout.write(`${passed} passed, ${failed} failed${skipped === 0 ? "" : `, ${skipped} skipped`}\n`);
  return failed === 0 ? 0 : 1;
});
