import { join } from "node:path";
import { moduleEnding } from "./helpers/host/settings.ts";

/** What each configuration that runs an article's specs has, wherever the article's folder is. */
export const ofArticles = {
  // A spec gets what runs it, by the package's name: not another copy that may be installed beside it.
  resolve: {
    alias: { "kind-network-conformance": join(import.meta.dirname, "helpers", `index${moduleEnding}`) },
  },
  // Nothing is left out: in the package, ready-made.spec.js is below node_modules.
  exclude: [],
};
