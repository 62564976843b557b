import { expect, test } from "vitest";
import type { WorldNode } from "../claim/world.ts";
import { cellNamed } from "../cluster/cells.ts";
import { compareWithCell } from "./compare.ts";

const node = (name: string, role: WorldNode["role"]): WorldNode => ({
  ...{ name, role, kubelet: "v1.37.0", proxyMode: "nftables" },
  ...{ addresses: ["172.31.0.2"], podCIDRs: [], runtime: "containerd", kernel: "6", os: "Debian" },
  takesPods: role === "worker",
});
const world = {
  ...{
    kubernetes: "v1.37.0",
    kind: "v0.33.0",
    proxyMode: "nftables" as const,
    ipFamilies: ["ipv4" as const],
    cni: "kindnet",
  },
  nodes: [node("a", "control-plane"), node("b", "worker"), node("c", "worker")],
};

test("a cluster that is what its cell says passes", () => {
  expect(() => compareWithCell(cellNamed("1.37.0-nftables"), world)).not.toThrow();
});

test("a cluster of another version, mode, family or size is named with all that differs", () => {
  expect(() => compareWithCell(cellNamed("1.37.0-nftables"), { ...world, nodes: world.nodes.slice(0, 2) })).toThrow(
    "the cluster is not the cell 1.37.0-nftables: workers is 1 and not 2",
  );
  expect(() => compareWithCell(cellNamed("1.37.0-dual"), world)).toThrow(
    "IP families is ipv4 and not ipv4+ipv6; a's kube-proxy is nftables and not iptables; b's kube-proxy",
  );
  expect(() => compareWithCell(cellNamed("1.37.0-flannel"), world)).toThrow("CNI plugin is kindnet and not flannel");
  expect(() => compareWithCell(cellNamed("1.24.0"), world)).toThrow("Kubernetes is v1.37.0 and not v1.24.0");
});
