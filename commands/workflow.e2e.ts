import { once } from "node:events";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
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

/** What stands in the place of GitHub's expressions, by their text. @throws Error for one that nobody has given a value */
type Values = Readonly<Record<string, string>>;

function filled(text: string, values: Values): string {
  return text.replaceAll(/\$\{\{ (.*?) \}\}/g, (_whole, expression: string) => {
    const value = values[expression];
    if (value === undefined) throw new Error(`nobody has said what ${expression} is`);
    return value;
  });
}

/**
 * Runs steps' own commands one after another, as the runner does: `bash -e`, the step's variables filled in, and after one that
 * failed only those that always run. Returns the exit code of the first that failed, or 0.
 *
 * @param holds whether a step's condition holds
 */
async function runSteps(
  steps: readonly Step[],
  {
    cwd,
    values,
    environment = {},
    holds = (condition) => condition === undefined || condition.includes("always()"),
  }: {
    readonly cwd: string;
    readonly values: () => Values;
    readonly environment?: Readonly<Record<string, string>>;
    readonly holds?: (condition: string | undefined) => boolean;
  },
): Promise<number> {
  let failed = 0;
  for (const step of steps) {
    if (failed !== 0 && step.if?.includes("always()") !== true) continue;
    // Each job has a machine of its own; here one folder is installed once.
    const installed = /^npm ci\b/.test(step.run ?? "") && existsSync(join(clone, "node_modules"));
    if (step.run === undefined || installed || !holds(step.if)) continue;
    const variables = Object.entries(step.env ?? {}).map(([name, value]) => [name, filled(value, values())]);
    const { exitCode = 1 } = await execa("bash", ["-e", "-c", step.run], {
      cwd,
      env: {
        ...Object.fromEntries(variables),
        ...environment,
        GITHUB_OUTPUT: output,
        GITHUB_STEP_SUMMARY: summary,
      },
      stdin: "ignore",
      stdout: "inherit",
      stderr: "inherit",
      reject: false,
    });
    failed ||= exitCode;
  }
  return failed;
}

/** Runs a job of the nightly workflow in the clone. */
async function run(job: string): Promise<number> {
  const file = join(projectRoot, ".github", "workflows", "nightly.yml");
  const { jobs } = parse(readFileSync(file, "utf8")) as { jobs: Record<string, { steps: Step[] }> };
  return runSteps(jobs[job]?.steps ?? [], { cwd: clone, values: () => ({ "matrix.cell": cell }) });
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
  const top = join(clone, "reports", "out", "site");
  expect(readFileSync(join(top, "index.html"), "utf8")).toContain("nightly/index.html");
  const site = join(top, "nightly");
  expect(readFileSync(join(site, "index.html"), "utf8")).toContain(`cells/${cell}/article.html`);
  expect(existsSync(join(site, "cells", cell, "article.html"))).toBe(true);
  expect(readFileSync(join(site, "allure", "index.html"), "utf8")).not.toContain("googletagmanager");
});

test("the action checks an article of another repository, and tells a pull request in one comment, written anew by each run", async () => {
  const [workspace, temp] = [join(folder, "theirs"), join(folder, "temp")];
  cpSync(join(projectRoot, "specs", "tiny"), join(workspace, "docs", "tiny"), { recursive: true });
  mkdirSync(temp);
  const event = join(folder, "event.json");
  writeFileSync(event, JSON.stringify({ pull_request: { number: 7 } }));
  writeFileSync(output, "");
  // GitHub's API, as far as comments on an issue go.
  const comments = new Map<number, string>();
  const server = createServer((request, response) => {
    void (async () => {
      let body = "";
      for await (const part of request) body += String(part);
      const path = (request.url ?? "").split("?")[0] ?? "";
      const [, id] = /^\/repos\/a\/b\/issues\/comments\/(\d+)$/.exec(path) ?? [];
      const said = body === "" ? "" : (JSON.parse(body) as { body: string }).body;
      if (request.method === "POST" && path === "/repos/a/b/issues/7/comments") comments.set(comments.size + 1, said);
      else if (request.method === "PATCH" && id !== undefined) comments.set(Number(id), said);
      else if (request.method === "DELETE" && id !== undefined) comments.delete(Number(id));
      else if (request.method !== "GET") response.statusCode = 404;
      response.end(
        request.method === "DELETE" ? "" : JSON.stringify([...comments].map(([id, text]) => ({ id, body: text }))),
      );
    })();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const inputs: Values = {
    ...{ "inputs.article": "docs/tiny", "inputs.versions": "", "github.workspace": workspace, "runner.temp": temp },
    "github.token": "a-token",
  };
  const conditions: Readonly<Record<string, boolean>> = {
    "inputs.versions == ''": true,
    "inputs.versions == '' && inputs.comment == 'true' && github.event.pull_request.head.repo.full_name == github.repository": true,
    "inputs.sarif == 'true'": true,
    "github.event_name == 'push' && inputs.versions == ''": false,
  };
  const action = parse(readFileSync(join(projectRoot, "action.yml"), "utf8")) as { runs: { steps: Step[] } };
  const steps = (of: readonly Step[]) =>
    runSteps(of, {
      cwd: workspace,
      values: () => ({
        ...inputs,
        ...Object.fromEntries(
          [...readFileSync(output, "utf8").matchAll(/^(\w+)=(.*)$/gm)].map(([, name, value]) => [
            `steps.check.outputs.${name}`,
            value ?? "",
          ]),
        ),
      }),
      environment: {
        ...{ GITHUB_ACTION_PATH: clone, GITHUB_EVENT_PATH: event, GITHUB_REPOSITORY: "a/b", RUNNER_TEMP: temp },
        GITHUB_API_URL: `http://127.0.0.1:${port}`,
      },
      holds: (condition) => {
        if (condition === undefined) return true;
        const holds = conditions[condition];
        if (holds === undefined) throw new Error(`nobody has said whether ${condition}`);
        return holds;
      },
    });
  expect(await steps(action.runs.steps)).toBe(0);
  const out = join(temp, "knc-out");
  const results = Results.parse(JSON.parse(readFileSync(join(out, "results.json"), "utf8")));
  expect(results.claims.map(({ verdict }) => verdict)).toEqual(["holds", "holds", "refuted"]);
  expect(JSON.parse(readFileSync(join(out, "badge.json"), "utf8"))).toMatchObject({
    message: expect.stringMatching(/^2 of 3 sentences hold on 1\.\d+, checked \d{4}-\d\d-\d\d$/),
    color: "yellow",
  });
  expect(JSON.parse(readFileSync(join(out, "article.sarif"), "utf8"))).toMatchObject({ version: "2.1.0" });
  expect([...comments.values()]).toEqual([expect.stringContaining("1 sentence misleads")]);
  // The branch that it goes to misleads as much: there is nothing to say any more.
  mkdirSync(join(temp, "knc-base"));
  cpSync(join(out, "results.json"), join(temp, "knc-base", "results.json"));
  expect(await steps(action.runs.steps.filter((step) => step.run?.includes(" comment ") === true))).toBe(0);
  expect(comments.size).toBe(0);
  server.close();
});
