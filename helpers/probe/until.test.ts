import { expect, test } from "vitest";
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
