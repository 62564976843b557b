import { defineConfig } from "vitest/config";

/** The project's own unit tests: no cluster, no network beyond loopback. */
export default defineConfig({
  test: {
    name: "unit",
    include: ["commands/**/*.test.ts", "helpers/**/*.test.ts", "reports/**/*.test.ts", "specs/**/*.test.ts"],
    expect: { requireAssertions: true },
    testTimeout: 60_000,
    hookTimeout: 120_000,
    reporters: ["default", ["json", { outputFile: "reports/out/unit-tests.json" }]],
  },
});
