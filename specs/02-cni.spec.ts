import type { V1DaemonSet, V1Node } from "@kubernetes/client-node";
import { expect } from "vitest";
import { claim } from "../helpers/claim/claim.ts";
import type { Lab } from "../helpers/claim/lab.ts";
import { positiveControl } from "../helpers/claim/verdict.ts";
import { type Conflist, readConflist } from "../helpers/probe/conflist.ts";
import { hostPort, meet } from "../helpers/probe/http.ts";
import { contains, overlap } from "../helpers/probe/ip.ts";
import { routesOf, vethsOf } from "../helpers/probe/links.ts";
import { jsonOf, outputOf } from "../helpers/probe/peer.ts";
import { until } from "../helpers/probe/until.ts";

claim("default-cni-is-kindnet", {
  observe: async (lab) => {
    const { items } = await lab.get<{ items: V1DaemonSet[] }>(
      "the DaemonSets of kube-system",
      "/apis/apps/v1/namespaces/kube-system/daemonsets",
    );
    const listed = await outputOf(lab.node(lab.worker(0)), "what configures CNI on a node", ["ls", "/etc/cni/net.d"]);
    return {
      daemonSets: items.map(({ metadata, spec, status }) => ({
        name: metadata?.name,
        image: spec?.template.spec?.containers[0]?.image,
        nodes: status?.desiredNumberScheduled,
        ready: status?.numberReady,
      })),
      configurations: listed.split("\n").filter(Boolean),
    };
  },
  judge: ({ daemonSets, configurations }) => {
    const kindnet = daemonSets.find(({ name }) => name === "kindnet");
    expect(kindnet, "a DaemonSet kindnet, made without being asked for").toBeDefined();
    expect(kindnet?.ready, "nodes on which kindnet is ready").toBe(kindnet?.nodes);
    expect(configurations, "the CNI configurations of a node").toEqual(["10-kindnet.conflist"]);
  },
});

claim("kindnet-uses-ptp", {
  observe: async (lab) => {
    const node = lab.node(lab.worker(0));
    const [conflist, bridges, podLink] = await Promise.all([
      readConflist(node),
      jsonOf<object[]>(node, "bridges of the node", ["ip", "-json", "link", "show", "type", "bridge"]),
      outputOf(lab.pod("client-1"), "the pod's interface", ["cat", "/sys/class/net/eth0/iflink"]),
    ]);
    const peers = await vethsOf(node);
    return {
      plugin: conflist.plugins[0]?.type,
      bridges: bridges.filter((entry) => Object.keys(entry).length > 0).length,
      otherEndOnTheNode: peers.find(({ ifindex }) => ifindex === Number(podLink))?.ifname ?? null,
    };
  },
  judge: ({ plugin, bridges, otherEndOnTheNode }) => {
    expect(plugin, "the first plugin of the node's CNI configuration").toBe("ptp");
    expect(otherEndOnTheNode, "the node's end of the pod's own point-to-point link").toMatch(/^veth/);
    expect(bridges, "bridges on the node: pods hang on none").toBe(0);
  },
});

claim("kindnet-uses-host-local", {
  observe: async (lab) => {
    const node = lab.worker(0);
    const conflist = await readConflist(lab.node(node));
    const leases = await leasesOf(lab, conflist);
    return { ipam: conflist.plugins[0]?.ipam?.type, leases, podOnThatNode: lab.pod("client-1").address };
  },
  judge: ({ ipam, leases, podOnThatNode }) => {
    expect(ipam, "the address management of the node's CNI configuration").toBe("host-local");
    expect(leases, "addresses that host-local has written down as given out").toContain(podOnThatNode);
  },
});

/** host-local keeps a file for each address that it gave out, named by it. */
async function leasesOf(lab: Lab, conflist: Conflist): Promise<string[]> {
  const folder = `${conflist.plugins[0]?.ipam?.dataDir}/${conflist.name}`;
  const listed = await outputOf(lab.node(lab.worker(0)), "addresses given out on the node", ["ls", folder]);
  return listed.split("\n").filter((name) => /^[0-9a-f.:]+$/.test(name));
}

claim("node-has-its-own-subnet", {
  observe: async (lab) => ({
    podSubnets: lab.world.podSubnets,
    nodes: lab.world.nodes.map(({ name, podCIDRs }) => ({ name, podCIDRs })),
  }),
  judge: ({ podSubnets, nodes }) => {
    positiveControl(nodes.length >= 2, "there are several nodes to compare");
    for (const { name, podCIDRs } of nodes) {
      expect(podCIDRs.length, `subnets of ${name}`).toBe(podSubnets.length);
      for (const cidr of podCIDRs)
        expect(
          contains(podSubnets, cidr.split("/")[0] ?? ""),
          `${cidr} of ${name} inside ${podSubnets.join(", ")}`,
        ).toBe(true);
    }
    const all = nodes.flatMap(({ podCIDRs }) => podCIDRs);
    const shared = all.flatMap((one, index) =>
      all
        .slice(index + 1)
        .filter((other) => overlap(one, other))
        .map((other) => [one, other]),
    );
    expect(shared, "subnets of two nodes that overlap").toEqual([]);
  },
});

claim("kindnet-allots-the-subnet", {
  observe: async (lab) => {
    const { items } = await lab.get<{ items: V1Node[] }>("the nodes, with who wrote which field", "/api/v1/nodes");
    const writers = items.flatMap(({ metadata }) =>
      (metadata?.managedFields ?? [])
        .filter(({ fieldsV1 }) => JSON.stringify(fieldsV1 ?? {}).includes('"f:podCIDR"'))
        .map(({ manager }) => ({ node: metadata?.name, manager })),
    );
    const manifest = await outputOf(lab.node(lab.controlPlane), "how kube-controller-manager is started", [
      "cat",
      "/etc/kubernetes/manifests/kube-controller-manager.yaml",
    ]);
    const review = await lab.review("may kindnet's account write nodes?", "system:serviceaccount:kube-system:kindnet", {
      verb: "update",
      resource: "nodes",
    });
    return {
      writers,
      allocateNodeCidrs: /--allocate-node-cidrs=(\w+)/.exec(manifest)?.[1] ?? null,
      kindnetMayWriteNodes: review,
    };
  },
  judge: ({ writers, allocateNodeCidrs, kindnetMayWriteNodes }) => {
    positiveControl(writers.length > 0, "the API tells who wrote the nodes' subnets");
    const names = [...new Set(writers.map(({ manager }) => manager))].join(", ");
    expect(
      kindnetMayWriteNodes,
      `kindnet may write the nodes' subnets (written by ${names}, which runs with --allocate-node-cidrs=${allocateNodeCidrs})`,
    ).toBe(true);
  },
});

claim("cross-node-traffic-by-iptables", {
  observe: async (lab) => {
    const [near, far] = [lab.node(lab.worker(0)), lab.node(lab.worker(1))];
    const client = lab.pod("client-1");
    const server = lab.pod("far-server");
    const ask = () => meet(client, hostPort(server.address, 8080), lab.timeouts.silence);
    const before = await ask();
    const routes = await routesOf(near);
    const rules = await outputOf(near, "the rules of the client's node", ["iptables-save"]);
    // Out of iptables' hands: a packet marked so early is not tracked, and the nat table sees tracked packets only.
    const flow = [
      ["-s", client.address, "-d", server.address],
      ["-s", server.address, "-d", client.address],
    ];
    const skip = (action: "-I" | "-D") =>
      Promise.all(
        [near, far].flatMap((node) =>
          flow.map((match) =>
            node.run(`${action === "-I" ? "keep" : "no longer keep"} the flow out of the nat table`, [
              "iptables",
              "-w",
              "-t",
              "raw",
              action,
              "PREROUTING",
              ...match,
              "-j",
              "CT",
              "--notrack",
            ]),
          ),
        ),
      );
    lab.afterwards(async () => void (await skip("-D")));
    const skipped = (await skip("-I")).every(({ failed }) => !failed);
    const withoutNatRules = await ask();
    const route = ["route", "replace", "unreachable", `${server.address}/32`];
    lab.afterwards(
      async () =>
        void (await near.run("remove the route", ["ip", "route", "del", "unreachable", `${server.address}/32`])),
    );
    await outputOf(near, "take the route to that pod away", ["ip", ...route]);
    const withoutRoute = await ask();
    await outputOf(near, "give it back", ["ip", "route", "del", "unreachable", `${server.address}/32`]);
    const after = await until(
      "an answer after the route is back",
      lab.timeouts.propagation,
      ask,
      ({ outcome }) => outcome === "answered",
    );
    const farSubnets = lab.worker(1).podCIDRs;
    return {
      before,
      skipped,
      withoutNatRules,
      withoutRoute,
      after,
      routeToTheOtherNode: routes.find(({ dst }) => farSubnets.includes(dst)) ?? null,
      otherNode: lab.worker(1).addresses,
      rulesNamingItsSubnet: rules.split("\n").filter((line) => farSubnets.some((subnet) => line.includes(subnet))),
    };
  },
  judge: ({
    before,
    skipped,
    withoutNatRules,
    withoutRoute,
    after,
    routeToTheOtherNode,
    otherNode,
    rulesNamingItsSubnet,
  }) => {
    positiveControl(before.outcome === "answered" && after.outcome === "answered", "the pods talk before and after");
    positiveControl(skipped, "the flow could be kept out of the nat table");
    const instead = `the answer without the nat rules: ${withoutNatRules.outcome}; without the route ${routeToTheOtherNode?.dst} via ${routeToTheOtherNode?.gateway} (the other node is ${otherNode[0]}): ${withoutRoute.outcome}`;
    expect(
      rulesNamingItsSubnet.length,
      `iptables rules that name the other node's pod subnet (${instead})`,
    ).toBeGreaterThan(0);
    expect(withoutRoute.outcome, `the other node's pod, asked without its route (${instead})`).toBe("answered");
  },
});

claim("kubernetes-uses-cni", {
  observe: async (lab) => {
    const node = lab.node(lab.worker(0));
    const dump = await outputOf(node, "the container runtime's configuration", ["containerd", "config", "dump"]);
    const plugins = await outputOf(node, "the plugins", ["ls", "/opt/cni/bin"]);
    const conflist = await readConflist(node);
    return {
      confDir: /conf_dir = ['"]([^'"]+)['"]/.exec(dump)?.[1] ?? null,
      binDirs: [...dump.matchAll(/bin_dirs? = \[?\s*['"]([^'"]+)['"]/g)].map(([, folder]) => folder),
      plugins: plugins.split("\n").filter(Boolean),
      used: conflist.plugins.flatMap(({ type, ipam }) => [type, ...(ipam === undefined ? [] : [ipam.type])]),
    };
  },
  judge: ({ confDir, binDirs, plugins, used }) => {
    expect(confDir, "where the container runtime looks for CNI configurations").toBe("/etc/cni/net.d");
    expect(binDirs, "where it looks for CNI plugins").toContain("/opt/cni/bin");
    expect(plugins, "plugins there, those of the configuration among them").toEqual(expect.arrayContaining(used));
  },
});
