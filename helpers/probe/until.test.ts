import { setTimeout } from "node:timers/promises";
import { expect, test } from "vitest";
import { type LedgerEntry, ledger } from "../host/ledger.ts";
import { NotInTime, until } from "./until.ts";

test("the first value that is done is returned", async () => {
  let asked = 0;
  expect(
    await until(
      "three",
      5000,
      async () => ++asked,
      (value) => value === 3,
    ),
  ).toBe(3);
});

test("what was awaited, for how long and what was last seen is told when time is up", async () => {
  const waiting = until(
    "the pods to be ready",
    400,
    async () => ["web-1: Pending"],
    (list) => list.length === 0,
  );
  await expect(waiting).rejects.toThrow(NotInTime);
  await expect(waiting).rejects.toThrow('waited 0.4 s for the pods to be ready; last seen: ["web-1: Pending"]');
});

test("of something large that was last seen, the beginning is told, and the error has it all", async () => {
  const seen = "pod ".repeat(10_000);
  const error = await until(
    "fewer pods",
    200,
    async () => seen,
    (text) => text === "",
  ).catch((error: unknown) => error);
  expect((error as Error).message.length).toBeLessThan(2_200);
  expect(error).toMatchObject({ last: seen });
});

test("an error is not waited out", async () => {
  let asked = 0;
  const look = async () => {
    asked++;
    throw new TypeError("fetch failed");
  };
  await expect(until("anything", 5000, look, () => true)).rejects.toThrow("fetch failed");
  expect(asked).toBe(1);
});

test("waiting ends when it is aborted", async () => {
  await expect(
    until(
      "nothing",
      60_000,
      async () => 1,
      () => false,
      AbortSignal.timeout(200),
    ),
  ).rejects.toThrow();
});

test("how each wait went is entered in the ledger", async () => {
  const heard: LedgerEntry[] = [];
  const listener = (message: unknown) => heard.push(message as LedgerEntry);
  ledger.subscribe(listener);
  await until("now", 5_000, async () => 1, Boolean);
  await until("never", 200, async () => 0, Boolean).catch(() => {});
  ledger.unsubscribe(listener);
  expect(heard.map(({ kind, what, limit, came }) => ({ kind, what, limit, came }))).toEqual([
    { kind: "wait", what: "now", limit: 5_000, came: true },
    { kind: "wait", what: "never", limit: 200, came: false },
  ]);
  expect(heard[1]?.lasted).toBeGreaterThanOrEqual(150);
  expect(heard[0]?.by).toBe("helpers/probe/until.test.ts");
});

test("who is woken looks again at once, and no sooner", async () => {
  const { promise: woken, resolve: wakeUp } = Promise.withResolvers<void>();
  let asked = 0;
  let isOver: AbortSignal | undefined;
  const waiting = until(
    "two",
    60_000,
    async () => ++asked,
    (value) => value === 2,
    undefined,
    async (over) => {
      isOver = over;
      return woken;
    },
  );
  await setTimeout(500);
  expect({ asked, isOver: isOver?.aborted }).toEqual({ asked: 1, isOver: false });
  wakeUp();
  expect(await waiting).toBe(2);
  expect(isOver?.aborted).toBe(true);
});

test("who is never woken looks all the same, and gives up in time", async () => {
  let asked = 0;
  const never = async () => new Promise<void>(() => {});
  const look = async () => ++asked;
  const twice = (value: number) => value === 2;
  expect(await until("two", 60_000, look, twice, undefined, never)).toBe(2);
  asked = 2;
  await expect(until("two", 300, look, twice, undefined, never)).rejects.toThrow("waited 0.3 s for two");
  const stopped = AbortSignal.timeout(300);
  await expect(until("two", 60_000, look, twice, stopped, never)).rejects.toThrow("timeout");
});
