import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Results } from "../helpers/claim/results.ts";
import { projectRoot } from "../helpers/host/settings.ts";

const recorded = join(projectRoot, "fixtures", "recordings", "v1.37.0");
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "rejudge-test-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function rejudge(...words: string[]) {
  return execa(process.execPath, ["commands/run.js", "rejudge", ...words], {
    cwd: projectRoot,
    extendEnv: false,
    env: { PATH: process.env["PATH"], KNC_OUT: join(folder, "out") },
    reject: false,
    all: true,
    stdin: "ignore",
  });
}

test("a judge that says otherwise than when the run was stored is named, and no other", async () => {
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
