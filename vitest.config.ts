import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";
import { specsIn } from "./helpers/article/specs.ts";
import { moduleEnding, readSettings } from "./helpers/host/settings.ts";
import { AllureReporter, collectCases } from "./reports/bridge.ts";
import { ClaimProgress } from "./reports/progress.ts";
import { ofArticles } from "./vitest.article.ts";

/** The article's order, which the names of the spec files follow; but its lab, whose steps wait for each other, begins at once. */
class ArticleOrder extends BaseSequencer {
  override sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => `${/lab\.spec\.[jt]s$/.test(moduleId) ? 0 : 1} ${moduleId}`;
    return Promise.resolve(files.toSorted((a, b) => (place(a) < place(b) ? -1 : 1)));
  }
}

const { article, out } = readSettings();

/** The claims, on the cluster that `npm test` has made. */
export default defineConfig({
  resolve: ofArticles.resolve,
  test: {
    name: "claims",
    // A spec checks claims; what a run has to keep to besides is a check.
    include: specsIn(article, "{spec,check}"),
    exclude: ofArticles.exclude,
    globalSetup: [join(import.meta.dirname, "helpers", "lab", `cast${moduleEnding}`)],
    // Allure's reporter would put its own in front.
    setupFiles: [
      join(import.meta.dirname, "helpers", "lab", `setup${moduleEnding}`),
      join(import.meta.dirname, "reports", `allure-setup${moduleEnding}`),
      fileURLToPath(import.meta.resolve("allure-vitest/setup")),
    ],
    // What was seen is told in full: it is the explanation of a verdict.
    chaiConfig: { truncateThreshold: 2_000 },
    pool: "forks",
    isolate: false,
    // Files are small, and their claims wait for much: so many that about thirty claims are under way.
    maxWorkers: 6,
    sequence: { concurrent: true, sequencer: ArticleOrder, setupFiles: "list" },
    // The claims share a cast of pods, and each waits for much.
    maxConcurrency: 16,
    tags: [{ name: "slow", description: "needs a long window or many pods" }],
    passWithNoTests: false,
    onStackTrace: (_error, { file }) => !file.includes("allure-vitest"),
    reporters: [new ClaimProgress(out), collectCases, new AllureReporter(join(out, "allure-results"))],
  },
});
