import { expect, test } from "vitest";
import { readImageLock } from "../source/image-lock.ts";
import { cellNamed, configOf, lockOf, readCells } from "./cells.ts";

const lock = readImageLock();

test("the image lock's own version is a cell, with the same node image", () => {
  const own = readCells().find(({ kubernetes, proxyMode, ipFamily, cni, workers }) => {
    return kubernetes === lock.node.kubernetes && (proxyMode ?? ipFamily ?? cni ?? workers) === undefined;
  });
  expect(own?.node).toBe(lock.node.published);
  expect(own?.kind).toBe(lock.kind.version);
});

test("a cell's name begins with its Kubernetes version, and its node image is of that version", () => {
  for (const { id, kubernetes, node } of readCells()) {
    expect(`v${id}`).toContain(kubernetes);
    if (node !== undefined) expect(node).toContain(`:${kubernetes}@`);
  }
});

test("a cell's versions replace the image lock's, and workloads stay", () => {
  const { node, kind, workloads } = lockOf(cellNamed("1.28.0"), lock);
  expect(node).toEqual({ kubernetes: "v1.28.0", built: lock.node.built });
  expect(kind).toEqual(lock.kind);
  expect(workloads).toBe(lock.workloads);
  expect(lockOf({ ...cellNamed("1.24.0"), kind: "v0.20.0" }, lock).kind).toEqual({ version: "v0.20.0", sha256: {} });
});

test("a cell says what is not kind's default, and nothing else", () => {
  expect(configOf(cellNamed("1.37.0"))).toEqual(configOf());
  expect(configOf(cellNamed("1.37.0-nftables"))).toMatchObject({ networking: { kubeProxyMode: "nftables" } });
  expect(configOf(cellNamed("1.37.0-flannel"))).toMatchObject({ networking: { disableDefaultCNI: true } });
  expect(configOf({ ...cellNamed("1.37.0"), workers: 0 })["nodes"]).toEqual([{ role: "control-plane" }]);
});

test("a name that no cell has is told those that there are", () => {
  expect(() => cellNamed("1.99")).toThrow("there is no cell 1.99");
});
