import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { Evidence } from "../evidence/evidence.ts";
import { decide } from "./check.ts";
import type { Stage } from "./stage.ts";

const folder = mkdtempSync(join(tmpdir(), "check-"));
afterAll(() => rmSync(folder, { recursive: true }));

const never = new AbortController().signal;
// What is tried here asks nothing of the cluster.
const stage = { timeouts: { podsReady: 5_000 } } as Stage;

test("a clean-up that fails is told beside the verdict, in whose place it does not come", async () => {
  const evidence = new Evidence(folder, "some-claim");
  const check = {
    observe: async (lab: { afterwards: (undo: () => Promise<void>) => void }) => {
      lab.afterwards(async () => Promise.reject(new Error("the rule is gone already")));
      return { answers: 3 };
    },
    judge: ({ answers }: { answers: number }) => expect(answers, "answers").toBe(2),
  };
  expect(await decide(check, undefined, stage, evidence, never)).toEqual({
    judgement: { verdict: "refuted", why: "answers: 3, not 2" },
    observation: { answers: 3 },
    notUndone: "could not undo: the rule is gone already",
  });
  expect(readFileSync(join(folder, evidence.items[0]?.file ?? ""), "utf8")).toContain("the rule is gone already");
});

test("one that works says nothing", async () => {
  const check = { observe: async () => ({}), judge: () => {} };
  expect(await decide(check, undefined, stage, new Evidence(folder, "another"), never)).toEqual({
    judgement: { verdict: "holds", why: "" },
    observation: {},
  });
});
