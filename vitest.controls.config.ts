import { join } from "node:path";
import { defineConfig } from "vitest/config";
import { moduleEnding, readSettings } from "./helpers/host/settings.ts";
import { ControlProgress } from "./reports/controls.ts";
import { ofArticles } from "./vitest.article.ts";

const { out } = readSettings();

/** The controls of all claims, on the cluster that `npm run controls` has made and has judged a moment ago. */
export default defineConfig({
  resolve: ofArticles.resolve,
  test: {
    name: "controls",
    include: [`specs/controls.run${moduleEnding}`],
    exclude: ofArticles.exclude,
    globalSetup: [join(import.meta.dirname, "helpers", "lab", `cast${moduleEnding}`)],
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
