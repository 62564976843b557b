import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import type { InlineConfig } from "vitest/node";
import { controlsVariable } from "./helpers/claim/control.ts";
import { recordingVariable } from "./helpers/claim/recording.ts";
import { moduleEnding, readSettings } from "./helpers/host/settings.ts";
import { allureReporter, collectCases } from "./reports/allure/bridge.ts";
import { ControlProgress } from "./reports/controls.ts";
import { ClaimProgress } from "./reports/progress.ts";

const { out } = readSettings();

/** All specs of the article. */
const allSpecs = join(import.meta.dirname, "specs", `all.run${moduleEnding}`);

/** The claims, as `npm test` judges them. */
function claims(): InlineConfig {
  return {
    name: "claims",
    // Allure's reporter would put its own in front.
    setupFiles: [
      join(import.meta.dirname, "helpers", "lab", `setup${moduleEnding}`),
      join(import.meta.dirname, "reports", "allure", `allure-setup${moduleEnding}`),
      fileURLToPath(import.meta.resolve("allure-vitest/setup")),
    ],
    runner: join(import.meta.dirname, "helpers", "lab", `longest-first${moduleEnding}`),
    sequence: { concurrent: true, setupFiles: "list" },
    // The claims share a cast of pods, and each waits for much; those of the lab wait for each other's steps, too.
    maxConcurrency: 40,
    passWithNoTests: false,
    onStackTrace: (_error, { file }) => !file.includes("allure-vitest"),
    reporters: [new ClaimProgress(out), collectCases, allureReporter(join(out, "allure-results"))],
  };
}

/** The controls of all claims, on the cluster that `npm run controls` has judged a moment ago. */
function controls(): InlineConfig {
  return {
    name: "controls",
    // They all begin at once and wait for their turns themselves.
    sequence: { concurrent: true },
    maxConcurrency: 1_000,
    teardownTimeout: 60_000,
    reporters: [new ControlProgress(out)],
  };
}

/** The specs' judges on a stored run: no cluster, no cast, no report; `npm run rejudge` says what came out. */
function rejudge(): InlineConfig {
  return {
    name: "rejudge",
    // Each value of an observation is judged with others in its place, on a machine that may be busy.
    testTimeout: 60_000,
    reporters: ["dot"],
  };
}

/** What the command asks for, as the specs themselves see it (helpers/claim/claim.ts). */
function way(): InlineConfig {
  if (process.env[recordingVariable] !== undefined) return rejudge();
  return process.env[controlsVariable] === undefined ? claims() : controls();
}

/** An article's specs, wherever its folder is. */
export default defineConfig({
  resolve: {
    // A spec gets what runs it, by the package's name: not another copy that may be installed beside it.
    alias: { "kind-network-conformance": join(import.meta.dirname, "helpers", `index${moduleEnding}`) },
  },
  test: {
    include: [allSpecs],
    maxWorkers: 1,
    // Nothing is left out: in the package, ready-made.spec.js is below node_modules.
    exclude: [],
    // What was seen is told in full: it is the explanation of a verdict.
    chaiConfig: { truncateThreshold: 2_000 },
    // In the package it is below node_modules, where vitest would leave it, and the specs that it reads, to Node.
    server: { deps: { inline: [/specs\/all\.run\.[jt]s$/] } },
    pool: "forks",
    isolate: false,
    tags: [{ name: "slow", description: "needs a long window or many pods" }],
    ...way(),
  },
});
