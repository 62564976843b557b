import { expect, test } from "vitest";
import { UserError } from "../host/errors.ts";
import { readyMadeCheck } from "./ready-made.ts";

const answered = readyMadeCheck("a-claim", { "name-is-answered": { name: "web", by: ["server-1"] } });
const seen = { from: "client-1", to: "web", outcome: "answered", pod: "server-1" };

test("a name that one of its pods answers at is answered", () => {
  expect(() => answered.judge(seen)).not.toThrow();
  expect(() => answered.judge({ ...seen, outcome: "unresolved", pod: null })).toThrow(
    "http://web, asked from client-1",
  );
  expect(() => answered.judge({ ...seen, pod: "somebody-else" })).toThrow("who answers at http://web");
});

test.each([
  [{ "no-such-check": {} }, "claim a-claim: there is no ready-made check no-such-check"],
  [{ "name-is-answered": { name: "web" } }, "claim a-claim: check name-is-answered: by: "],
  [{ "name-is-answered": { name: "web", by: ["a"], colour: 1 } }, "claim a-claim: check name-is-answered: "],
])("%j is told in one line", (named, message) => {
  const make = () => readyMadeCheck("a-claim", named);
  expect(make).toThrow(UserError);
  expect(make).toThrow(message);
});
