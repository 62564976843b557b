import { setTimeout as delay } from "node:timers/promises";
import type { V1DaemonSet, V1Pod } from "@kubernetes/client-node";
import { expect } from "vitest";
import { parseAllDocuments } from "yaml";
import { printed } from "../helpers/claim/article.ts";
import { claim } from "../helpers/claim/claim.ts";
import type { Lab } from "../helpers/claim/lab.ts";
import { positiveControl } from "../helpers/claim/verdict.ts";
import { type Conflist, conflistPath, readConflist } from "../helpers/probe/conflist.ts";
import { hostPort, meet, request } from "../helpers/probe/http.ts";
import { contains } from "../helpers/probe/ip.ts";
import { routesOf, vethsOf } from "../helpers/probe/links.ts";
import { jsonOf, outputOf, type Peer } from "../helpers/probe/peer.ts";

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
});

claim("conflist-cni-version", {
  observe: conflists,
  judge: (nodes) => {
    for (const { node, conflist } of nodes)
      expect(conflist.cniVersion, `cniVersion on ${node}`).toBe(sample.cniVersion);
  },
});

claim("conflist-name", {
  observe: conflists,
  judge: (nodes) => {
    for (const { node, conflist } of nodes) expect(conflist.name, `name on ${node}`).toBe(sample.name);
  },
});

claim("conflist-ipmasq-is-false", {
  observe: conflists,
  judge: (nodes) => {
    for (const { node, conflist } of nodes)
      expect(conflist.plugins[0]?.ipMasq, `ipMasq of ptp on ${node}`).toBe(sample.plugins[0]?.ipMasq);
  },
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
});

claim("conflist-routes", {
  observe: conflists,
  judge: (nodes) => {
    for (const { node, conflist } of nodes)
      expect(conflist.plugins[0]?.ipam?.routes, `routes that pods of ${node} get`).toEqual(
        sample.plugins[0]?.ipam?.routes,
      );
  },
});

claim("conflist-range-is-the-node-subnet", {
  observe: conflists,
  judge: (nodes) => {
    for (const { node, podCIDRs, conflist } of nodes)
      expect(conflist.plugins[0]?.ipam?.ranges, `ranges on ${node}: one for each of its subnets`).toEqual(
        podCIDRs.map((subnet) => [{ subnet }]),
      );
  },
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
    const without = await request(lab.outsider, url, lab.timeouts.silence);
    await lab.create("a pod with a hostPort", pod);
    const withPod = await lab.until(
      "the hostPort to answer",
      () => request(lab.outsider, url, lab.timeouts.attempt),
      ({ outcome }) => outcome === "answered",
    );
    return { plugins: lists.map(({ node, conflist }) => ({ node, last: conflist.plugins.at(-1) })), without, withPod };
  },
  judge: ({ plugins, without, withPod }) => {
    positiveControl(without.outcome !== "answered", "nothing answers on that port of the node without the pod");
    for (const { node, last } of plugins) expect(last, `the last plugin on ${node}`).toEqual(sample.plugins.at(-1));
    expect(withPod.body, "who answered on the node's port").toBe("host-port");
  },
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
});

claim("one-veth-per-pod", {
  observe: async (lab) => {
    const node = lab.worker(0);
    const [links, routes, pods] = await Promise.all([
      vethsOf(lab.node(node)),
      routesOf(lab.node(node)),
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
      routes: routes.filter(({ dev }) => dev.startsWith("veth")).map(({ dst, dev }) => ({ dst, dev })),
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
});

/** Pods that stay for the whole run; other checks make and delete their own meanwhile. */
const castPods = new Set(["client-1", "server-1", "pair", "never-ready"]);

claim("kindnet-rides-on-the-bridge-network", {
  observe: async (lab) => {
    const node = lab.worker(0);
    const routes = await routesOf(lab.node(node));
    const others = lab.world.nodes.filter(({ name }) => name !== node.name);
    const driver = await outputOf(lab.containerEngine, "the driver of the network kind", [
      "network",
      "inspect",
      "--format",
      "{{.Driver}}",
      "kind",
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
      inTheNodeImage: parseAllDocuments(manifest).some((document) => {
        const { kind, metadata } = document.toJS() as { kind: string; metadata: { name: string } };
        return kind === "DaemonSet" && metadata.name === "kindnet";
      }),
    };
  },
  judge: ({ image, inTheNodeImage }) => {
    expect(image, "the image, named after the project that publishes it").toMatch(/^docker\.io\/kindest\/kindnetd:/);
    expect(inTheNodeImage, "kind's node image carries its manifest").toBe(true);
  },
});

claim("kindnet-has-no-network-policy", {
  observe: async (lab) => {
    const namespace = await lab.ownNamespace("policy");
    const server = await lab.start(lab.serverPod("denied", { app: "denied" }, {}, namespace));
    const client = lab.pod("client-2");
    const ask = (timeout = lab.timeouts.attempt) => meet(client, hostPort(server.address, 8080), timeout);
    const answered = () => lab.until("the pod to answer", ask, ({ outcome }) => outcome === "answered");
    const before = await answered();
    const policy = {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "deny", namespace },
      spec: { podSelector: { matchLabels: { app: "denied" } }, policyTypes: ["Ingress"] },
    };
    await lab.create("a policy that lets nobody in", policy);
    await delay(lab.timeouts.window);
    const under = await ask(lab.timeouts.silence);
    await lab.delete("the policy", policy);
    return { before, under, after: await answered() };
  },
  judge: ({ before, under, after }) => {
    positiveControl(
      before.outcome === "answered" && after.outcome === "answered",
      "without the policy the pod is answered",
    );
    expect(under.outcome, `the pod at ${under.to}, under a policy that lets nobody in`).toBe("answered");
  },
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
});
