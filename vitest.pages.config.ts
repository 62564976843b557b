import { defineConfig } from "vitest/config";

/** The pages in a real browser; by way of `npm run pages`, which finds one and makes the pages. */
export default defineConfig({
  test: {
    name: "pages",
    include: ["reports/**/*.browser.ts"],
    expect: { requireAssertions: true },
    // The largest page takes its look for accessibility a minute and a half of computing.
    testTimeout: 600_000,
    hookTimeout: 60_000,
    reporters: ["verbose", ["json", { outputFile: "reports/out/pages-tests.json" }]],
  },
});
