import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Article, readArticle } from "../helpers/article/article.ts";
import { projectRoot } from "../helpers/host/settings.ts";
import { type Comparison, comparisonFile, conformanceAsMarkdown } from "./conformance.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "conformance-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const affinity =
  "[sig-network] Services should have session affinity work for NodePort service [LinuxOnly] [Conformance]";
const list = {
  kubernetes: "v1.37.0",
  tests: [
    { codename: affinity, file: "test/e2e/network/service.go", release: "v1.19" },
    { codename: "[sig-network] Ports a|b [Conformance]", file: "test/e2e/network/ports.go", release: "v1.9, v1.18" },
  ],
};
const tiny = readArticle(join(projectRoot, "specs", "tiny"));
/** The example, of which the first claim says that it covers a test. */
const covering: Article = {
  ...tiny,
  claims: tiny.claims.map((claim, index) => ({ ...claim, covers: index === 0 ? ["Ports a|b"] : [] })),
};

test("the page counts tests and claims, and links to the sentences", () => {
  const page = conformanceAsMarkdown(covering, list, join(projectRoot, "docs"));
  expect(page).toContain("**1 of 2** are covered");
  expect(page).toContain("Claims that cover a test: 1. Claims on what the list leaves out: 2.");
  expect(page).toMatch(/^\| 1 \| \[Services should .*\| v1\.19 \| – \|$/m);
  expect(page).toMatch(
    /^\| 2 \| \[Ports a\\\|b\]\(https:\/\/github\.com\/kubernetes\/kubernetes\/blob\/v1\.37\.0\/test\/e2e\/network\/ports\.go\) \| v1\.9, v1\.18 \| \[Each pod has .*\]\(\.\.\/specs\/tiny\/article\.md\?plain=1#L\d+ "every-pod-has-an-address"\) \|$/m,
  );
});

test("the page tells how long claims and tests took, and which were not as expected", () => {
  const comparison: Comparison = {
    ...{ date: "2026-01-31", kubernetes: "v1.37.0" },
    claims: { judged: 10, unexpected: ["a-claim"], seconds: 20 },
    tests: { run: 4, failed: [{ name: "Ports", why: "a|b" }], seconds: 100, images: "built" },
  };
  const file = join(folder, comparisonFile);
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, JSON.stringify(comparison));
  const page = conformanceAsMarkdown({ ...covering, folder }, list, join(projectRoot, "docs"));
  expect(page).toContain("their images were built here, too. A claim takes 1/12.5 of a test.");
  expect(page).toContain("| claims of the article | 10 | 1 | 20 | 2.00 |\n| conformance tests | 4 | 1 | 100 | 25.00 |");
  expect(page).toContain("Not as expected: the claim `a-claim`.\n\nFailed: Ports: a\\|b");
});
