import type { V1DaemonSet } from "@kubernetes/client-node";
import { expect } from "vitest";
import { parseAllDocuments } from "yaml";
import { editFile, secondRouteTo, stopProcess } from "../../helpers/changes/nodes.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { answered } from "../../helpers/lab/ask.ts";
import type { NodePeer } from "../../helpers/lab/peers.ts";
import { nameOf } from "../../helpers/lab/pods.ts";
import { letsEverybodyIn, underPolicy } from "../../helpers/lab/policy.ts";
import { live } from "../../helpers/lab/spec.ts";
import { interfaceTowards, routesOf, vethsOf } from "../../helpers/probe/links.ts";
import { jsonOf, outputOf } from "../../helpers/probe/peer.ts";
import { processOf } from "../../helpers/probe/processes.ts";
import { claim } from "./article.ts";

claim("kindnet-is-made-for-kind", {
  observe: async (lab) => {
    const node = lab.controlPlane;
    const manifest = await outputOf(node, "where it comes from", ["cat", "/kind/manifests/default-cni.yaml"]);
    // It is a template: a placeholder such as {{ .PodSubnet }} reads as a key that is a map, of which the library would warn.
    const objects = parseAllDocuments(manifest, { logLevel: "error" }).map(
      (document) => document.toJS() as V1DaemonSet | null,
    );
    const kindnet = objects.find((object) => object?.kind === "DaemonSet" && object.metadata?.name === "kindnet");
    return { image: kindnet?.spec?.template.spec?.containers[0]?.image ?? null };
  },
  judge: ({ image }) => {
    expect(image, "the image of kindnet in the manifest that kind's node image carries").not.toBeNull();
    expect(image, "that image, named after the project that publishes it").toMatch(/(^|\/)kindest\/kindnetd:/);
  },
  control: live(
    "the node image carries the manifest of another plugin",
    (lab) =>
      editFile(lab, lab.controlPlane, "/kind/manifests/default-cni.yaml", (text) =>
        text.replaceAll("kindnet", "other"),
      ),
    { lane: "kind's manifest" },
  ),
});

/** Pods that stay for the whole run; other checks make and delete their own meanwhile. */
const castPods = new Set(["client-1", "server-1", "pair", "never-ready"]);

claim("one-veth-per-pod", {
  observe: async (lab) => {
    const node = lab.worker(0);
    const [links, routes, pods] = await Promise.all([
      vethsOf(node),
      routesOf(node, lab.family),
      lab.api.list("all pods of the cluster", "Pod"),
    ]);
    return {
      castOnTheNode: pods
        .filter(
          (pod) =>
            pod.metadata?.namespace === lab.namespace && pod.spec?.nodeName === node.name && castPods.has(nameOf(pod)),
        )
        .map((pod) => ({ pod: pod.metadata?.name, ip: pod.status?.podIP })),
      veths: links.map(({ ifname }) => ifname).filter((name) => name.startsWith("veth")),
      routes: routes.flatMap(({ dst, dev }) => (dev?.startsWith("veth") === true ? [{ dst, dev }] : [])),
    };
  },
  judge: ({ castOnTheNode, veths, routes }) => {
    positiveControl(castOnTheNode.length >= 3, "several pods of the cast are on the node");
    const devices = castOnTheNode.map(({ pod, ip }) => ({
      pod,
      device: routes.filter(({ dst }) => dst === ip).map(({ dev }) => dev),
    }));
    for (const { pod, device } of devices)
      expect(device.filter((name) => veths.includes(name)).length, `veth interfaces with a route to ${pod}`).toBe(1);
    expect(new Set(devices.flatMap(({ device }) => device)).size, "different interfaces of those pods").toBe(
      castOnTheNode.length,
    );
  },
  control: live("a second link leads to a pod", (lab) => secondRouteTo(lab, "pair", "client-1")),
});

claim("kindnet-rides-on-the-bridge-network", {
  observe: async (lab) => {
    const node = lab.worker(0);
    const address = lab.ofFamily(node.addresses);
    const networks = await lab.engine.networksOf("the networks of the node's container", node.name);
    // It may be on others too, and each start may give its interfaces other names.
    const [network] =
      Object.entries(networks).find(([, ends]) => [ends.IPAddress, ends.GlobalIPv6Address].includes(address)) ?? [];
    const driver =
      network === undefined
        ? ""
        : await lab.engine.driverOf("the driver of the network that has the node's address", network);
    const links = await jsonOf<{ ifname?: string; addr_info?: { local?: string }[] }[]>(node, "the node's interfaces", [
      "ip",
      "-json",
      "address",
    ]);
    const device = links.find(({ addr_info = [] }) => addr_info.some(({ local }) => local === address))?.ifname ?? null;
    const routes = await routesOf(node, lab.family);
    const others = lab.nodes.filter(({ name }) => name !== node.name);
    return {
      ...{ address, network: network ?? null, driver, device },
      routes: others.map(({ name, podCIDRs, addresses }) => ({
        to: name,
        addresses,
        route: routes.find(({ dst }) => podCIDRs.includes(dst)) ?? null,
      })),
    };
  },
  judge: ({ address, network, driver, device, routes }) => {
    positiveControl(network !== null && device !== null, `a network and an interface of the node have ${address}`);
    expect(driver, `driver of ${network}, the network that has the node's address ${address}`).toBe("bridge");
    for (const { to, addresses, route } of routes) {
      expect(route?.dev, `the interface of the route to the pods of ${to}`).toBe(device);
      expect(addresses, `addresses of ${to}, which is that route's gateway`).toContain(route?.gateway);
    }
  },
  control: live("a worker sends what is for the control plane's pods to the other worker first", async (lab) => {
    const node = lab.worker(0);
    const pid = await processOf(node, "kindnetd");
    const subnet = lab.ofFamily(lab.controlPlane.podCIDRs);
    const device = await interfaceTowards(node, lab.family, subnet);
    const way = (gateway: string) =>
      outputOf(node, "the way to the control plane's pods", [
        ...["ip", "route", "replace", subnet, "via", gateway, "dev", device],
      ]);
    lab.afterwards(async () => {
      await way(lab.ofFamily(lab.controlPlane.addresses));
      await outputOf(node, "let kindnetd go on", ["kill", "-CONT", pid]);
    });
    // It would set the route right within seconds.
    await stopProcess(lab, node, "stop kindnetd", pid);
    await way(lab.ofFamily(lab.worker(1).addresses));
  }),
});

claim("kindnet-is-light", {
  observe: async (lab) => {
    const daemonSet = await lab.api.get("the DaemonSet kindnet", "DaemonSet", "kindnet", "kube-system");
    const container = daemonSet.spec?.template.spec?.containers[0];
    const usedOn = async ({ name }: NodePeer) => {
      const { pods } = await lab.api.read<{
        pods: {
          podRef: { name: string; namespace: string };
          containers?: { memory?: { workingSetBytes?: number } }[];
        }[];
      }>(`what the pods of ${name} use`, `/api/v1/nodes/${name}/proxy/stats/summary`);
      const kindnet = pods.find(
        ({ podRef }) => podRef.namespace === "kube-system" && podRef.name.startsWith("kindnet-"),
      );
      return { node: name, bytes: kindnet?.containers?.[0]?.memory?.workingSetBytes ?? 0 };
    };
    const used = await lab.until(
      "the kubelets to tell what kindnet uses",
      () => Promise.all(lab.nodes.map(usedOn)),
      (all) => all.every(({ bytes }) => bytes > 0),
      // They ask cAdvisor for a new pod's figures when they come to it.
      lab.timeouts.podsReady,
    );
    return {
      containers: daemonSet.spec?.template.spec?.containers.length,
      request: container?.resources?.requests?.["memory"] ?? "",
      limit: container?.resources?.limits?.["memory"] ?? null,
      used,
    };
  },
  judge: ({ containers, request, used }) => {
    expect(request, "memory that it asks for").toBe("50Mi");
    for (const { node, bytes } of used) expect(bytes, `bytes of memory in use on ${node}`).toBeLessThan(50 * 2 ** 20);
    expect(containers, "containers in its pod").toBe(1);
  },
  control: live("kindnet asks for more memory", async (lab) => {
    const metadata = { name: "kindnet", namespace: "kube-system" };
    const object = { apiVersion: "apps/v1", kind: "DaemonSet", metadata };
    const { spec } = await lab.api.get("the DaemonSet kindnet", "DaemonSet", "kindnet", "kube-system");
    const asItWas = spec?.template.spec?.containers ?? [];
    const containers = structuredClone(asItWas);
    for (const { resources } of containers)
      if (resources?.requests !== undefined) resources.requests["memory"] = "500Mi";
    // What runs is not touched: it takes its turn only when its pods are deleted.
    const updateStrategy = { type: "OnDelete", rollingUpdate: null };
    lab.afterwards(async () => {
      await lab.api.patch("ask for as much as before", object, {
        spec: { template: { spec: { containers: asItWas } } },
      });
      await lab.api.patch("roll updates out again", object, { spec: { updateStrategy: spec?.updateStrategy } });
    });
    await lab.api.patch("ask for 500 MiB", object, { spec: { updateStrategy, template: { spec: { containers } } } });
  }),
});

claim("kindnet-has-no-network-policy", {
  observe: (lab) => underPolicy(lab, "policy"),
  judge: letsEverybodyIn,
  corrected: (found) => {
    const { before, under, after } = found;
    positiveControl(answered(before) && answered(after), "the pod is answered before and after the policy");
    expect(under.outcome, "the pod, asked under a policy that lets nobody in").not.toBe("answered");
  },
  control: {
    name: "under the policy the pod's end is the other one (which one it is, is in kindnetd's program)",
    alter: ({ under, ...found }) => ({
      ...found,
      under: { ...under, outcome: answered(under) ? ("silent" as const) : ("answered" as const) },
    }),
  },
});
