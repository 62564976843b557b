import { expect, test } from "vitest";
import { ownLabel } from "../claim/world.ts";
import { inTheWay, Objects, takenNodePorts } from "./taken.ts";

const own = { labels: { [ownLabel]: "lab" } };
const parse = (...items: { kind: string; metadata: object; spec?: object }[]) =>
  Objects.parse({ items: items.map((item, index) => ({ ...item, metadata: { uid: `${index}`, ...item.metadata } })) });

test("what others have under the lab's names and labels is in its way, and what the suite made is not", () => {
  const found = parse(
    { kind: "Deployment", metadata: { name: "web-app", ...own, uid: "d" } },
    { kind: "ReplicaSet", metadata: { name: "web-app-1", uid: "r", ownerReferences: [{ uid: "d" }] } },
    { kind: "Pod", metadata: { name: "web-app-1-a", labels: { app: "web" }, ownerReferences: [{ uid: "r" }] } },
    { kind: "Service", metadata: { name: "web-clusterip", ...own } },
    { kind: "Service", metadata: { name: "kubernetes" } },
    { kind: "Service", metadata: { name: "web-nodeport" } },
    { kind: "Pod", metadata: { name: "shop", labels: { app: "web" } } },
    { kind: "Pod", metadata: { name: "stranger", labels: { app: "other" } } },
    { kind: "NetworkPolicy", metadata: { name: "deny" } },
    { kind: "ResourceQuota", metadata: { name: "small" } },
  );
  const lab = {
    objects: ["Deployment/web-app", "Service/web-clusterip", "Service/web-nodeport"],
    labels: { app: "web" },
  };
  expect(inTheWay(found, undefined)).toEqual([]);
  expect(inTheWay(found, lab)).toEqual([
    "Service web-nodeport",
    "Pod shop",
    "NetworkPolicy deny",
    "ResourceQuota small",
  ]);
});

test("node ports of others are taken, and those of the suite are not", () => {
  const ports = (...nodePorts: number[]) => ({ ports: nodePorts.map((nodePort) => ({ nodePort })) });
  const services = parse(
    { kind: "Service", metadata: { name: "mine", namespace: "shop" }, spec: ports(30_080, 30_443) },
    { kind: "Service", metadata: { name: "web", namespace: "cast-1" }, spec: ports(30_500) },
    { kind: "Service", metadata: { name: "web-nodeport", namespace: "default", ...own }, spec: ports(30_007) },
    { kind: "Service", metadata: { name: "kubernetes", namespace: "default" }, spec: { ports: [{}] } },
  );
  const namespaces = parse({ kind: "Namespace", metadata: { name: "cast-1", ...own } });
  expect(takenNodePorts(services, namespaces)).toEqual({ 30080: "shop/mine", 30443: "shop/mine" });
});
