import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { entered, forClaim, keepLedger } from "../helpers/host/ledger.ts";
import { claimTimes, readLedger, sumOf } from "./ledger.ts";

test("what is done for a claim stands in the ledger under its name, what is done for all without one", async () => {
  const out = mkdtempSync(join(tmpdir(), "ledger-"));
  onTestFinished(() => rmSync(out, { recursive: true }));
  expect(readLedger(out)).toEqual([]);
  using _ = keepLedger(out);
  const nothing = async () => {};
  await Promise.all([
    forClaim("a", async () => {
      await entered("request", "POST /api/v1/pods", nothing, { pods: 2 });
      await entered("wait", "them", nothing);
      await entered("command", "ip route", nothing);
    }),
    forClaim("b", async () => entered("request", "GET /version", nothing)),
    entered("phase", "claims", nothing),
  ]);
  await expect(entered("command", "false", () => Promise.reject(new Error("no")))).rejects.toThrow("no");
  const entries = readLedger(out);
  expect(readFileSync(join(out, "ledger.jsonl"), "utf8").trimEnd().split("\n")).toHaveLength(entries.length);
  expect(sumOf(entries)).toEqual({ requests: 2, commands: 2, pods: 2 });
  const ofA = { claim: "a", requests: 1, commands: 1, pods: 2, waits: [expect.objectContaining({ what: "them" })] };
  const ofB = { claim: "b", requests: 1, commands: 0, pods: 0, waits: [] };
  expect(claimTimes(entries)).toEqual([expect.objectContaining(ofA), expect.objectContaining(ofB)]);
  expect(entries.filter(({ claim }) => claim === undefined).map(({ what }) => what)).toEqual(["claims", "false"]);
});
