import { expect, test } from "vitest";
import { ownLabel } from "../claim/world.ts";
import { inTheWay, Objects, takenNodePorts } from "./taken.ts";

const own = { labels: { [ownLabel]: "lab" } };
const parse = (...items: { kind: string; metadata: object; spec?: object }[]) =>
  Objects.parse({ items: items.map((item, index) => ({ ...item, metadata: { uid: `${index}`, ...item.metadata } })) });

test("what others have under the lab's names and labels is in its way, and what the suite made is not", () => {
  const found = parse(
    { kind: "Deployment", metadata: { name: "shop-app", ...own, uid: "d" } },
    { kind: "ReplicaSet", metadata: { name: "shop-app-1", uid: "r", ownerReferences: [{ uid: "d" }] } },
    { kind: "Pod", metadata: { name: "shop-app-1-a", labels: { app: "shop" }, ownerReferences: [{ uid: "r" }] } },
    { kind: "Service", metadata: { name: "shop-inside", ...own } },
    { kind: "Service", metadata: { name: "kubernetes" } },
    { kind: "Service", metadata: { name: "shop-outside" } },
    { kind: "Pod", metadata: { name: "shop", labels: { app: "shop" } } },
    { kind: "Pod", metadata: { name: "stranger", labels: { app: "other" } } },
    { kind: "NetworkPolicy", metadata: { name: "deny" } },
    { kind: "ResourceQuota", metadata: { name: "small" } },
  );
  const lab = {
    objects: ["Deployment/shop-app", "Service/shop-inside", "Service/shop-outside"],
    labels: { app: "shop" },
  };
  expect(inTheWay(found, undefined)).toEqual([]);
  expect(inTheWay(found, lab)).toEqual([
    "Service shop-outside",
    "Pod shop",
    "NetworkPolicy deny",
    "ResourceQuota small",
  ]);
});

test("node ports of others are taken, and those of the suite are not", () => {
  const ports = (...nodePorts: number[]) => ({ ports: nodePorts.map((nodePort) => ({ nodePort })) });
  const services = parse(
    { kind: "Service", metadata: { name: "mine", namespace: "shop" }, spec: ports(31_000, 30_443) },
    { kind: "Service", metadata: { name: "shop", namespace: "cast-1" }, spec: ports(30_500) },
    { kind: "Service", metadata: { name: "shop-outside", namespace: "default", ...own }, spec: ports(31_007) },
    { kind: "Service", metadata: { name: "kubernetes", namespace: "default" }, spec: { ports: [{}] } },
  );
  const namespaces = parse({ kind: "Namespace", metadata: { name: "cast-1", ...own } });
  expect(takenNodePorts(services, namespaces)).toEqual({ 31000: "shop/mine", 30443: "shop/mine" });
});
