import { defineConfig } from "vitest/config";

/** The commands as a user runs them, with a real engine and real clusters; needs root and takes minutes. */
export default defineConfig({
  test: {
    name: "e2e",
    include: ["{commands,specs}/**/*.e2e.ts"],
    tags: [{ name: "nightly", description: "takes minutes, and what it looks at changes seldom" }],
    fileParallelism: false,
    expect: { requireAssertions: true },
    testTimeout: 900_000,
    hookTimeout: 900_000,
    reporters: ["verbose", ["json", { outputFile: "reports/out/e2e-tests.json" }]],
  },
});
