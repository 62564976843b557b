import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Results } from "../helpers/claim/results.ts";
import { projectRoot, readSettings } from "../helpers/host/settings.ts";

const recorded = join(readSettings().article, "recordings", "v1.37.0");
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "rejudge-test-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function rejudge(...words: string[]) {
  return rejudgeIn(projectRoot, ...words);
}

async function rejudgeIn(cwd: string, ...words: string[]) {
  return execa(process.execPath, ["commands/run.js", "rejudge", ...words], {
    cwd,
    extendEnv: false,
    env: { PATH: process.env["PATH"], KNC_OUT: join(folder, "out") },
    reject: false,
    all: true,
    stdin: "ignore",
  });
}

test("a judge that is wrong is named, with the claim that it would let pass under its control, and no other", async () => {
  const project = join(folder, "project");
  mkdirSync(project);
  for (const name of [
    "commands",
    "fixtures",
    "helpers",
    "package.json",
    "reports",
    "specs",
    "tsconfig.json",
    "vitest.article.ts",
    "vitest.rejudge.config.ts",
  ])
    cpSync(join(projectRoot, name), join(project, name), {
      recursive: true,
      filter: (source) => !source.startsWith(join(projectRoot, "reports", "out")),
    });
  symlinkSync(join(projectRoot, "node_modules"), join(project, "node_modules"));
  const spec = join(project, relative(projectRoot, readSettings().article), "12-kindnet.spec.ts");
  const right = readFileSync(spec, "utf8");
  const wrong = right.replace(
    "expect(conflist.name, `name on ${node}`).toBe(sample.name)",
    "expect(sample.name, node).toBe(sample.name)",
  );
  expect(wrong).not.toBe(right);
  writeFileSync(spec, wrong);
  const { exitCode, stdout } = await rejudgeIn(project, recorded);
  expect(stdout.split("\n").filter((line) => line.startsWith("✗"))).toEqual([
    expect.stringMatching(/^✗ conflist-name, if .*: was refuted, is holds$/),
    "✗ conflist-name: its judge does not look at [].conflist, and is not known for that",
    "✗ conflist-name: its judge does not look at [].conflist.name, and is not known for that",
  ]);
  expect(exitCode).toBe(1);
});

test("the README says the score of the recorded controls", () => {
  const { controls } = Results.parse(JSON.parse(readFileSync(join(recorded, "results.json"), "utf8")));
  const readme = readFileSync(join(projectRoot, "README.md"), "utf8");
  expect(/(\d+) of (\d+) checks proven, (\d+) of them/.exec(readme)?.slice(1).map(Number)).toEqual([
    controls.proven,
    controls.executed,
    controls.live,
  ]);
});

test("an observation that is another than when the run was stored is named, and no other", async () => {
  const copy = join(folder, "copy");
  cpSync(recorded, copy, { recursive: true });
  // As if the judge were another: what it sees is.
  const file = join(copy, "observations", "conflist-name.json");
  const observation = JSON.parse(readFileSync(file, "utf8")) as { conflist: { name: string } }[];
  for (const { conflist } of observation) conflist.name = "another";
  writeFileSync(file, JSON.stringify(observation));
  const { exitCode, stdout } = await rejudge(copy);
  expect(stdout.split("\n").filter((line) => line.startsWith("✗"))).toEqual([
    "✗ conflist-name: was holds, is refuted (expected holds)",
  ]);
  expect(stdout).toMatch(/1 verdicts changed, results differ$/);
  expect(exitCode).toBe(1);
  const after = Results.parse(JSON.parse(readFileSync(join(folder, "out", "rejudged.json"), "utf8")));
  expect(after.claims.find(({ id }) => id === "conflist-name")).toMatchObject({
    verdict: "refuted",
    expected: "holds",
  });
});

test.each([
  ["no folder", []],
  ["a folder without a run", ["/no/such/folder"]],
])("%s is told in one line", async (_what, words) => {
  const { exitCode, stderr } = await rejudge(...words);
  expect(exitCode).toBe(2);
  expect(stderr).toMatch(/^error: [^\n]+$/);
});
