import { expect, test } from "vitest";
import { verdictOf } from "../samples.judged.ts";
import { serviceAsksForAddress } from "./asks-for-address.ts";
import { annotatedWith, asked, found, operated, written } from "./operations.judged.ts";
import { apiOperations } from "./operations.ts";

test("what is written at status is looked at, and so is what was written beside it", () => {
  const update = { status: { conditions: ["updated"] } };
  const status = { patch: annotatedWith("patchedstatus"), update, apart: true };
  const at = { beside: null, read: operated.read, patched: written(status.patch), updated: written(update) };
  const watched = [[...(operated.watched[0] ?? []), "MODIFIED patchedstatus"]];
  const check = apiOperations.make({ ...(apiOperations.example as object), status, refused: "status" });
  expect(verdictOf(check, found({ status: at, watched }))).toBe("holds");
  expect(verdictOf(check, found({ status: at }))).toBe("refuted");
  expect(verdictOf(check, found({ status: { ...at, beside: update.status }, watched }))).toBe("refuted");
  expect(verdictOf(check, found({ status: { ...at, updated: written({ status: {} }) }, watched }))).toBe("refuted");
});

test("a Service that asks for a free address is given just that", () => {
  const check = serviceAsksForAddress.make({ name: "asks", for: "free" });
  const given = { ...asked, code: 201, message: "", given: "10.96.0.9" };
  expect(verdictOf(check, given)).toBe("holds");
  expect(verdictOf(check, { ...given, given: "10.96.3.8" })).toBe("refuted");
  expect(verdictOf(check, asked)).toBe("refuted");
});
