import { readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, test } from "vitest";
import "../helpers/checks/ready-made.ts";
import { controlsVariable } from "../helpers/claim/control.ts";
import { recordingVariable } from "../helpers/claim/recording.ts";
import { filesVariable, readyMadeSpec, runBegun } from "../helpers/cluster/context.ts";
import { readSettings } from "../helpers/host/settings.ts";
import "../helpers/index.ts";
import { unreadable } from "../helpers/lab/longest-first.ts";
import { castIsThere, leaveCast, openRun } from "../helpers/lab/stage.ts";

// All specs in one file, and so in one process: to read the suite's modules and the article takes longer than most of what is
// done with them. Which claims and controls may be tried beside which is a matter of all of them, too.
const { article } = readSettings();
const controls = process.env[controlsVariable] !== undefined;
// A stored run is judged again without a cluster.
const live = process.env[recordingVariable] === undefined;
if (live) {
  // What takes longest to read has been read while the cluster was made.
  await runBegun();
  openRun();
}
const meant = JSON.parse(process.env[filesVariable] ?? "[]") as string[];
const isMeant = (name: string) => meant.length === 0 || meant.includes(name);
// What a run has to keep to besides is a check.
const ending = controls || !live ? /\.spec\.ts$/ : /\.(?:spec|check)\.ts$/;
const files = readdirSync(article).filter((name) => ending.test(name) && isMeant(name));
// The article's order, which the names follow; but its lab, whose steps wait for each other, begins at once.
const inOrder = files.toSorted((a, b) => Number(isLab(b)) - Number(isLab(a)) || (a < b ? -1 : 1));
for (const file of inOrder) await load(file, () => import(/* @vite-ignore */ join(article, file)));
if (isMeant(readyMadeSpec)) await load(readyMadeSpec, () => import("./ready-made.spec.ts"));
if (live) await castIsThere();

// Where all went well, everything that a check did is undone. Controls are there to change things.
let asItWas = live && !controls;
afterEach(({ task }) => {
  asItWas &&= task.result?.state !== "fail";
});
afterAll(async () => {
  if (asItWas) await leaveCast();
});

function isLab(file: string): boolean {
  return file.endsWith("lab.spec.ts");
}

/** A spec that cannot be read fails by itself: the others' claims are judged. */
async function load(file: string, read: () => Promise<unknown>): Promise<void> {
  try {
    await read();
  } catch (error) {
    test(`${file} ${unreadable}`, () => {
      throw error;
    });
  }
}
