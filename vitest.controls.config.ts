import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { readSettings } from "./helpers/host/settings.ts";
import { ControlProgress } from "./reports/controls.ts";

const { out } = readSettings();

/** The controls of all claims, on the cluster that `npm run controls` has made and has judged a moment ago. */
export default defineConfig({
  test: {
    name: "controls",
    include: ["specs/controls.run.ts"],
    globalSetup: [join(import.meta.dirname, "helpers", "lab", "cast.ts")],
    // What was seen is told in full: it is the explanation of a verdict.
    chaiConfig: { truncateThreshold: 2_000 },
    pool: "forks",
    isolate: false,
    maxWorkers: 1,
    // They all begin at once and wait for their turns themselves.
    sequence: { concurrent: true },
    maxConcurrency: 1_000,
    tags: [{ name: "slow", description: "needs a long window or many pods" }],
    teardownTimeout: 60_000,
    reporters: [new ControlProgress(out)],
  },
});
