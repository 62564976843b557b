import { expect } from "vitest";
import { moveFile } from "../../helpers/changes/nodes.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import { live } from "../../helpers/lab/spec.ts";
import { contains, hostPrefix, overlap } from "../../helpers/probe/ip.ts";
import { ipOption, vethsOf } from "../../helpers/probe/links.ts";
import { jsonOf, outputOf, ProbeFailed } from "../../helpers/probe/peer.ts";
import { claim } from "./article.ts";
import { type Conflist, configurationsOf, conflistPath, leasesFolder, readConflist } from "./conflist.ts";

claim("default-cni-is-kindnet", {
  observe: async (lab) => {
    const items = await lab.api.list("the DaemonSets of kube-system", "DaemonSet", { namespace: "kube-system" });
    return {
      daemonSets: items.map(({ metadata, spec, status }) => ({
        name: metadata?.name,
        image: spec?.template.spec?.containers[0]?.image,
        nodes: status?.desiredNumberScheduled,
        ready: status?.numberReady ?? 0,
      })),
      configurations: await configurationsOf(lab.worker(0)),
    };
  },
  judge: ({ daemonSets, configurations }) => {
    const kindnet = daemonSets.find(({ name }) => name === "kindnet");
    expect(kindnet, "a DaemonSet kindnet, made without being asked for").toBeDefined();
    expect(kindnet?.ready, "nodes on which kindnet is ready").toBeGreaterThan(0);
    expect(configurations[0], "the CNI configuration that a node uses, the first of its folder").toBe(
      "10-kindnet.conflist",
    );
  },
  control: live(
    "a node has another CNI configuration in front of kindnet's",
    async (lab) => {
      const node = lab.worker(0);
      // It says the same, so that pods that start meanwhile are served as ever.
      const other = "/etc/cni/net.d/00-other.conflist";
      lab.afterwards(async () => void (await outputOf(node, "remove it", ["rm", other])));
      await outputOf(node, "another configuration in front", ["cp", conflistPath, other]);
    },
    { lane: "conflist" },
  ),
});

claim("kindnet-uses-ptp", {
  observe: async (lab) => {
    const conflist = await readConflist(lab.worker(0));
    const link = await linkOf(lab, "client-1");
    return { plugin: conflist.plugins[0]?.type, link: link === undefined ? null : { bridge: null, ...link } };
  },
  judge: ({ plugin, link }) => {
    expect(plugin, "the first plugin of the node's CNI configuration").toBe("ptp");
    expect(link, "the node's end of a pod's own link").not.toBeNull();
    expect(link?.bridge, "the bridge that this end is part of").toBeNull();
  },
  control: live(
    "a pod's link is part of a bridge",
    async (lab) => {
      const node = lab.worker(0);
      const { name } = await linkThatIs(lab, "client-1");
      lab.afterwards(async () => void (await outputOf(node, "remove it", ["ip", "link", "del", "knc-bridge"])));
      await outputOf(node, "a bridge", ["ip", "link", "add", "knc-bridge", "type", "bridge"]);
      const words = ["ip", "link", "set", name, "master", "knc-bridge"];
      await outputOf(node, "the link is part of it", words);
    },
    { alone: true },
  ),
});

/** Returns the end that a link of a pod on the first worker has on the node. */
async function linkOf(lab: Lab, pod: string): Promise<{ name: string; bridge?: string } | undefined> {
  const [index, veths] = await Promise.all([
    outputOf(lab.pod(pod), "the other end of the pod's interface", ["cat", "/sys/class/net/eth0/iflink"]),
    vethsOf(lab.worker(0)),
  ]);
  const veth = veths.find(({ ifindex }) => ifindex === Number(index));
  if (veth === undefined) return undefined;
  return { name: veth.ifname, ...(veth.master === undefined ? {} : { bridge: veth.master }) };
}

/** Returns the same. @throws ProbeFailed if it has none */
async function linkThatIs(lab: Lab, pod: string): Promise<{ name: string }> {
  const link = await linkOf(lab, pod);
  if (link === undefined) throw new ProbeFailed(`the first worker has no end of a link of ${pod}`);
  return link;
}

claim("ptp-is-point-to-point", {
  observe: async (lab) => {
    const client = lab.pod("client-1");
    const routes = await jsonOf<{ dst: string; gateway?: string; dev: string }[]>(client, "routes in the pod", [
      "ip",
      "-json",
      ipOption[lab.family],
      "route",
    ]);
    const gateway = routes.find(({ dst }) => dst === "default")?.gateway ?? "";
    const link = await linkThatIs(lab, "client-1");
    const addresses = await jsonOf<{ addr_info?: { local?: string; prefixlen: number }[] }[]>(
      lab.worker(0),
      "addresses of the node's end of the pod's link",
      ["ip", "-json", ipOption[lab.family], "address", "show", "dev", link.name, "scope", "global"],
    );
    const ttl = async (address: string) => {
      const printed = await outputOf(client, `how far is ${address}`, ["ping", "-c", "3", address]);
      return Number(/ttl=(\d+)/.exec(printed)?.[1]);
    };
    return {
      gateway,
      routes: routes.map(({ dst, gateway: via }) => ({ dst, via: via ?? null })),
      nodesEnd: addresses.flatMap(({ addr_info = [] }) =>
        addr_info.flatMap(({ local, prefixlen }) => (local === undefined ? [] : `${local}/${prefixlen}`)),
      ),
      itself: await ttl(client.address),
      sameNode: await ttl(lab.pod("server-1").address),
    };
  },
  judge: ({ gateway, routes, nodesEnd, itself, sameNode }) => {
    positiveControl(itself === 64, "an answer that passes no router has TTL 64");
    expect(nodesEnd, "addresses of the node's end of a pod's link: the pod's gateway, for itself alone").toEqual([
      hostPrefix(gateway),
    ]);
    expect(
      // Every IPv6 link has its own addresses besides (RFC 4291, section 2.5.6), by which only the link itself is reached.
      routes.filter(({ dst, via }) => dst !== gateway && dst !== "fe80::/64" && via === null),
      "what a pod reaches without its node in between",
    ).toEqual([]);
    expect(sameNode, "TTL of an answer from another pod of the node: one router in between").toBe(63);
  },
  control: live("a pod's link is part of a network with room for others", async (lab) => {
    const node = lab.worker(0);
    const link = await linkThatIs(lab, "client-1");
    const prefix = lab.family === "ipv6" ? "2001:db8:99::1/64" : "198.51.100.1/24";
    const words = [prefix, "dev", link.name];
    lab.afterwards(async () => void (await outputOf(node, "take it away", ["ip", "address", "del", ...words])));
    await outputOf(node, "an address with room", ["ip", "address", "add", ...words]);
  }),
});

claim("kindnet-uses-host-local", {
  observe: async (lab) => {
    const node = lab.worker(0);
    const conflist = await readConflist(node);
    const leases = await leasesOf(lab, conflist);
    return { ipam: conflist.plugins[0]?.ipam?.type, leases, podOnThatNode: lab.pod("client-1").address };
  },
  judge: ({ ipam, leases, podOnThatNode }) => {
    expect(ipam, "the address management of the node's CNI configuration").toBe("host-local");
    expect(leases, "addresses that host-local has written down as given out").toContain(podOnThatNode);
  },
  control: live(
    "the lease of a pod's address is not where host-local writes it down",
    async (lab) => {
      const node = lab.worker(0);
      const folder = leasesFolder(await readConflist(node));
      await moveFile(lab, node, `${folder}/${lab.pod("client-1").address}`, "/tmp/lease");
    },
    { alone: true },
  ),
});

/** host-local keeps a file for each address that it gave out, named by it. */
async function leasesOf(lab: Lab, conflist: Conflist): Promise<string[]> {
  const listed = await outputOf(lab.worker(0), "addresses given out on the node", ["ls", leasesFolder(conflist)]);
  return listed.split("\n").filter((name) => /^[0-9a-f.:]+$/.test(name));
}

claim("kindnet-allots-the-subnet", {
  observe: async (lab) => {
    const nodes = await lab.api.list("the nodes, with who wrote which field", "Node");
    return nodes.map(({ metadata, spec }) => ({
      node: metadata?.name,
      subnet: spec?.podCIDR ?? null,
      writers: (metadata?.managedFields ?? [])
        .filter(({ fieldsV1 }) => JSON.stringify(fieldsV1 ?? {}).includes('"f:podCIDR"'))
        .map(({ manager }) => manager),
    }));
  },
  judge: (nodes) => {
    for (const { node, subnet, writers } of nodes) {
      positiveControl(
        subnet !== null && writers.includes("kube-controller-manager"),
        `the API tells that kube-controller-manager wrote the subnet of ${node}`,
      );
      expect(writers, `who wrote ${subnet} into spec.podCIDR of ${node}`).toContain("kindnetd");
    }
  },
  corrected: (nodes) => {
    for (const { node, subnet, writers } of nodes) {
      positiveControl(subnet !== null, `${node} has a subnet in spec.podCIDR`);
      expect([...new Set(writers)], `who wrote ${subnet} into spec.podCIDR of ${node}`).toEqual([
        "kube-controller-manager",
      ]);
    }
  },
  control: live("kindnetd writes the nodes' subnets too", async (lab) => {
    const write = (title: string, node: string, spec: object) =>
      outputOf(lab.outsider, title, [
        "sh",
        "-c",
        'printf %s "$0" | kubectl apply --server-side --field-manager=kindnetd -f -',
        JSON.stringify({ apiVersion: "v1", kind: "Node", metadata: { name: node }, spec }),
      ]);
    for (const { name, podCIDRs } of lab.nodes) {
      // What it writes is what stands there already: a node's subnet cannot be changed.
      lab.afterwards(async () => void (await write("and does no longer", name, {})));
      await write("as kindnetd", name, { podCIDR: podCIDRs[0], podCIDRs });
    }
  }),
});

claim("node-has-its-own-subnet", {
  observe: async (lab) => ({
    podSubnets: lab.world.podSubnets,
    nodes: lab.nodes.map(({ name, podCIDRs }) => ({ name, podCIDRs })),
  }),
  judge: ({ podSubnets, nodes }) => {
    positiveControl(nodes.length >= 2, "there are several nodes to compare");
    for (const { name, podCIDRs } of nodes) {
      expect(podCIDRs.length, `subnets of ${name}`).toBe(podSubnets.length);
      for (const cidr of podCIDRs)
        expect(
          contains(podSubnets, cidr.replace(/\/.*/, "")),
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
  control: {
    name: "two nodes have one subnet (it cannot be changed once a node has it)",
    alter: ({ podSubnets, nodes }) => ({
      podSubnets,
      nodes: nodes.map(({ name }) => ({ name, podCIDRs: nodes[0]?.podCIDRs ?? [] })),
    }),
  },
});
