import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { decide } from "./check.ts";
import type { Environment } from "./environment.ts";
import { Evidence } from "./evidence.ts";

const folder = mkdtempSync(join(tmpdir(), "check-"));
afterAll(() => rmSync(folder, { recursive: true }));

const never = new AbortController().signal;
/** A workspace that remembers what is to be undone, on an environment that has all features and is asked for nothing else. */
class Bench {
  readonly #undo: (() => Promise<void>)[] = [];
  afterwards(undo: () => Promise<void>): void {
    this.#undo.push(undo);
  }
  async close(): Promise<void> {
    for (const undo of this.#undo) await undo();
  }
}
const environment = { missing: () => undefined, open: async () => new Bench() } as unknown as Environment<Bench>;

test("a clean-up that fails is told beside the verdict, in whose place it does not come", async () => {
  const evidence = new Evidence(folder, "some-claim");
  const check = {
    observe: async (lab: Bench) => {
      lab.afterwards(async () => Promise.reject(new Error("the rule is gone already")));
      return { answers: 3 };
    },
    judge: ({ answers }: { answers: number }) => expect(answers, "answers").toBe(2),
  };
  expect(await decide(check, [], environment, evidence, never)).toEqual({
    judgement: { verdict: "refuted", why: "answers: 3, not 2" },
    observation: { answers: 3 },
    notUndone: "the rule is gone already",
  });
  expect(readFileSync(join(folder, evidence.items[0]?.file ?? ""), "utf8")).toContain("the rule is gone already");
});

test("one that works says nothing", async () => {
  const check = { observe: async () => ({}), judge: () => {} };
  expect(await decide(check, [], environment, new Evidence(folder, "another"), never)).toEqual({
    judgement: { verdict: "holds", why: "" },
    observation: {},
  });
});
