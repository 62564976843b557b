import { defineConfig } from "vitest/config";
import type { InlineConfig } from "vitest/node";

/** The project's own tests, by the mode in which vitest is run. */
const tests: Readonly<Record<string, InlineConfig>> = {
  // No cluster, no network beyond loopback.
  unit: {
    include: ["{commands,helpers,reports,specs}/**/*.test.ts"],
    // Modules are read once for all files of a process. What a test changes for its process is changed back for it.
    isolate: false,
    // vitest would leave a core to others: of two that is half.
    maxWorkers: "100%",
    ...{ restoreMocks: true, unstubEnvs: true },
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
  // The commands as a user runs them, with a real engine and real clusters; needs root and takes minutes.
  e2e: {
    include: ["{commands,specs}/**/*.e2e.ts"],
    tags: [{ name: "nightly", description: "takes minutes, and what it looks at changes seldom" }],
    fileParallelism: false,
    testTimeout: 900_000,
    hookTimeout: 900_000,
  },
  // The pages in a real browser; by way of `npm run pages`, which finds one and makes the pages.
  pages: {
    include: ["reports/**/*.browser.ts"],
    // The largest page takes its look for accessibility a minute and a half of computing.
    testTimeout: 600_000,
    hookTimeout: 60_000,
  },
};

// Not vitest's projects: those all have the same reporters and output file, and without a choice all run.
export default defineConfig(({ mode }) => {
  // Editors and other tools have modes of their own.
  const name = mode in tests ? mode : "unit";
  return {
    test: {
      name,
      expect: { requireAssertions: true },
      reporters: [name === "unit" ? "default" : "verbose", ["json", { outputFile: `reports/out/${name}-tests.json` }]],
      ...tests[name],
    },
  };
});
