import { readFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig } from "allure";
import single, { labelled, out } from "./allurerc.ts";
import { Matrix } from "./reports/matrix.ts";

const { cells } = Matrix.parse(JSON.parse(readFileSync(join(out, "matrix.json"), "utf8")));

/** All cells of a matrix in one report, each an environment; the rest is as in the report of one run. */
export default defineConfig({
  ...single,
  output: join(out, "matrix-report"),
  // Kept from one run to the next, so that the report shows since when a claim is what it is.
  historyPath: join(out, "history.jsonl"),
  plugins: { awesome: { options: { ...single.plugins?.["awesome"]?.options, singleFile: false } } },
  environments: Object.fromEntries(
    cells.map(({ id, why, kubernetes, kind, proxyMode, ipFamilies, nodes }, index) => [
      // Allure allows no dots in an environment's own name.
      `cell-${index + 1}`,
      {
        name: id,
        matcher: ({ labels }) => labelled(labels, "cell") === id,
        variables: {
          ...{ Kubernetes: kubernetes, kind, "kube-proxy mode": proxyMode, "IP families": ipFamilies.join(" + ") },
          ...{ Nodes: String(nodes), "What it shows": why },
        },
      },
    ]),
  ),
});
