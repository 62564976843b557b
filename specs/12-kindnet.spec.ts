import type { V1DaemonSet, V1Pod } from "@kubernetes/client-node";
import { expect } from "vitest";
import { parseAllDocuments } from "yaml";
import { printed } from "../helpers/claim/article.ts";
import { editFile, moveFile, stopProcess } from "../helpers/claim/changes.ts";
import { claim } from "../helpers/claim/claim.ts";
import { live } from "../helpers/claim/control.ts";
import type { Lab } from "../helpers/claim/lab.ts";
import { letsEverybodyIn, underPolicy } from "../helpers/claim/policy.ts";
import { positiveControl } from "../helpers/claim/verdict.ts";
import { type Conflist, conflistPath, readConflist } from "../helpers/probe/conflist.ts";
import { hostPort, request } from "../helpers/probe/http.ts";
import { contains, hostPrefix } from "../helpers/probe/ip.ts";
import { routesOf, vethsOf } from "../helpers/probe/links.ts";
import { jsonOf, outputOf, type Peer } from "../helpers/probe/peer.ts";
import type { World, WorldNode } from "../helpers/world/world.ts";

/** The configuration that the article prints. */
const sample = JSON.parse(printed("405-434")) as Conflist;

async function conflists(lab: Lab): Promise<{ node: string; podCIDRs: readonly string[]; conflist: Conflist }[]> {
  return Promise.all(
    lab.world.nodes.map(async (node) => ({
      node: node.name,
      podCIDRs: node.podCIDRs,
      conflist: await readConflist(lab.node(node)),
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

async function editConflist(lab: Lab, node: WorldNode, edit: Edit): Promise<void> {
  await editFile(lab, lab.node(node), conflistPath, (text) => JSON.stringify(edit(JSON.parse(text) as Conflist)));
}

/** A control that edits the configuration of some nodes; kindnetd writes it only when the node's subnets change. */
function withConflist(name: string, nodes: (world: World) => readonly WorldNode[], edit: Edit, { alone = false } = {}) {
  return live(
    name,
    async (lab) => {
      for (const node of nodes(lab.world)) await editConflist(lab, node, edit);
    },
    { alone, lane: "conflist" },
  );
}

async function configurationsOf(node: Peer): Promise<string[]> {
  const listed = await outputOf(node, "CNI configurations", ["find", "/etc/cni/net.d", "-type", "f"]);
  return listed.split("\n").filter(Boolean);
}

claim("conflist-path", {
  observe: async (lab) =>
    Promise.all(
      lab.world.nodes.map(async (node) => ({
        node: node.name,
        files: await configurationsOf(lab.node(node)),
      })),
    ),
  judge: (nodes) => {
    for (const { node, files } of nodes) expect(files, `CNI configurations of ${node}`).toContain(conflistPath);
  },
  control: live(
    "the control plane's configuration has another name",
    (lab) => moveFile(lab, lab.node(lab.controlPlane), conflistPath, conflistPath.replace("kindnet", "moved")),
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
    const conflist = await readConflist(lab.node(lab.worker(0)));
    const dataDir = conflist.plugins[0]?.ipam?.dataDir ?? null;
    const listed = await lab.node(lab.worker(0)).run("what is kept there", ["ls", `${dataDir}/${conflist.name}`]);
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
    subnets:
      (await readConflist(lab.node(lab.controlPlane))).plugins[0]?.ipam?.ranges?.flat().map(({ subnet }) => subnet) ??
      [],
  }),
  judge: ({ node, subnets }) => {
    const printed = sample.plugins[0]?.ipam?.ranges?.flat().map(({ subnet }) => subnet);
    expect(subnets, `subnet in the configuration of ${node}, the node that the article enters`).toEqual(printed);
  },
  control: withConflist(
    "the control plane has the subnet that the article prints",
    ({ nodes }) => nodes.slice(0, 1),
    withIpam((ipam) => ({ ...ipam, ranges: sampleIpam?.ranges })),
  ),
});

claim("conflist-chains-portmap", {
  observe: async (lab) => {
    const lists = await conflists(lab);
    const name = "host-port";
    // Outside the range of node ports: the API server may give any of those to a Service of another check.
    const port = 18_080;
    const pod = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: { name, namespace: lab.namespace },
      spec: {
        nodeName: lab.worker(0).name,
        terminationGracePeriodSeconds: 0,
        containers: [
          {
            name: "server",
            image: lab.image("agnhost"),
            args: ["netexec", "--http-port=8080", "--udp-port=8081"],
            ports: [{ containerPort: 8080, hostPort: port }],
          },
        ],
      },
    };
    const url = `http://${hostPort(lab.worker(0).addresses[0] ?? "", port)}/hostname`;
    const without = await lab.eventually(
      () => request(lab.outsider, url, lab.timeouts.silence),
      ({ outcome }) => outcome !== "answered",
    );
    await lab.create("a pod with a hostPort", pod);
    const withPod = await lab.until(
      "the hostPort to answer",
      () => request(lab.outsider, url, lab.timeouts.attempt),
      ({ outcome }) => outcome === "answered",
      lab.timeouts.podsReady,
    );
    return { plugins: lists.map(({ node, conflist }) => ({ node, last: conflist.plugins.at(-1) })), without, withPod };
  },
  judge: ({ plugins, without, withPod }) => {
    positiveControl(without.outcome !== "answered", "nothing answers on that port of the node without the pod");
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
  observe: conflists,
  judge: (nodes) => {
    const known = new Set(keyPaths(sample));
    for (const { node, conflist } of nodes)
      expect(
        keyPaths(conflist).filter((path) => !known.has(path)),
        `fields on ${node} that the article's sample lacks`,
      ).toEqual([]);
  },
  control: withConflist(
    "the nodes have what the article prints, and nothing else",
    ({ nodes }) => nodes,
    (conflist) => ({
      ...sample,
      plugins: sample.plugins.map((plugin) =>
        plugin.ipam === undefined
          ? plugin
          : { ...plugin, ipam: { ...plugin.ipam, ranges: conflist.plugins[0]?.ipam?.ranges } },
      ),
    }),
    { alone: true },
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
    const { items } = await lab.get<{ items: V1Pod[] }>("all pods of the cluster", "/api/v1/pods");
    const subnets = Object.fromEntries(lab.world.nodes.map(({ name, podCIDRs }) => [name, podCIDRs]));
    return items
      .filter((pod) => pod.spec?.hostNetwork !== true && pod.status?.podIP !== undefined)
      .map((pod) => ({
        pod: `${pod.metadata?.namespace}/${pod.metadata?.name}`,
        ip: pod.status?.podIP ?? "",
        node: pod.spec?.nodeName ?? "",
        subnets: subnets[pod.spec?.nodeName ?? ""] ?? [],
      }));
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
      await lab.start(
        lab.clientPod("misplaced", { nodeName: lab.controlPlane.name, tolerations: [{ operator: "Exists" }] }),
      );
    },
    { lane: "conflist" },
  ),
});

claim("one-veth-per-pod", {
  observe: async (lab) => {
    const node = lab.worker(0);
    const [links, routes, pods] = await Promise.all([
      vethsOf(lab.node(node)),
      routesOf(lab.node(node), lab.family),
      lab.get<{ items: V1Pod[] }>("all pods of the cluster", "/api/v1/pods"),
    ]);
    return {
      castOnTheNode: pods.items
        .filter(
          (pod) =>
            pod.metadata?.namespace === lab.namespace &&
            pod.spec?.nodeName === node.name &&
            castPods.has(pod.metadata?.name ?? ""),
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
    const node = lab.node(lab.worker(0));
    const route = (await routesOf(node, lab.family)).find(({ dst }) => dst === lab.pod("pair").address);
    const other = (await vethsOf(node)).find(({ ifname }) => ifname.startsWith("veth") && ifname !== route?.dev);
    // Behind the first one, so that no packet takes it.
    const words = [hostPrefix(lab.pod("pair").address), "dev", other?.ifname ?? "", "metric", "500"];
    lab.afterwards(async () => void (await outputOf(node, "one way again", ["ip", "route", "del", ...words])));
    await outputOf(node, "another way to the pod", ["ip", "route", "add", ...words]);
  }),
});

/** Pods that stay for the whole run; other checks make and delete their own meanwhile. */
const castPods = new Set(["client-1", "server-1", "pair", "never-ready"]);

claim("kindnet-rides-on-the-bridge-network", {
  observe: async (lab) => {
    const node = lab.worker(0);
    const routes = await routesOf(lab.node(node), lab.family);
    const others = lab.world.nodes.filter(({ name }) => name !== node.name);
    const driver = await outputOf(lab.containerEngine, "the driver of the network kind", [
      "network",
      "inspect",
      "--format",
      "{{.Driver}}",
      lab.world.network,
    ]);
    const networks = await jsonOf<Record<string, { IPAddress: string }>>(
      lab.containerEngine,
      "the networks of the node's container",
      ["inspect", "--format", "{{json .NetworkSettings.Networks}}", node.name],
    );
    return {
      driver: driver.trim(),
      networks: Object.keys(networks),
      routes: others.map(({ name, podCIDRs, addresses }) => ({
        to: name,
        addresses,
        route: routes.find(({ dst }) => podCIDRs.includes(dst)) ?? null,
      })),
    };
  },
  judge: ({ driver, networks, routes }) => {
    expect(networks, "networks of the node's container").toEqual(["kind"]);
    expect(driver, "driver of that network").toBe("bridge");
    for (const { to, addresses, route } of routes) {
      expect(route?.dev, `the interface of the route to the pods of ${to}`).toBe("eth0");
      expect(addresses, `addresses of ${to}, which is that route's gateway`).toContain(route?.gateway);
    }
  },
  control: live("a worker sends what is for the control plane's pods to the other worker first", async (lab) => {
    const node = lab.node(lab.worker(0));
    const pid = (await outputOf(node, "kindnetd's process", ["pgrep", "-xo", "kindnetd"])).trim();
    const way = (gateway = "") =>
      outputOf(node, "the way to the control plane's pods", [
        ...["ip", "route", "replace", lab.controlPlane.podCIDRs[0] ?? "", "via", gateway, "dev", "eth0"],
      ]);
    lab.afterwards(async () => {
      await way(lab.controlPlane.addresses[0]);
      await outputOf(node, "let kindnetd go on", ["kill", "-CONT", pid]);
    });
    // It would set the route right within seconds.
    await stopProcess(lab, node, "stop kindnetd", pid);
    await way(lab.worker(1).addresses[0]);
  }),
});

claim("kindnet-is-made-for-kind", {
  observe: async (lab) => {
    const daemonSet = await lab.get<V1DaemonSet>(
      "the DaemonSet kindnet",
      "/apis/apps/v1/namespaces/kube-system/daemonsets/kindnet",
    );
    const node = lab.node(lab.controlPlane);
    const manifest = await outputOf(node, "where it comes from", ["cat", "/kind/manifests/default-cni.yaml"]);
    return {
      image: daemonSet.spec?.template.spec?.containers[0]?.image ?? "",
      // It is a template: a placeholder such as {{ .PodSubnet }} reads as a key that is a map, of which the library would warn.
      inTheNodeImage: parseAllDocuments(manifest, { logLevel: "error" }).some((document) => {
        const object = document.toJS() as { kind: string; metadata: { name: string } } | null;
        return object?.kind === "DaemonSet" && object.metadata.name === "kindnet";
      }),
    };
  },
  judge: ({ image, inTheNodeImage }) => {
    expect(image, "the image, named after the project that publishes it").toMatch(/^docker\.io\/kindest\/kindnetd:/);
    expect(inTheNodeImage, "kind's node image carries its manifest").toBe(true);
  },
  control: live(
    "the node image carries the manifest of another plugin",
    (lab) =>
      editFile(lab, lab.node(lab.controlPlane), "/kind/manifests/default-cni.yaml", (text) =>
        text.replaceAll("kindnet", "other"),
      ),
    { lane: "kind's manifest" },
  ),
});

claim("kindnet-has-no-network-policy", {
  observe: (lab) => underPolicy(lab, "policy"),
  judge: letsEverybodyIn,
});

claim("kindnet-is-light", {
  observe: async (lab) => {
    const daemonSet = await lab.get<V1DaemonSet>(
      "the DaemonSet kindnet",
      "/apis/apps/v1/namespaces/kube-system/daemonsets/kindnet",
    );
    const container = daemonSet.spec?.template.spec?.containers[0];
    const { items } = await lab.get<{ items: V1Pod[] }>(
      "kindnet's pods",
      "/api/v1/namespaces/kube-system/pods?labelSelector=app%3Dkindnet",
    );
    const used = await Promise.all(
      lab.world.nodes.map(async ({ name }) => {
        const { pods } = await lab.get<{
          pods: { podRef: { name: string }; containers: { memory?: { workingSetBytes?: number } }[] }[];
        }>(`what the pods of ${name} use`, `/api/v1/nodes/${name}/proxy/stats/summary`);
        const kindnet = pods.find(({ podRef }) => podRef.name.startsWith("kindnet-"));
        return { node: name, bytes: kindnet?.containers[0]?.memory?.workingSetBytes ?? 0 };
      }),
    );
    return {
      containers: daemonSet.spec?.template.spec?.containers.length,
      request: container?.resources?.requests?.["memory"] ?? "",
      limit: container?.resources?.limits?.["memory"] ?? null,
      restarts: items.map(({ status }) => status?.containerStatuses?.[0]?.restartCount ?? 0),
      used,
    };
  },
  judge: ({ containers, request, restarts, used }) => {
    positiveControl(
      used.every(({ bytes }) => bytes > 0),
      "the kubelets tell what kindnet uses",
    );
    expect(request, "memory that it asks for").toBe("50Mi");
    for (const { node, bytes } of used) expect(bytes, `bytes of memory in use on ${node}`).toBeLessThan(50 * 2 ** 20);
    expect(
      restarts.filter((count) => count > 0),
      "restarts",
    ).toEqual([]);
    expect(containers, "containers in its pod").toBe(1);
  },
  control: live("kindnet asks for more memory", async (lab) => {
    const metadata = { name: "kindnet", namespace: "kube-system" };
    const object = { apiVersion: "apps/v1", kind: "DaemonSet", metadata };
    const { spec } = await lab.get<V1DaemonSet>(
      "the DaemonSet kindnet",
      "/apis/apps/v1/namespaces/kube-system/daemonsets/kindnet",
    );
    const asItWas = spec?.template.spec?.containers ?? [];
    const containers = structuredClone(asItWas);
    for (const { resources } of containers)
      if (resources?.requests !== undefined) resources.requests["memory"] = "500Mi";
    // What runs is not touched: it takes its turn only when its pods are deleted.
    const updateStrategy = { type: "OnDelete", rollingUpdate: null };
    lab.afterwards(async () => {
      await lab.patch("ask for as much as before", object, { spec: { template: { spec: { containers: asItWas } } } });
      await lab.patch("roll updates out again", object, { spec: { updateStrategy: spec?.updateStrategy } });
    });
    await lab.patch("ask for 500 MiB", object, { spec: { updateStrategy, template: { spec: { containers } } } });
  }),
});

claim("conflist-structure", {
  observe: async (lab) =>
    Promise.all(
      lab.world.nodes.map(async (node) => ({
        node: node.name,
        files: await configurationsOf(lab.node(node)),
        conflist: await readConflist(lab.node(node)),
      })),
    ),
  judge: (nodes) => {
    for (const { node, files, conflist } of nodes) {
      expect(files, `files in /etc/cni/net.d of ${node}`).toEqual([conflistPath]);
      expect(Object.keys(conflist), `fields on ${node}, in their order`).toEqual(Object.keys(sample));
      expect(
        conflist.plugins.map(({ type }) => type),
        `plugins on ${node}, in their order`,
      ).toEqual(sample.plugins.map(({ type }) => type));
      const paths = new Set(keyPaths(conflist));
      expect(
        keyPaths(sample).filter((path) => !paths.has(path)),
        `fields of the sample that ${node} lacks`,
      ).toEqual([]);
    }
  },
  control: withConflist(
    "portmap comes first in the control plane's configuration",
    ({ nodes }) => nodes.slice(0, 1),
    (conflist) => ({ ...conflist, plugins: conflist.plugins.toReversed() }),
  ),
});
