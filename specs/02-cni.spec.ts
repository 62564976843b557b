import { randomBytes } from "node:crypto";
import type { CoreV1Event, V1ConfigMap, V1DaemonSet, V1Node } from "@kubernetes/client-node";
import { expect } from "vitest";
import { configure, editFile, iptablesRule, moveFile } from "../helpers/claim/changes.ts";
import { claim } from "../helpers/claim/claim.ts";
import { live } from "../helpers/claim/control.ts";
import type { Lab } from "../helpers/claim/lab.ts";
import { letsEverybodyIn, underPolicy } from "../helpers/claim/policy.ts";
import { Inconclusive, NeedsFeature, positiveControl } from "../helpers/claim/verdict.ts";
import { startCapture } from "../helpers/probe/capture.ts";
import { type Conflist, conflistPath, readConflist } from "../helpers/probe/conflist.ts";
import { hostPort, meet } from "../helpers/probe/http.ts";
import { contains, hostPrefix, overlap } from "../helpers/probe/ip.ts";
import { ipOption, routesOf, vethsOf } from "../helpers/probe/links.ts";
import { jsonOf, outputOf } from "../helpers/probe/peer.ts";
import { ownCni } from "../helpers/world/world.ts";

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
  control: live(
    "a node has a second CNI configuration",
    async (lab) => {
      const node = lab.node(lab.worker(0));
      const other = "/etc/cni/net.d/99-other.conflist";
      lab.afterwards(async () => void (await outputOf(node, "remove it", ["rm", other])));
      await outputOf(node, "another configuration behind kindnet's", ["cp", conflistPath, other]);
    },
    { lane: "conflist" },
  ),
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
  control: live("the node has a bridge", async (lab) => {
    const node = lab.node(lab.worker(0));
    lab.afterwards(async () => void (await outputOf(node, "remove it", ["ip", "link", "del", "knc-bridge"])));
    await outputOf(node, "a bridge", ["ip", "link", "add", "knc-bridge", "type", "bridge"]);
  }),
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
  control: live(
    "the lease of a pod's address is not where host-local writes it down",
    async (lab) => {
      const node = lab.node(lab.worker(0));
      const { name, plugins } = await readConflist(node);
      const lease = `${plugins[0]?.ipam?.dataDir}/${name}/${lab.pod("client-1").address}`;
      await moveFile(lab, node, lease, "/tmp/lease");
    },
    { alone: true },
  ),
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
  control: {
    name: "two nodes have one subnet (it cannot be changed once a node has it)",
    alter: ({ podSubnets, nodes }) => ({
      podSubnets,
      nodes: nodes.map(({ name }) => ({ name, podCIDRs: nodes[0]?.podCIDRs ?? [] })),
    }),
  },
});

async function mayWriteNodes(lab: Lab): Promise<boolean> {
  const attributes = { verb: "update", resource: "nodes" };
  return lab.review("may kindnet's account write nodes?", "system:serviceaccount:kube-system:kindnet", attributes);
}

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
    return {
      writers,
      allocateNodeCidrs: /--allocate-node-cidrs=(\w+)/.exec(manifest)?.[1] ?? null,
      kindnetMayWriteNodes: await mayWriteNodes(lab),
    };
  },
  judge: ({ writers, allocateNodeCidrs, kindnetMayWriteNodes }) => {
    positiveControl(writers.length > 0, "the API tells who wrote the nodes' subnets");
    const names = [...new Set(writers.map(({ manager }) => manager))].join(", ");
    expect(
      kindnetMayWriteNodes ? "yes" : "no",
      `may kindnet write the nodes' subnets? ${names} wrote them, which runs with --allocate-node-cidrs=${allocateNodeCidrs}`,
    ).toBe("yes");
  },
  control: live("kindnet's account may write nodes", async (lab) => {
    const rbac = { apiVersion: "rbac.authorization.k8s.io/v1", metadata: { name: "kindnet-writes-nodes" } };
    const rules = [{ apiGroups: [""], resources: ["nodes"], verbs: ["update", "patch"] }];
    await lab.create("the right to write nodes", { ...rbac, kind: "ClusterRole", rules });
    await lab.create("kindnet has it", {
      ...rbac,
      kind: "ClusterRoleBinding",
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: rbac.metadata.name },
      subjects: [{ kind: "ServiceAccount", name: "kindnet", namespace: "kube-system" }],
    });
    await lab.until("the authorizer to know", () => mayWriteNodes(lab), Boolean);
  }),
});

claim("cross-node-traffic-by-iptables", {
  observe: async (lab) => {
    const [near, far] = [lab.node(lab.worker(0)), lab.node(lab.worker(1))];
    const client = lab.pod("client-1");
    // Its own: nobody else is to find the way to it closed.
    const server = await lab.start(lab.serverPod("behind-the-route", {}, { nodeName: lab.worker(1).name }));
    const ask = () => meet(client, hostPort(server.address, 8080), lab.timeouts.silence);
    const before = await lab.until("the server to answer", ask, ({ outcome }) => outcome === "answered");
    const routes = await routesOf(near, lab.family);
    const rules = await outputOf(near, "the rules of the client's node", [`${lab.iptables}-save`]);
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
              lab.iptables,
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
    const route = ["route", "replace", "unreachable", hostPrefix(server.address)];
    lab.afterwards(
      async () =>
        void (await near.run("remove the route", ["ip", "route", "del", "unreachable", hostPrefix(server.address)])),
    );
    await outputOf(near, "take the route to that pod away", ["ip", ...route]);
    const withoutRoute = await ask();
    await outputOf(near, "give it back", ["ip", "route", "del", "unreachable", hostPrefix(server.address)]);
    const after = await lab.until("an answer after the route is back", ask, ({ outcome }) => outcome === "answered");
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
    const instead = `without the nat rules it ${withoutNatRules.outcome}, and ${rulesNamingItsSubnet.length} rules of iptables name its subnet`;
    expect(
      withoutRoute.outcome,
      `the other node's pod, asked without the route ${routeToTheOtherNode?.dst} via ${routeToTheOtherNode?.gateway}, node ${otherNode[0]} (${instead})`,
    ).toBe("answered");
    expect(
      rulesNamingItsSubnet.length,
      `iptables rules that name the other node's pod subnet (${instead})`,
    ).toBeGreaterThan(0);
  },
  control: live(
    "a rule of iptables marks what is for the other node's pods, and the mark leads it there",
    async (lab) => {
      const near = lab.node(lab.worker(0));
      const far = lab.worker(1);
      const [subnet = ""] = far.podCIDRs;
      // The stricter of the two counts; the answer comes from where the main table knows no way back.
      const filters = ["all", "eth0"].map((name) => `/proc/sys/net/ipv4/conf/${name}/rp_filter`);
      const ip = (...words: string[]) => outputOf(near, `ip ${words.join(" ")}`, ["ip", ...words]);
      const rule = ["priority", "100", "fwmark", "0x99", "lookup", "99"];
      const route = [subnet, "via", far.addresses[0] ?? "", "dev", "eth0", "table", "99"];
      lab.afterwards(async () => {
        await ip("rule", "del", ...rule);
        await ip("route", "del", ...route);
      });
      for (const filter of filters) await editFile(lab, near, filter, () => "0");
      await ip("route", "add", ...route);
      await ip("rule", "add", ...rule);
      await iptablesRule(lab, lab.worker(0), "mangle", "PREROUTING", "-d", subnet, "-j", "MARK", "--set-mark", "0x99");
    },
  ),
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
  control: live(
    "a plugin that the configuration names is not there",
    (lab) => moveFile(lab, lab.node(lab.worker(0)), "/opt/cni/bin/portmap", "/opt/cni/portmap"),
    { alone: true },
  ),
});

claim("cni-comes-with-kind", {
  observe: async (lab) => {
    const daemonSet = await lab.get<V1DaemonSet>(
      "the DaemonSet kindnet",
      "/apis/apps/v1/namespaces/kube-system/daemonsets/kindnet",
    );
    const image = daemonSet.spec?.template.spec?.containers[0]?.image ?? "";
    const node = lab.node(lab.controlPlane);
    const manifest = await outputOf(node, "the manifest in the node image", [
      "cat",
      "/kind/manifests/default-cni.yaml",
    ]);
    const images = await outputOf(node, "images of the node", [
      "ctr",
      "--namespace",
      "k8s.io",
      "images",
      "list",
      "--quiet",
    ]);
    const events = await lab.get<{ items: CoreV1Event[] }>(
      "events of kube-system",
      "/api/v1/namespaces/kube-system/events",
    );
    return {
      image,
      manifestAsksForIt: manifest.includes(image),
      onTheNode: images.split("\n").filter((name) => name.includes("kindnetd:")),
      pulls: events.items
        .filter(({ reason, involvedObject }) => reason === "Pulling" && involvedObject.name?.startsWith("kindnet"))
        .map(({ message }) => message),
      started: events.items.filter(
        ({ reason, involvedObject }) => reason === "Started" && involvedObject.name?.startsWith("kindnet"),
      ).length,
    };
  },
  judge: ({ image, manifestAsksForIt, onTheNode, pulls, started }) => {
    expect(manifestAsksForIt, `the manifest that the node image carries asks for ${image}`).toBe(true);
    expect(onTheNode, "kindnetd images on the node").toContain(image);
    expect(pulls, `pulls for kindnet's pods, of which ${started} starts are on record`).toEqual([]);
  },
  control: live(
    "the node image's manifest asks for another image",
    (lab) =>
      editFile(lab, lab.node(lab.controlPlane), "/kind/manifests/default-cni.yaml", (text) =>
        text.replaceAll("kindnetd:", "other:"),
      ),
    { lane: "kind's manifest" },
  ),
});

claim("cni-is-a-specification", {
  observe: async (lab) => {
    const node = lab.node(lab.worker(0));
    const listed = await outputOf(node, "the plugins", ["ls", "/opt/cni/bin"]);
    const conflist = await readConflist(node);
    const ask = (plugin: string, command: string) =>
      node.run(`${plugin}: ${command}`, [
        "sh",
        "-c",
        'printf \'{"cniVersion":"0.3.1","name":"t","type":"t"}\' | CNI_COMMAND="$1" CNI_CONTAINERID=t CNI_NETNS=/t CNI_IFNAME=t CNI_PATH=/opt/cni/bin "$0"',
        plugin,
        command,
      ]);
    const plugins = await Promise.all(
      listed
        .split("\n")
        .filter(Boolean)
        .map(async (plugin) => {
          const version = await ask(`/opt/cni/bin/${plugin}`, "VERSION");
          const nonsense = await ask(`/opt/cni/bin/${plugin}`, "NOPE");
          return {
            plugin,
            exitCode: version.exitCode,
            version: parsed(version.stdout),
            nonsense: parsed(nonsense.stdout),
          };
        }),
    );
    return { wanted: conflist.cniVersion, plugins, noPlugin: parsed((await ask("/bin/true", "VERSION")).stdout) };
  },
  judge: ({ wanted, plugins, noPlugin }) => {
    positiveControl(noPlugin === null, "a program that is no plugin does not answer as one");
    positiveControl(plugins.length > 0, "there are plugins");
    for (const { plugin, exitCode, version, nonsense } of plugins) {
      expect(exitCode, `${plugin}, asked for its versions`).toBe(0);
      expect(version?.supportedVersions, `versions of the specification that ${plugin} supports`).toContain(wanted);
      expect(nonsense?.code, `${plugin}'s error code for a command that the specification does not have`).toBe(4);
    }
  },
  control: live("a program among the plugins does not speak as one", async (lab) => {
    const node = lab.node(lab.worker(0));
    const program = "/opt/cni/bin/no-plugin";
    lab.afterwards(async () => void (await outputOf(node, "remove it", ["rm", program])));
    await outputOf(node, "a program that only fails", ["cp", "/bin/false", program]);
  }),
});

/** Returns what a plugin printed, as far as the specification says (section 5: results and errors). */
function parsed(text: string): { supportedVersions?: string[]; code?: number; interfaces?: { name: string }[] } | null {
  try {
    return JSON.parse(text) as ReturnType<typeof parsed>;
  } catch {
    return null;
  }
}

claim("cni-configures-interfaces", {
  observe: async (lab) => {
    // Where no other check counts interfaces.
    const node = lab.node(lab.controlPlane);
    const netns = `knc-${randomBytes(3).toString("hex")}`;
    const dataDir = `/run/${netns}`;
    // A range of its own, so that no pod's address is touched.
    const ipam = { type: "host-local", dataDir, ranges: [[{ subnet: "10.99.0.0/24" }]] };
    const config = JSON.stringify({ cniVersion: "0.3.1", name: netns, type: "ptp", ipMasq: false, ipam });
    const plugin = (command: string) =>
      node.run(`ptp ${command}`, [
        "sh",
        "-c",
        'printf %s "$2" | CNI_COMMAND="$0" CNI_CONTAINERID="$1" CNI_NETNS="/run/netns/$1" CNI_IFNAME=eth0 CNI_PATH=/opt/cni/bin /opt/cni/bin/ptp',
        command,
        netns,
        config,
      ]);
    const links = async () =>
      (
        await jsonOf<{ ifname: string; addr_info: { local: string }[] }[]>(node, "interfaces in the namespace", [
          "ip",
          "-json",
          "-netns",
          netns,
          "address",
        ])
      ).map(({ ifname, addr_info }) => ({ ifname, addresses: addr_info.map(({ local }) => local) }));
    lab.afterwards(
      async () => void (await node.run("clear up", ["sh", "-c", `ip netns del ${netns}; rm -rf ${dataDir}`])),
    );
    await outputOf(node, "a network namespace without Kubernetes", ["ip", "netns", "add", netns]);
    const before = await links();
    const added = await plugin("ADD");
    const after = await links();
    const leases = (await node.run("addresses leased", ["ls", `${dataDir}/${netns}`])).stdout.split("\n");
    const deleted = await plugin("DEL");
    return {
      before,
      added: { exitCode: added.exitCode, result: parsed(added.stdout) },
      after,
      leases,
      deleted: deleted.exitCode,
      inTheEnd: await links(),
    };
  },
  judge: ({ before, added, after, leases, deleted, inTheEnd }) => {
    const names = (links: readonly { ifname: string }[]) => links.map(({ ifname }) => ifname);
    positiveControl(names(before).join() === "lo", "a new namespace has the interface lo only");
    expect(added.exitCode, "ptp ADD").toBe(0);
    const eth0 = after.find(({ ifname }) => ifname === "eth0");
    expect(eth0, "interface eth0 after ADD").toBeDefined();
    expect(leases, "leases, that of the address on eth0 among them").toContain(eth0?.addresses[0]);
    expect(deleted, "ptp DEL").toBe(0);
    expect(names(inTheEnd), "interfaces after DEL").toEqual(["lo"]);
  },
  control: live("the plugin says that it did what it is asked, and does not", async (lab) => {
    const node = lab.node(lab.controlPlane);
    const [plugin, aside] = ["/opt/cni/bin/ptp", "/opt/cni/ptp"];
    // Pods that start meanwhile are served as ever.
    const script = `#!/bin/sh
conf=$(cat)
case "$conf" in
*'"name":"knc-'*) echo '{"cniVersion":"0.3.1"}' ;;
*) printf %s "$conf" | ${aside} ;;
esac
`;
    lab.afterwards(async () => void (await outputOf(node, "the plugin as it was", ["mv", aside, plugin])));
    await outputOf(node, "a wrapper in its place", [
      "sh",
      "-c",
      'mv "$0" "$1" && printf %s "$2" > "$0" && chmod +x "$0"',
      plugin,
      aside,
      script,
    ]);
  }),
});

claim("ptp-is-point-to-point", {
  observe: async (lab) => {
    const node = lab.node(lab.worker(0));
    const client = lab.pod("client-1");
    const routes = await jsonOf<{ dst: string; gateway?: string; dev: string }[]>(client, "routes in the pod", [
      "ip",
      "-json",
      ipOption[lab.family],
      "route",
    ]);
    const gateway = routes.find(({ dst }) => dst === "default")?.gateway ?? "";
    const addresses = await jsonOf<{ ifname: string; addr_info: { local?: string; prefixlen: number }[] }[]>(
      node,
      "addresses of the node",
      ["ip", "-json", ipOption[lab.family], "address", "show", "scope", "global"],
    );
    const ttl = async (address: string) => {
      const printed = await outputOf(client, `how far is ${address}`, ["ping", "-c", "1", address]);
      return Number(/ttl=(\d+)/.exec(printed)?.[1]);
    };
    return {
      gateway,
      routes: routes.map(({ dst, gateway: via }) => ({ dst, via: via ?? null })),
      ends: addresses
        .filter(({ ifname }) => ifname.startsWith("veth"))
        .map(({ ifname, addr_info }) => ({
          ifname,
          // What was not asked for has an empty entry.
          addresses: addr_info.flatMap(({ local, prefixlen }) => (local === undefined ? [] : `${local}/${prefixlen}`)),
        })),
      itself: await ttl(client.address),
      sameNode: await ttl(lab.pod("server-1").address),
      otherNode: await ttl(lab.pod("server-2").address),
    };
  },
  judge: ({ gateway, routes, ends, itself, sameNode, otherNode }) => {
    positiveControl(itself === 64, "an answer that passes no router has TTL 64");
    positiveControl(ends.length > 0, "the node has ends of such links");
    for (const { ifname, addresses } of ends)
      expect(addresses, `addresses of ${ifname}, one pod's link: the pods' gateway, for itself alone`).toEqual([
        hostPrefix(gateway),
      ]);
    expect(
      // Every IPv6 link has its own addresses besides (RFC 4291, section 2.5.6), by which only the link itself is reached.
      routes.filter(({ dst, via }) => dst !== gateway && dst !== "fe80::/64" && via === null),
      "what a pod reaches without its node in between",
    ).toEqual([]);
    expect(sameNode, "TTL of an answer from a pod of the same node: one router in between").toBe(63);
    expect(otherNode, "TTL of an answer from a pod of another node: two").toBe(62);
  },
  control: live("a pod's link is part of a network with room for others", async (lab) => {
    const node = lab.node(lab.worker(0));
    const first = (await vethsOf(node)).find(({ ifname }) => ifname.startsWith("veth"));
    const words = ["10.99.9.1/24", "dev", first?.ifname ?? ""];
    lab.afterwards(async () => void (await outputOf(node, "take it away", ["ip", "address", "del", ...words])));
    await outputOf(node, "an address with room", ["ip", "address", "add", ...words]);
  }),
});

/** Which CNI plugins serve a cluster. */
interface Serving {
  readonly daemonSets: readonly string[];
  readonly configurations: readonly string[];
}

/** What a claim about another CNI plugin has to look for first. */
async function servingPlugins(lab: Lab): Promise<Serving> {
  const { items } = await lab.get<{ items: V1DaemonSet[] }>("all DaemonSets", "/apis/apps/v1/daemonsets");
  const listed = await outputOf(lab.node(lab.worker(0)), "what configures CNI on a node", ["ls", "/etc/cni/net.d"]);
  return {
    daemonSets: items.map(({ metadata }) => metadata?.name ?? ""),
    configurations: listed.split("\n").filter(Boolean),
  };
}

function runs(name: string, { daemonSets }: Serving): boolean {
  return daemonSets.some((daemonSet) => daemonSet.includes(name.toLowerCase()));
}

type Seen<T> = Serving & { readonly seen?: T };

/** Returns which plugins serve the cluster and, where the one that is meant does, what `look` sees of it. */
async function observed<T>(name: string, lab: Lab, look: () => Promise<T>): Promise<Seen<T>> {
  const serving = await servingPlugins(lab);
  return runs(name, serving) ? { ...serving, seen: await look() } : serving;
}

/** A claim about another CNI plugin can be observed only on a cluster that runs it. */
function seenOf<T>(name: string, { seen, ...serving }: Seen<T>): T {
  const { daemonSets, configurations } = serving;
  positiveControl(configurations.length > 0, "the node has a CNI configuration");
  if (!runs(name, serving))
    throw new NeedsFeature(
      `a cluster that runs ${name}: this one's nodes use ${configurations.join(", ")}, and its DaemonSets are ${daemonSets.join(", ")}`,
    );
  if (seen === undefined) throw new Inconclusive(`${name} runs here, and no check for it exists yet`);
  return seen;
}

/** Asks a pod on another node. */
async function askAcross(lab: Lab) {
  const [client, server] = [lab.pod("client-1"), lab.pod("server-2")];
  const answer = await lab.eventually(
    () => meet(client, hostPort(server.address, 8080), lab.timeouts.attempt),
    ({ outcome }) => outcome === "answered",
  );
  return { client: client.address, server: server.address, answer };
}

claim("cni-can-be-exchanged", {
  observe: async (lab): Promise<Seen<Awaited<ReturnType<typeof askAcross>>>> => {
    const serving = await servingPlugins(lab);
    return serving.daemonSets.includes(ownCni) ? serving : { ...serving, seen: await askAcross(lab) };
  },
  judge: ({ daemonSets, configurations, seen }) => {
    positiveControl(configurations.length > 0, "the node has a CNI configuration");
    if (daemonSets.includes(ownCni))
      throw new NeedsFeature(
        "a cluster made with networking.disableDefaultCNI and another plugin: on this one kindnet was installed with the cluster",
      );
    if (seen === undefined) throw new Inconclusive("nobody asked across nodes");
    expect(configurations, "CNI configurations of a node").not.toContain("10-kindnet.conflist");
    expect(seen.answer.outcome, `${seen.answer.to}, asked from another node`).toBe("answered");
    expect(seen.answer.source, "the source that it saw").toBe(seen.client);
  },
  control: live("the node drops what the one pod sends to the other", async (lab) => {
    const flow = ["-s", lab.pod("client-1").address, "-d", lab.pod("server-2").address];
    await iptablesRule(lab, lab.worker(0), "filter", "FORWARD", ...flow, "-j", "DROP");
  }),
});

claim("calico-supports-network-policy", { observe: servingPlugins, judge: (found) => void seenOf("Calico", found) });

claim("flannel-is-an-overlay", {
  observe: (lab) =>
    observed("Flannel", lab, async () => {
      const [near, far] = [lab.worker(0), lab.worker(1)];
      const host = lab.pod("host-1");
      const words = ["ip", "-json", "-details", "link", "show", "type", "vxlan"];
      const links = await jsonOf<{ ifname: string }[]>(lab.node(near), "links of type vxlan", words);
      const capture = async (filter: string) => {
        const packets = await startCapture(host, "eth0", filter);
        lab.afterwards(() => packets.stop());
        return packets;
      };
      const server = lab.pod("server-2").address;
      // Only an outer header's address counts to the second filter: what is wrapped does not pass it.
      const [wrapped, bare] = await Promise.all([capture("udp and port 8472"), capture(`host ${server}`)]);
      const across = await askAcross(lab);
      const packets = await lab.eventually(
        async () => ({ wrapped: await wrapped.packets(), bare: await bare.packets() }),
        (all) => Object.values(all).some((some) => some.some(({ to }) => to === across.client)),
      );
      return {
        links: links.map(({ ifname }) => ifname),
        nodes: [near, far].map(({ addresses }) => addresses[0]),
        ...across,
        wrapped: packets.wrapped.map(({ from, to, toPort }) => ({ from, to, toPort })),
        bare: packets.bare.map(({ from, to }) => ({ from, to })),
      };
    }),
  judge: (found) => {
    const { links, nodes, client, server, answer, wrapped, bare } = seenOf("Flannel", found);
    const [near, far] = nodes;
    positiveControl(answer.outcome === "answered", "the pod on the other node answers");
    positiveControl(wrapped.length + bare.length > 0, "the node's eth0 shows packets of it");
    expect(bare, "packets on the node's eth0 that have the pods' addresses on the outside").toEqual([]);
    const outer = wrapped.find(({ from, to, toPort }) => from === near && to === far && toPort === 8472);
    expect(outer, "a packet from node to node, to VXLAN's port of Linux").toBeDefined();
    expect(wrapped, "packets inside of those").toContainEqual({ from: client, to: server, toPort: 8080 });
    expect(links, "the node's links of type vxlan").toEqual(["flannel.1"]);
    expect(answer.source, "the source that the pod saw").toBe(client);
  },
  control: live("Flannel's backend is host-gw", flannelByRoutes, { alone: true }),
});

/** Has Flannel set routes by way of the other nodes' addresses, as kindnet does, instead of an overlay. */
async function flannelByRoutes(lab: Lab): Promise<void> {
  const { nodes } = lab.world;
  const backend = async () => {
    const path = "/api/v1/namespaces/kube-flannel/configmaps/kube-flannel-cfg";
    const { data } = await lab.get<V1ConfigMap>("Flannel's configuration", path);
    return (JSON.parse(data?.["net-conf.json"] ?? "{}") as { Backend?: { Type?: string } }).Backend?.Type;
  };
  await configure(
    lab,
    "kube-flannel-cfg",
    "net-conf.json",
    { app: "flannel" },
    (text) => text.replace('"vxlan"', '"host-gw"'),
    async () => {
      const device = (await backend()) === "vxlan" ? "flannel.1" : "eth0";
      await lab.until(
        `Flannel to send what is for other nodes' pods by ${device}`,
        () => Promise.all(nodes.map((node) => routesOf(lab.node(node), lab.family))),
        (routes) =>
          routes.every((ofNode, index) =>
            nodes
              .filter((_, other) => other !== index)
              .every(({ podCIDRs: [subnet] }) => ofNode.some(({ dst, dev }) => dst === subnet && dev === device)),
          ),
      );
    },
    "kube-flannel",
  );
}

claim("flannel-only-connects", {
  observe: (lab) => observed("Flannel", lab, () => underPolicy(lab, "flannel-policy")),
  judge: (found) => letsEverybodyIn(seenOf("Flannel", found)),
  control: {
    name: "a policy that lets nobody in is enforced (nothing here can)",
    alter: ({ seen, ...serving }) =>
      seen === undefined
        ? serving
        : { ...serving, seen: { ...seen, under: { ...seen.under, outcome: "silent" as const } } },
  },
});

claim("cilium-is-based-on-ebpf", { observe: servingPlugins, judge: (found) => void seenOf("Cilium", found) });

claim("weave-net-encrypts", { observe: servingPlugins, judge: (found) => void seenOf("Weave", found) });
