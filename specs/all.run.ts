import { readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "vitest";
import { controlsVariable } from "../helpers/claim/control.ts";
import { readSettings } from "../helpers/host/settings.ts";

// All specs in one file, and so in one process: to read the suite's modules and the article takes longer than most of what is
// done with them. Which claims and controls may be tried beside which is a matter of all of them, too.
const { article } = readSettings();
// What a run has to keep to besides is a check.
const ending = process.env[controlsVariable] === undefined ? /\.(?:spec|check)\.ts$/ : /\.spec\.ts$/;
const files = readdirSync(article).filter((name) => ending.test(name));
// The article's order, which the names follow; but its lab, whose steps wait for each other, begins at once.
const inOrder = files.toSorted((a, b) => Number(isLab(b)) - Number(isLab(a)) || (a < b ? -1 : 1));
for (const file of inOrder) await load(file, () => import(/* @vite-ignore */ join(article, file)));
await load("ready-made.spec.ts", () => import("./ready-made.spec.ts"));

function isLab(file: string): boolean {
  return file.endsWith("lab.spec.ts");
}

/** A spec that cannot be read fails by itself: the others' claims are judged. */
async function load(file: string, read: () => Promise<unknown>): Promise<void> {
  try {
    await read();
  } catch (error) {
    test(`${file} can be read`, () => {
      throw error;
    });
  }
}
