import { join } from "node:path";
import { defineConfig } from "allure";

const out = process.env["KNC_OUT"] ?? join(import.meta.dirname, "reports", "out");

const verdict = (value: string) => ({ labels: { verdict: value } });

/** One self-contained page in the article's order. A refuted claim that was expected is a green test: its category says so. */
export default defineConfig({
  name: "Day 5: Service and the Kubernetes network model",
  output: join(out, "allure-report"),
  plugins: {
    awesome: { options: { singleFile: true, reportLanguage: "en", groupBy: ["epic", "feature", "story"] } },
  },
  categories: {
    rules: [
      {
        name: "Not as expected: the verdict is a surprise",
        matchers: { labels: { surprise: "true" }, statuses: ["failed"] },
      },
      { name: "Could not be tested (inconclusive)", matchers: { statuses: ["broken"] } },
      { name: "The article is wrong here (refuted)", matchers: verdict("refuted") },
      { name: "Needs a feature that is missing here (external)", matchers: verdict("external") },
      { name: "The article is right here (holds)", matchers: verdict("holds") },
    ],
  },
});
