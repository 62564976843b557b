import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { observationFile, observationsOf, recordObservations, store } from "../../helpers/claim/recording.ts";
import { Results } from "../../helpers/claim/results.ts";
import { scoreOf, WorldsFile } from "../../helpers/claim/worlds.ts";
import { projectRoot } from "../../helpers/host/settings.ts";

const own = relative(projectRoot, import.meta.dirname);
const recording = join("recordings", "v1.37.0");
const recorded = join(import.meta.dirname, recording);
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "rejudge-test-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function rejudge(cwd: string, ...words: string[]) {
  return execa(process.execPath, ["commands/run.js", "rejudge", ...words, "--article", own], {
    cwd,
    extendEnv: false,
    env: { PATH: process.env["PATH"], KNC_OUT: join(folder, "out") },
    reject: false,
    all: true,
    stdin: "ignore",
  });
}

function copyOfProject(name: string): string {
  const project = join(folder, name);
  mkdirSync(project);
  for (const name of [
    "commands",
    "fixtures",
    "helpers",
    "package.json",
    "reports",
    "specs",
    "tsconfig.json",
    "vitest.config.ts",
  ])
    cpSync(join(projectRoot, name), join(project, name), {
      recursive: true,
      filter: (source) => !source.startsWith(join(projectRoot, "reports", "out")),
    });
  symlinkSync(join(projectRoot, "node_modules"), join(project, "node_modules"));
  return project;
}

/** Makes a recording of the claims about the conflist alone: most of the others' time is for values that are changed in turn. */
function fewClaims(name: string): string {
  const few = join(folder, name);
  const all = Results.parse(JSON.parse(readFileSync(join(recorded, "results.json"), "utf8")));
  const claims = all.claims.filter(({ id }) => id.startsWith("conflist-"));
  store(join(few, "results.json"), JSON.stringify({ ...all, claims }));
  const ids = new Set(claims.map(({ id }) => id));
  const observations = Object.entries(observationsOf(recorded)).filter(([id]) => ids.has(id));
  recordObservations(few, Object.fromEntries(observations));
  cpSync(join(recorded, "survivors.json"), join(few, "survivors.json"));
  expect(claims.length).toBeGreaterThan(5);
  return few;
}

test("a judge that is wrong is named, with the claim that it would let pass under its control, and no other", async () => {
  const project = copyOfProject("project");
  const spec = join(project, own, "12b-conflist.spec.ts");
  const right = readFileSync(spec, "utf8");
  const wrong = right.replace(
    "expect(conflist.name, `name on ${node}`).toBe(sample.name)",
    "expect(sample.name, node).toBe(sample.name)",
  );
  expect(wrong).not.toBe(right);
  writeFileSync(spec, wrong);
  const { exitCode, stdout } = await rejudge(project, fewClaims("few"));
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

test("the README says the score of the recorded worlds", () => {
  const file = join(import.meta.dirname, "recordings", "worlds.json");
  const { worlds, right, wrong } = scoreOf(WorldsFile.parse(JSON.parse(readFileSync(file, "utf8"))));
  const readme = readFileSync(join(projectRoot, "README.md"), "utf8");
  expect(/(\d+) worlds, (\d+) verdicts/.exec(readme)?.slice(1).map(Number)).toEqual([worlds, right]);
  expect(wrong).toBe(0);
});

test("an observation that is another than when the run was stored is named, and no other", async () => {
  const copy = fewClaims("copy");
  // As if the judge were another: what it sees is.
  const observations = observationsOf(copy);
  const names = z.array(z.looseObject({ conflist: z.looseObject({ name: z.string() }) }));
  const untouched = names.parse(observations["conflist-name"]?.untouched);
  for (const { conflist } of untouched) conflist.name = "another";
  observations["conflist-name"] = { ...observations["conflist-name"], untouched };
  recordObservations(copy, observations);
  const { exitCode, stdout } = await rejudge(projectRoot, copy);
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

test("a run's folder, a file a claim, is recorded as it was, and nothing is where it is not whole", {
  timeout: 180_000,
}, async () => {
  const project = copyOfProject("recording");
  rmSync(join(project, own, recording), { recursive: true });
  const run = join(folder, "run");
  cpSync(join(recorded, "results.json"), join(run, "results.json"));
  for (const [id, { untouched, changed }] of Object.entries(observationsOf(recorded))) {
    store(join(run, observationFile(id)), JSON.stringify(untouched, undefined, 2));
    if (changed !== undefined) store(join(run, observationFile(id, true)), JSON.stringify(changed, undefined, 2));
  }
  expect(await rejudge(project, run, "--record")).toMatchObject({ exitCode: 0, stderr: "" });
  for (const name of ["results.json", "observations.json", "survivors.json"])
    expect(readFileSync(join(project, own, recording, name), "utf8"), name).toBe(
      readFileSync(join(recorded, name), "utf8"),
    );
  const results = JSON.parse(readFileSync(join(run, "results.json"), "utf8")) as object;
  writeFileSync(join(run, "results.json"), JSON.stringify({ ...results, selection: "-t some" }));
  expect(await rejudge(project, run, "--record")).toMatchObject({
    exitCode: 2,
    stderr: expect.stringMatching(/^error: nothing was recorded: [^\n]+$/),
  });
});
