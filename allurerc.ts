import { join } from "node:path";
import { defineConfig } from "allure";

/** Where the run left its results. */
export const out = process.env["KNC_OUT"] ?? join(import.meta.dirname, "reports", "out");

type Labels = readonly { readonly name: string; readonly value?: string }[];

/** Returns the value of a label. */
export const labelled = (labels: Labels, name: string) => labels.find((label) => label.name === name)?.value;

/** Matches a claim that came out as `verdict`, as the catalogue expects it to. */
const asExpected = (verdict: string) => ({
  labels: { verdict: new RegExp(`^${verdict}$`), "verdict-expected": new RegExp(`^${verdict}$`) },
});

/**
 * One self-contained page in the article's order. A refuted claim that was expected is a green test: its category
 * says so. The first category that matches counts; the report's name comes from the run.
 */
export default defineConfig({
  output: join(out, "allure-report"),
  plugins: {
    awesome: {
      options: {
        singleFile: true,
        reportLanguage: "en",
        groupBy: ["epic", "feature", "story"],
        // Features and stories begin with their place in the article; claims run side by side, so time tells nothing.
        defaultSortBy: "name,asc",
      },
    },
  },
  categories: {
    rules: [
      {
        name: "Unexpected verdict",
        matchers: ({ labels }) => {
          const verdict = labelled(labels, "verdict");
          return (
            verdict !== undefined && verdict !== "inconclusive" && verdict !== labelled(labels, "verdict-expected")
          );
        },
      },
      {
        name: "Could not be tested (inconclusive)",
        // A claim without a verdict broke before it could be judged, or after.
        matchers: ({ labels, status }) => labelled(labels, "verdict") === "inconclusive" || status !== "passed",
      },
      {
        name: "Refuted, as expected: the article is wrong here",
        matchers: asExpected("refuted"),
        groupByMessage: false,
      },
      {
        name: "Needs a feature that is missing here (external)",
        matchers: asExpected("external"),
        groupByMessage: false,
      },
      { name: "Holds, as expected: the article is right here", matchers: asExpected("holds"), groupByMessage: false },
    ],
  },
});
