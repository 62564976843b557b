import { expect, test } from "vitest";
import type { Results } from "../helpers/claim/results.ts";
import { differencesOf, lateWaits } from "./soak.ts";

const run = (...claims: [id: string, verdict?: string][]) =>
  ({ claims: claims.map(([id, verdict]) => ({ id, verdict })) }) as unknown as Results;

test("a claim that came out otherwise in one run, or not at all, is named with its verdicts", () => {
  const same = run(["a", "holds"], ["b", "refuted"], ["c", "holds"]);
  expect(differencesOf([same, same])).toEqual([]);
  expect(differencesOf([same, run(["a", "holds"], ["b", "holds"])])).toEqual(["b: refuted, holds", "c: holds, none"]);
});

test("a wait that came late is named with its round, and one that never came is not", () => {
  const wait = { kind: "wait" as const, begun: 0, what: "a pod", limit: 10_000, came: true, by: "specs/a.spec.ts" };
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
