import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { previousResults } from "../../helpers/claim/results.ts";
import { Interrupted } from "../../helpers/host/errors.ts";
import { readSettings } from "../../helpers/host/settings.ts";
import { takeOutput } from "./specs.ts";

const never = new AbortController().signal;
let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "specs-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const settings = () => readSettings({ KNC_CACHE: join(folder, "cache"), KNC_OUT: join(folder, "out") });

test("a second run waits with the output folder, too: what the first one writes stays until it is done", async () => {
  const first = await takeOutput(settings(), () => {}, never);
  const claims = join(folder, "out", "claims");
  mkdirSync(claims);
  const told: string[] = [];
  const second = takeOutput(settings(), (line) => told.push(line), never);
  await delay(400);
  expect(told).toEqual([expect.stringMatching(/^waiting: process \d+ holds it to run the suite, since /)]);
  expect(existsSync(claims)).toBe(true);
  writeFileSync(join(folder, "out", "results.json"), "the first one's");
  first[Symbol.dispose]();
  (await second)[Symbol.dispose]();
  expect(existsSync(claims)).toBe(false);
  expect(readFileSync(join(folder, "out", previousResults), "utf8")).toBe("the first one's");
});

test("one that is interrupted while it waits ends by that, and empties nothing", async () => {
  using _ = await takeOutput(settings(), () => {}, never);
  writeFileSync(join(folder, "out", "world.json"), "{}");
  const interrupt = new AbortController();
  const waiting = takeOutput(settings(), () => interrupt.abort(new Interrupted("SIGINT")), interrupt.signal);
  await expect(waiting).rejects.toThrow(Interrupted);
  expect(existsSync(join(folder, "out", "world.json"))).toBe(true);
});
