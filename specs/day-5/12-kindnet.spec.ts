import { randomInt } from "node:crypto";
import { basename } from "node:path";
import type { V1DaemonSet } from "@kubernetes/client-node";
import { expect } from "vitest";
import { parseAllDocuments } from "yaml";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { answered } from "../../helpers/lab/ask.ts";
import { editFile, moveFile, stopProcess } from "../../helpers/lab/changes.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import type { NodePeer } from "../../helpers/lab/peers.ts";
import { nameOf } from "../../helpers/lab/pods.ts";
import { letsEverybodyIn, underPolicy } from "../../helpers/lab/policy.ts";
import { live } from "../../helpers/lab/spec.ts";
import { request } from "../../helpers/probe/http.ts";
import { contains, hostPrefix } from "../../helpers/probe/ip.ts";
import { interfaceTowards, routesOf, vethsOf } from "../../helpers/probe/links.ts";
import { jsonOf, outputOf } from "../../helpers/probe/peer.ts";
import { processOf } from "../../helpers/probe/processes.ts";
import { claim, printed } from "./article.ts";
import { type Conflist, configurationsOf, conflistPath, readConflist } from "./conflist.ts";

/** The configuration that the article prints. */
const sample = JSON.parse(printed("405-434")) as Conflist;

async function conflists(lab: Lab): Promise<{ node: string; podCIDRs: readonly string[]; conflist: Conflist }[]> {
  return Promise.all(
    lab.nodes.map(async (node) => ({
      node: node.name,
      podCIDRs: node.podCIDRs,
      conflist: await readConflist(node),
    })),
  );
}

const sampleIpam = sample.plugins[0]?.ipam;

type Edit = (conflist: Conflist) => unknown;
type Plugin = Conflist["plugins"][number];

/** Returns an edit of the first plugin, ptp. */
function withPtp(edit: (ptp: Plugin) => unknown): Edit {
  return ({ plugins: [ptp, ...others], ...conflist }) => ({
    ...conflist,
    plugins: [...(ptp === undefined ? [] : [edit(ptp)]), ...others],
  });
}

/** Returns an edit of how ptp manages addresses. */
function withIpam(edit: (ipam: Plugin["ipam"]) => unknown): Edit {
  return withPtp((ptp) => ({ ...ptp, ipam: edit(ptp.ipam) }));
}

async function editConflist(lab: Lab, node: NodePeer, edit: Edit): Promise<void> {
  await editFile(lab, node, conflistPath, (text) => JSON.stringify(edit(JSON.parse(text) as Conflist)));
}

/** A control that edits the configuration of some nodes; kindnetd writes it only when the node's subnets change. */
function withConflist(name: string, nodes: (lab: Lab) => readonly NodePeer[], edit: Edit, { alone = false } = {}) {
  return live(
    name,
    async (lab) => {
      for (const node of nodes(lab)) await editConflist(lab, node, edit);
    },
    { alone, lane: "conflist" },
  );
}

claim("conflist-path", {
  observe: async (lab) =>
    Promise.all(
      lab.nodes.map(async (node) => ({
        node: node.name,
        files: await configurationsOf(node),
      })),
    ),
  judge: (nodes) => {
    for (const { node, files } of nodes)
      expect(files, `CNI configurations of ${node}`).toContain(basename(conflistPath));
  },
  control: live(
    "the control plane's configuration has another name",
    (lab) => moveFile(lab, lab.controlPlane, conflistPath, conflistPath.replace("kindnet", "moved")),
    { lane: "conflist" },
  ),
});

claim("conflist-cni-version", {
  observe: conflists,
  judge: (nodes) => {
    for (const { node, conflist } of nodes)
      expect(conflist.cniVersion, `cniVersion on ${node}`).toBe(sample.cniVersion);
  },
  control: withConflist(
    "the control plane's configuration says another version",
    ({ nodes }) => nodes.slice(0, 1),
    (conflist) => ({ ...conflist, cniVersion: "1.0.0" }),
  ),
});

claim("conflist-name", {
  observe: conflists,
  judge: (nodes) => {
    for (const { node, conflist } of nodes) expect(conflist.name, `name on ${node}`).toBe(sample.name);
  },
  control: withConflist(
    "the control plane's configuration has another name in it",
    ({ nodes }) => nodes.slice(0, 1),
    (conflist) => ({ ...conflist, name: "another" }),
  ),
});

claim("conflist-ipmasq-is-false", {
  observe: conflists,
  judge: (nodes) => {
    for (const { node, conflist } of nodes)
      expect(conflist.plugins[0]?.ipMasq, `ipMasq of ptp on ${node}`).toBe(sample.plugins[0]?.ipMasq);
  },
  control: withConflist(
    "the control plane's ptp masquerades",
    ({ nodes }) => nodes.slice(0, 1),
    withPtp((ptp) => ({ ...ptp, ipMasq: true })),
  ),
});

claim("conflist-data-dir", {
  observe: async (lab) => {
    const conflist = await readConflist(lab.worker(0));
    const dataDir = conflist.plugins[0]?.ipam?.dataDir ?? null;
    const listed = await lab.worker(0).run("what is kept there", ["ls", `${dataDir}/${conflist.name}`]);
    return { dataDir, kept: listed.stdout.split("\n").filter(Boolean), podOnThatNode: lab.pod("client-1").address };
  },
  judge: ({ dataDir, kept, podOnThatNode }) => {
    expect(dataDir, "dataDir of host-local").toBe(sample.plugins[0]?.ipam?.dataDir);
    expect(kept, "files in it").toContain(podOnThatNode);
  },
  control: withConflist(
    "a worker's host-local keeps its leases elsewhere",
    ({ nodes }) => nodes.filter(({ role }) => role === "worker").slice(0, 1),
    withIpam((ipam) => ({ ...ipam, dataDir: "/run/elsewhere" })),
    { alone: true },
  ),
});

claim("conflist-routes", {
  observe: conflists,
  judge: (nodes) => {
    for (const { node, conflist } of nodes)
      expect(conflist.plugins[0]?.ipam?.routes, `routes that pods of ${node} get`).toEqual(
        sample.plugins[0]?.ipam?.routes,
      );
  },
  control: withConflist(
    "pods get the routes that the article prints",
    ({ nodes }) => nodes,
    withIpam((ipam) => ({ ...ipam, routes: sampleIpam?.routes })),
    { alone: true },
  ),
});

claim("conflist-range-is-the-node-subnet", {
  observe: conflists,
  judge: (nodes) => {
    for (const { node, podCIDRs, conflist } of nodes)
      expect(conflist.plugins[0]?.ipam?.ranges, `ranges on ${node}: one for each of its subnets`).toEqual(
        podCIDRs.map((subnet) => [{ subnet }]),
      );
  },
  control: withConflist(
    "the control plane gives out addresses of another subnet",
    ({ nodes }) => nodes.slice(0, 1),
    withIpam((ipam) => ({ ...ipam, ranges: [[{ subnet: "10.244.200.0/24" }]] })),
  ),
});

claim("conflist-subnet-of-the-control-plane", {
  observe: async (lab) => ({
    node: lab.controlPlane.name,
    podSubnets: lab.world.podSubnets,
    subnets: (await readConflist(lab.controlPlane)).plugins[0]?.ipam?.ranges?.flat().map(({ subnet }) => subnet) ?? [],
  }),
  judge: ({ node, podSubnets, subnets }) => {
    expect(subnets.length, `subnets in the configuration of ${node}, the node that the article enters`).toBeGreaterThan(
      0,
    );
    for (const subnet of subnets)
      expect(
        contains(podSubnets, subnet.replace(/\/.*/, "")),
        `${subnet} in the configuration of ${node}, inside ${podSubnets.join(", ")} as the printed one is`,
      ).toBe(true);
  },
  control: withConflist(
    "the control plane gives out addresses that are none of the cluster's pods'",
    ({ nodes }) => nodes.slice(0, 1),
    withIpam((ipam) => ({ ...ipam, ranges: [[{ subnet: "198.51.100.0/24" }]] })),
  ),
});

claim("conflist-chains-portmap", {
  observe: async (lab) => {
    const lists = await conflists(lab);
    const name = "host-port";
    // Above node ports and the ports that the kernel gives out (32768-60999), so that hardly anything has it.
    const port = 61_000 + randomInt(4_000);
    const containers = [{ ...lab.objects.serverContainer, ports: [{ containerPort: 8080, hostPort: port }] }];
    const pod = lab.objects.serverPod(name, {}, { nodeName: lab.worker(0).name, containers });
    const url = `http://${lab.worker(0).on(port)}/hostname`;
    const without = await lab.eventually(
      () => request(lab.outsider, url, lab.timeouts.silence),
      ({ outcome }) => outcome !== "answered",
    );
    await lab.pods.start(pod);
    const withPod = await lab.eventually(() => request(lab.outsider, url, lab.timeouts.attempt), answered);
    return { plugins: lists.map(({ node, conflist }) => ({ node, last: conflist.plugins.at(-1) })), without, withPod };
  },
  judge: ({ plugins, without, withPod }) => {
    positiveControl(!answered(without), "nothing answers on that port of the node without the pod");
    for (const { node, last } of plugins) expect(last, `the last plugin on ${node}`).toEqual(sample.plugins.at(-1));
    expect(withPod.body, "who answered on the node's port").toBe("host-port");
  },
  control: withConflist(
    "portmap is not in the control plane's configuration",
    ({ nodes }) => nodes.slice(0, 1),
    (conflist) => ({ ...conflist, plugins: conflist.plugins.slice(0, 1) }),
  ),
});

claim("conflist-sample-is-complete", {
  observe: async (lab) => {
    const printed = keyPaths(sample);
    return (await conflists(lab)).map(({ node, conflist }) => {
      const found = keyPaths(conflist);
      const without = (some: string[], others: string[]) => [...new Set(some)].filter((path) => !others.includes(path));
      return { node, missing: without(printed, found), besides: without(found, printed) };
    });
  },
  judge: (nodes) => {
    for (const { node, missing } of nodes) expect(missing, `fields of the sample that ${node} lacks`).toEqual([]);
  },
  control: withConflist(
    "the control plane's configuration does not say whether ptp masquerades",
    ({ nodes }) => nodes.slice(0, 1),
    withPtp((ptp) => ({ ...ptp, ipMasq: undefined })),
  ),
});

/** Every path of keys in a JSON value; list entries count as one. */
function keyPaths(value: unknown, prefix = ""): string[] {
  if (Array.isArray(value)) return value.flatMap((entry) => keyPaths(entry, `${prefix}[]`));
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => [`${prefix}.${key}`, ...keyPaths(inner, `${prefix}.${key}`)]);
}

claim("pods-get-addresses-of-the-node-subnet", {
  observe: async (lab) => {
    const pods = await lab.api.list("all pods of the cluster", "Pod");
    const subnets = Object.fromEntries(lab.nodes.map(({ name, podCIDRs }) => [name, podCIDRs]));
    return pods
      .filter(({ spec, status }) => spec?.hostNetwork !== true && status?.phase === "Running")
      .flatMap(({ metadata, spec, status }) =>
        (status?.podIPs ?? []).map(({ ip }) => ({
          pod: `${metadata?.namespace}/${metadata?.name}`,
          ip,
          node: spec?.nodeName ?? "",
          subnets: subnets[spec?.nodeName ?? ""] ?? [],
        })),
      );
  },
  judge: (pods) => {
    positiveControl(new Set(pods.map(({ node }) => node)).size >= 2, "there are pods on several nodes");
    for (const { pod, ip, node, subnets } of pods)
      expect(contains(subnets, ip), `${pod} has ${ip}, inside ${subnets.join(", ")} of ${node}`).toBe(true);
  },
  control: live(
    "a pod of the control plane gets an address of another subnet",
    async (lab) => {
      await editConflist(
        lab,
        lab.controlPlane,
        withIpam((ipam) => ({ ...ipam, ranges: [[{ subnet: "10.244.200.0/24" }]] })),
      );
      await lab.pods.start(
        lab.objects.clientPod("misplaced", { nodeName: lab.controlPlane.name, tolerations: [{ operator: "Exists" }] }),
      );
    },
    { lane: "conflist" },
  ),
});

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
  control: live("a second link leads to a pod", async (lab) => {
    const node = lab.worker(0);
    // Another pod of the cast's, since others come and go, and their links with them.
    const other = await interfaceTowards(node, lab.family, lab.pod("client-1").address);
    // Behind the first one, so that no packet takes it.
    const words = [hostPrefix(lab.pod("pair").address), "dev", other, "metric", "500"];
    lab.afterwards(async () => void (await outputOf(node, "one way again", ["ip", "route", "del", ...words])));
    await outputOf(node, "another way to the pod", ["ip", "route", "add", ...words]);
  }),
});

/** Pods that stay for the whole run; other checks make and delete their own meanwhile. */
const castPods = new Set(["client-1", "server-1", "pair", "never-ready"]);

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

claim("kindnet-has-no-network-policy", {
  observe: (lab) => underPolicy(lab, "policy"),
  judge: letsEverybodyIn,
  control: {
    name: "under the policy the pod's end is the other one (which one it is, is in kindnetd's program)",
    alter: ({ under, ...found }) => ({
      ...found,
      under: { ...under, outcome: answered(under) ? ("silent" as const) : ("answered" as const) },
    }),
  },
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

claim("conflist-structure", {
  observe: conflists,
  judge: (nodes) => {
    for (const { node, conflist } of nodes) {
      expect(Object.keys(conflist), `fields on ${node}`).toEqual(expect.arrayContaining(Object.keys(sample)));
      expect(
        conflist.plugins.map(({ type }) => type),
        `plugins on ${node}, in their order`,
      ).toEqual(sample.plugins.map(({ type }) => type));
    }
  },
  control: withConflist(
    "portmap comes first in the control plane's configuration",
    ({ nodes }) => nodes.slice(0, 1),
    (conflist) => ({ ...conflist, plugins: conflist.plugins.toReversed() }),
  ),
});
