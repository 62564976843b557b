import { defineConfig } from "vitest/config";
import { specsIn } from "./helpers/article/specs.ts";
import { readSettings } from "./helpers/host/settings.ts";
import { ofArticles } from "./vitest.article.ts";

const { article } = readSettings();

/** The specs' judges on a stored run: no cluster, no cast, no report; `npm run rejudge` says what came out. */
export default defineConfig({
  resolve: ofArticles.resolve,
  test: {
    name: "rejudge",
    include: specsIn(article),
    exclude: ofArticles.exclude,
    // What was seen is told in full: it is the explanation of a verdict.
    chaiConfig: { truncateThreshold: 2_000 },
    pool: "forks",
    isolate: false,
    maxWorkers: 2,
    // Each value of an observation is judged with others in its place, on a machine that may be busy.
    testTimeout: 60_000,
    tags: [{ name: "slow" }],
    reporters: ["dot"],
  },
});
