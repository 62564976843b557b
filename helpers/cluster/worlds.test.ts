import { expect, test } from "vitest";
import { configOf } from "./cells.ts";
import { configIn, engineConfigIn, needOwnCluster, readWorlds, worldsOf } from "./worlds.ts";

const file = (...worlds: string[]) => `worlds:\n${worlds.map((world) => `  - ${world}\n`).join("")}`;
const small =
  "{ id: small, what: one node alone, group: g, config: { workers: 0, networking: { podSubnet: 10.0.0.0/16 } } }";
const ports =
  "{ id: ports, what: a published port, group: g, config: { worker: { extraPortMappings: [] }, kubeadmConfigPatches: [a] } }";

test("a configuration has what all its worlds have otherwise, on the first node of a role", () => {
  const config = configIn(configOf(), readWorlds(file(ports, small.replace("workers: 0", "workers: 3"))));
  expect(config.nodes).toEqual([
    { role: "control-plane" },
    { role: "worker", extraPortMappings: [] },
    { role: "worker" },
    { role: "worker" },
  ]);
  expect(config["networking"]).toEqual({ podSubnet: "10.0.0.0/16" });
  expect(config["kubeadmConfigPatches"]).toEqual(["a"]);
});

test("without worlds the configuration is as it was", () => {
  expect(configIn(configOf(), [])).toEqual(configOf());
});

test("a world that only changes a running cluster needs none of its own", () => {
  const [live] = readWorlds(
    file("{ id: live, what: an object more, group: g, change: [{ on: nodes, do: a, undo: b }] }"),
  );
  expect(needOwnCluster(live === undefined ? [] : [live])).toBe(false);
  expect(needOwnCluster(readWorlds(file(small)))).toBe(true);
});

test("two worlds of one name and an unknown one are told", () => {
  expect(() => readWorlds(file(small, small))).toThrow("has the world small twice");
  expect(() => worldsOf({ worlds: ["nonsense"] })).toThrow("there is no world nonsense");
});

test("an engine is started with what all worlds have in its configuration, and one that runs is not changed", () => {
  const worlds = readWorlds(
    file(
      "{ id: apart, what: containers apart, group: g, engine: { daemon: { icc: false } } }",
      "{ id: told, what: a proxy told to docker, group: g, engine: { client: { proxies: {} } } }",
    ),
  );
  expect(engineConfigIn(worlds, false)).toEqual({ daemon: { icc: false }, client: { proxies: {} } });
  expect(() => engineConfigIn(worlds, true)).toThrow("the world apart needs an engine");
  expect(engineConfigIn([], true)).toEqual({ daemon: {}, client: {} });
});
