import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { parse } from "yaml";
import { exitCodeOf, Results } from "../helpers/claim/results.ts";
import { isPublished, readCells } from "../helpers/cluster/cells.ts";
import { projectRoot } from "../helpers/host/settings.ts";

/** Its claims need a kernel with IP_VS: where there is none it takes no longer than its cluster. */
const cell = "1.37.0-ipvs";

interface Step {
  readonly if?: string;
  readonly run?: string;
  readonly env?: Readonly<Record<string, string>>;
}

const folder = mkdtempSync(join(tmpdir(), "workflow-"));
const clone = join(folder, "clone");
const [output, summary] = [join(folder, "output"), join(folder, "summary")];

/**
 * Runs a job's own commands one after another in the clone, as the runner does: `bash -e`, the step's variables filled in, and
 * after one that failed only those that always run. Returns the exit code of the first that failed, or 0.
 */
async function run(job: string): Promise<number> {
  const file = join(projectRoot, ".github", "workflows", "nightly.yml");
  const { jobs } = parse(readFileSync(file, "utf8")) as { jobs: Record<string, { steps: Step[] }> };
  let failed = 0;
  for (const step of jobs[job]?.steps ?? []) {
    if (failed !== 0 && step.if?.includes("always()") !== true) continue;
    // Each job has a machine of its own; here one folder is installed once.
    if (step.run === undefined || (step.run === "npm ci" && existsSync(join(clone, "node_modules")))) continue;
    const variables = Object.entries(step.env ?? {}).map(([name, value]) => [
      name,
      value.replaceAll("${{ matrix.cell }}", cell),
    ]);
    const { exitCode = 1 } = await execa("bash", ["-e", "-c", step.run], {
      cwd: clone,
      env: { ...Object.fromEntries(variables), GITHUB_OUTPUT: output, GITHUB_STEP_SUMMARY: summary },
      stdin: "ignore",
      stdout: "inherit",
      stderr: "inherit",
      reject: false,
    });
    failed ||= exitCode;
  }
  return failed;
}

beforeAll(async () => {
  await execa`git clone --quiet ${projectRoot} ${clone}`;
  for (const file of [output, summary]) writeFileSync(file, "");
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("the job that lists the cells gives the matrix those of the file", async () => {
  expect(await run("cells")).toBe(0);
  const [, listed = ""] = /^cells=(.*)$/m.exec(readFileSync(output, "utf8")) ?? [];
  expect(JSON.parse(listed)).toEqual(
    readCells()
      .filter(isPublished)
      .map(({ id }) => id),
  );
});

test("a cell's job checks that cell and leaves its results where they are uploaded from", async () => {
  expect(await run("cell")).toBe(0);
  const file = join(clone, "reports", "out", "cells", cell, "results.json");
  const results = Results.parse(JSON.parse(readFileSync(file, "utf8")));
  expect(exitCodeOf(results)).toBe(0);
  expect(results.world).toMatchObject({ proxyMode: "ipvs", otherwise: ["proxyMode"] });
});

test("the last job puts together what there is, and fails since the other cells have no results", async () => {
  expect(await run("matrix")).toBe(2);
  expect(readFileSync(summary, "utf8")).toContain(cell);
  const site = join(clone, "reports", "out", "site");
  expect(readFileSync(join(site, "index.html"), "utf8")).toContain(`cells/${cell}/article.html`);
  expect(existsSync(join(site, "cells", cell, "article.html"))).toBe(true);
  expect(readFileSync(join(site, "allure", "index.html"), "utf8")).not.toContain("googletagmanager");
});
