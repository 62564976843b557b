import { expect, test } from "vitest";
import { decidingLines } from "./deciding.ts";

test("lines are found by the values that stand in them alone, and cut at these", () => {
  const output = ["default via 172.31.0.1", "10.244.3.0/24 via 172.31.0.3 dev eth0", "10.244.3.10 dev veth"].join("\n");
  expect(decidingLines(output, ["10.244.3.1", "172.31.0.3"])).toEqual([
    ["10.244.3.0/24 via ", "172.31.0.3", " dev eth0"],
  ]);
  expect(decidingLines("net:[4026533843] and x", ["net:[4026533843]"])).toEqual([["", "net:[4026533843]", " and x"]]);
});

test("an address is found with the port behind it", () => {
  expect(decidingLines("10.244.1.2:54732", ["10.244.1.2"])).toEqual([["", "10.244.1.2", ":54732"]]);
  expect(decidingLines("fd00::1:2", ["fd00::1"])).toEqual([]);
});

test("how a request ended is found as curl prints it", () => {
  expect(decidingLines("server-1\nHTTP-STATUS 200\n", ["answered"])).toEqual([["", "HTTP-STATUS 200", ""]]);
  expect(decidingLines("HTTP-STATUS 000\ncurl: (28) Connection timed out", ["silent"])).toEqual([
    ["curl: (28) Connection ", "timed out", ""],
  ]);
});

test("of many lines those with the most values are shown, in their order", () => {
  const output = ["eth0", "eth0 10.1.0.1", "eth0", "eth0 eth0", "10.1.0.1 eth0"].join("\n");
  expect(decidingLines(output, ["eth0", "10.1.0.1"]).map((pieces) => pieces.join(""))).toEqual([
    "eth0",
    "eth0 10.1.0.1",
    "10.1.0.1 eth0",
  ]);
});

test("what is short, or not there, marks nothing", () => {
  expect(decidingLines("0 restarts", ["0"])).toEqual([]);
  expect(decidingLines("", ["answered"])).toEqual([]);
  expect(decidingLines("anything", [])).toEqual([]);
});
