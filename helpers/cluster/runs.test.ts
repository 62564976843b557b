import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { deadRuns, endRun, keepRun, keptRun, startRun } from "./runs.ts";

let cache = "";
beforeEach(() => {
  cache = mkdtempSync(join(tmpdir(), "runs-"));
});
afterEach(() => rmSync(cache, { recursive: true }));

/** Makes a run look like one of a process that is gone. */
function orphan(folder: string): void {
  const file = join(folder, "run.json");
  const record = JSON.parse(readFileSync(file, "utf8")) as object;
  writeFileSync(file, JSON.stringify({ ...record, owner: { pid: process.pid, startTicks: 1 } }));
}

test("a run of a live process is nobody else's to remove", () => {
  const run = startRun(cache);
  expect(run.cluster).toBe(`knc-${run.id}`);
  expect(deadRuns(cache)).toEqual([]);
  endRun(run);
  expect(existsSync(run.folder)).toBe(false);
});

test("a run whose process is dead is found", () => {
  const run = startRun(cache);
  orphan(run.folder);
  expect(deadRuns(cache).map(({ id }) => id)).toEqual([run.id]);
});

test("a run that was killed before it could say who owns it is found too", () => {
  mkdirSync(join(cache, "runs", "abcdef"), { recursive: true });
  expect(deadRuns(cache).map(({ id }) => id)).toEqual(["abcdef"]);
});

test("a kept run outlives its process", () => {
  const run = startRun(cache);
  const kept = { engine: "suite" as const, image: "node:1", kind: "kind v0", adaptations: [] };
  keepRun(cache, run, kept);
  orphan(run.folder);
  expect(deadRuns(cache)).toEqual([]);
  expect(keptRun(cache)).toMatchObject({ id: run.id, kept });
});
