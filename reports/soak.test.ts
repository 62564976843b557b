import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { Results } from "../helpers/claim/results.ts";
import { differencesOf, lateWaits, waitsOf } from "./soak.ts";

const run = (...claims: [id: string, verdict?: string][]) =>
  ({ claims: claims.map(([id, verdict]) => ({ id, verdict })) }) as unknown as Results;

test("a claim that came out otherwise in one run, or not at all, is named with its verdicts", () => {
  const same = run(["a", "holds"], ["b", "refuted"], ["c", "holds"]);
  expect(differencesOf([same, same])).toEqual([]);
  expect(differencesOf([same, run(["a", "holds"], ["b", "holds"])])).toEqual(["b: refuted, holds", "c: holds, none"]);
});

test("a wait that came late is named with its round, and one that never came is not", () => {
  const wait = { what: "a pod", limit: 10_000, came: true, by: "specs/a.spec.ts" };
  const waits = [
    [{ ...wait, lasted: 6_900 }],
    [],
    [
      { ...wait, lasted: 7_100 },
      { ...wait, lasted: 10_000, came: false },
    ],
  ];
  expect(lateWaits(waits)).toEqual([
    "3 waits, 1 of them came above 70 % of their limits",
    "  round 3: 7.1 of 10 s for a pod (specs/a.spec.ts)",
  ]);
});

test("waits are read from a run's folder, and one without any has none", () => {
  const out = mkdtempSync(join(tmpdir(), "soak-"));
  onTestFinished(() => rmSync(out, { recursive: true }));
  expect(waitsOf(out)).toEqual([]);
  const wait = { what: "a pod", lasted: 1, limit: 2, came: true, by: "x" };
  writeFileSync(join(out, "waits.jsonl"), `${JSON.stringify(wait)}\n`);
  expect(waitsOf(out)).toEqual([wait]);
});
