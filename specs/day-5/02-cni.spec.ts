import { randomBytes } from "node:crypto";
import type { V1Pod } from "@kubernetes/client-node";
import { expect } from "vitest";
import { NeedsFeature, positiveControl } from "../../helpers/claim/verdict.ts";
import { configure, editFile, moveFile, wrapProgram } from "../../helpers/lab/changes.ts";
import { iptablesRule, rules } from "../../helpers/lab/iptables.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import type { NodePeer } from "../../helpers/lab/peers.ts";
import { nameOf } from "../../helpers/lab/pods.ts";
import { letsEverybodyIn, underPolicy } from "../../helpers/lab/policy.ts";
import { live } from "../../helpers/lab/spec.ts";
import { startCapture } from "../../helpers/probe/capture.ts";
import { type Meeting, meet } from "../../helpers/probe/http.ts";
import { contains, hostPrefix, overlap } from "../../helpers/probe/ip.ts";
import { interfaceTowards, ipOption, routesOf, vethsOf, wayTo } from "../../helpers/probe/links.ts";
import { type Peer, ProbeFailed, jsonOf, outputOf } from "../../helpers/probe/peer.ts";
import { claim } from "./article.ts";
import { type Conflist, configurationsOf, conflistPath, leasesFolder, pluginsOf, readConflist } from "./conflist.ts";

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

claim("cross-node-traffic-by-iptables", {
  observe: async (lab) => {
    const [near, far] = [lab.worker(0), lab.worker(1)];
    const client = lab.pod("client-1");
    // Its own: nobody else is to find the way to it closed.
    const server = await lab.pods.start(lab.objects.serverPod("behind-the-route", {}, { nodeName: far.name }));
    const ask = () => meet(client, server.on(8080), lab.timeouts.silence);
    const answered = ({ outcome }: Meeting) => outcome === "answered";
    const before = await lab.until("the server to answer", ask, answered);

    const rulesBack = await withoutRules(lab, client.address, server.address);
    const withoutItsRules = await lab.eventually(ask, answered);
    await rulesBack();

    const route = (await routesOf(near, lab.family)).find(({ dst }) => far.podCIDRs.includes(dst)) ?? null;
    const routeBack = await withoutRoute(lab, near, server.address);
    const withoutItsRoute = await ask();
    await routeBack();
    const after = await lab.until("an answer after all is as it was", ask, answered);
    return { farAddresses: far.addresses, before, withoutItsRules, route, withoutItsRoute, after };
  },
  judge: ({ farAddresses, before, withoutItsRules, route, withoutItsRoute, after }) => {
    positiveControl(before.pod === "behind-the-route" && after.pod === before.pod, "the pods talk before and after");
    positiveControl(
      farAddresses.some((address) => address === route?.gateway),
      "the node has a route to the other node's subnet by way of that node",
    );
    const needed = [
      ...(answered(withoutItsRules) ? [] : ["rules of iptables"]),
      ...(answered(withoutItsRoute) ? [] : [`the route ${route?.dst} via ${route?.gateway}`]),
    ];
    positiveControl(needed.length > 0, "pods of different nodes talk by one of what was taken away");
    expect(needed, `that without which ${before.to} on another node is ${withoutItsRoute.outcome}`).toContain(
      "rules of iptables",
    );
  },
  control: live(
    "a rule of iptables marks what the pod sends to the other node's, and only the mark leads it there",
    async (lab) => {
      const near = lab.worker(0);
      const far = lab.worker(1);
      const client = lab.pod("client-1").address;
      const subnet = lab.ofFamily(far.podCIDRs);
      const gateway = lab.ofFamily(far.addresses);
      const device = await interfaceTowards(near, lab.family, subnet);
      // The stricter of the two counts; the answer comes from where the main table knows no way back.
      const filters = ["all", device].map((name) => `/proc/sys/net/ipv4/conf/${name}/rp_filter`);
      const ip = (...words: string[]) =>
        outputOf(near, `ip ${words.join(" ")}`, ["ip", ipOption[lab.family], ...words]);
      const rules = [
        ["priority", "100", "fwmark", "0x99", "lookup", "99"],
        ["priority", "101", "from", client, "to", subnet, "unreachable"],
      ];
      const route = [subnet, "via", gateway, "dev", device, "table", "99"];
      const flow = ["-s", client, "-d", subnet];
      await iptablesRule(lab, lab.worker(0), "mangle", "PREROUTING", ...flow, "-j", "MARK", "--set-mark", "0x99");
      lab.afterwards(async () => {
        for (const rule of rules.toReversed()) await ip("rule", "del", ...rule);
        await ip("route", "del", ...route);
      });
      for (const filter of filters) await editFile(lab, near, filter, () => "0");
      await ip("route", "add", ...route);
      for (const rule of rules) await ip("rule", "add", ...rule);
    },
  ),
});

/** Where a packet that a node passes on meets rules of iptables (iptables(8), TABLES). */
const chains = {
  raw: ["PREROUTING"],
  mangle: ["PREROUTING", "FORWARD", "POSTROUTING"],
  nat: ["PREROUTING", "POSTROUTING"],
  filter: ["FORWARD"],
};

/**
 * Has no rule of iptables on two nodes asked about what a pod of the first and one of the second send each other: what is accepted
 * first in a table's chain meets none of its other rules. Returns what has them asked again.
 */
async function withoutRules(lab: Lab, one: string, other: string): Promise<() => Promise<void>> {
  const table = (action: "-I" | "-D", name: string, ofTable: readonly string[]) => [
    `*${name}`,
    ...ofTable.flatMap((chain) => [
      `${action} ${chain} -s ${one} -d ${other} -j ACCEPT`,
      `${action} ${chain} -s ${other} -d ${one} -j ACCEPT`,
    ]),
    "COMMIT",
  ];
  const restore = async (title: string, action: "-I" | "-D") => {
    const text = Object.entries(chains).flatMap(([name, ofTable]) => table(action, name, ofTable));
    const words = ["sh", "-c", `printf '%s\\n' "$0" | ${lab.iptables}-restore -w --noflush`, text.join("\n")];
    for (const worker of [lab.worker(0), lab.worker(1)]) await outputOf(worker, title, words);
  };
  const undo = once(() => restore("ask the rules of iptables again", "-D"));
  lab.afterwards(undo);
  await restore("ask no rule of iptables about the two pods", "-I");
  return undo;
}

/** Takes a node's route to one address away. Returns what gives it back. */
async function withoutRoute(lab: Lab, worker: NodePeer, address: string): Promise<() => Promise<void>> {
  const node = worker;
  const route = (action: "replace" | "del") => ["ip", "route", action, "unreachable", hostPrefix(address)];
  const undo = once(async () => void (await outputOf(node, "give it back", route("del"))));
  lab.afterwards(undo);
  await outputOf(node, "take the route to that pod away", route("replace"));
  return undo;
}

/** Returns the same, which does nothing when it is called again. */
function once(act: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => (done ??= act());
}

claim("kubernetes-uses-cni", {
  observe: async (lab) => {
    const node = lab.worker(0);
    const name = "needs-a-network";
    const { metadata } = await lab.api.create<V1Pod>(
      "a pod",
      lab.objects.clientPod(name, { nodeName: lab.worker(0).name }),
    );
    const look = async () => {
      const { status } = await lab.api.get("the pod", "Pod", name);
      const events = await lab.api.list("what is told of it", "Event", {
        namespace: lab.namespace,
        fields: { "involvedObject.uid": `${metadata?.uid}` },
      });
      const refusal = events.find(({ reason }) => reason === "FailedCreatePodSandBox")?.message ?? null;
      return { address: status?.podIP ?? null, refusal };
    };
    const first = await lab.until(
      "the pod to have an address, or none for a reason",
      look,
      ({ address, refusal }) => address !== null || refusal !== null,
      lab.timeouts.podsReady,
    );
    // Which may pass.
    const pod = first.address === null ? await lab.eventually(look, ({ address }) => address !== null) : first;
    return { pod, call: await callFor(node, lab.namespace, name) };
  },
  judge: ({ pod, call }) => {
    expect(
      call,
      `what the container runtime has of its call of CNI plugins for the pod${pod.refusal === null ? "" : ` (${pod.refusal})`}`,
    ).not.toBeNull();
    expect(call?.plugins.length, "plugins of the configuration with which it called").toBeGreaterThan(0);
    expect(call?.addresses, "addresses that the plugins gave the pod, its own among them").toContain(pod.address);
  },
  control: live(
    "a plugin that the configuration names is not there",
    (lab) => moveFile(lab, lab.worker(0), "/opt/cni/bin/portmap", "/opt/cni/portmap"),
    { alone: true },
  ),
});

/** What a container runtime keeps of a call of CNI plugins, for the call that undoes it (containernetworking/cni, libcni/api.go). */
interface Call {
  readonly ifName: string;
  readonly config: string;
  readonly cniArgs: readonly (readonly [name: string, value: string])[];
  readonly result: { readonly ips?: readonly { readonly address: string }[] };
}

/** Returns with which plugins a node's container runtime has made a pod's network, and the addresses that they gave it. */
async function callFor(
  node: Peer,
  namespace: string,
  pod: string,
): Promise<{ plugins: string[]; addresses: string[] } | null> {
  const kept = await node.run("calls that are kept", ["sh", "-c", 'grep -ls "$0" /var/lib/cni/results/*', `"${pod}"`]);
  for (const file of kept.stdout.split("\n").filter(Boolean)) {
    const call = await jsonOf<Call>(node, "the call", ["cat", file]);
    const told = new Map(call.cniArgs);
    const ofPod = told.get("K8S_POD_NAMESPACE") === namespace && told.get("K8S_POD_NAME") === pod;
    // Its loopback interface has a call of its own.
    if (!ofPod || call.ifName !== "eth0") continue;
    const { plugins } = JSON.parse(Buffer.from(call.config, "base64").toString()) as Pick<Conflist, "plugins">;
    return {
      plugins: plugins.map(({ type }) => type),
      addresses: (call.result.ips ?? []).flatMap(({ address }) => address.split("/")[0] ?? []),
    };
  }
  return null;
}

claim("cni-comes-with-kind", {
  observe: async (lab) => {
    // A container of the nodes' image that never was a node: nothing runs there, and nothing was pulled.
    const path = "/kind/manifests/default-cni.yaml";
    const manifest = await outputOf(lab.outsider, "the manifest in the node image", ["cat", path]);
    const [, image = ""] = /image:\s*["']?([^\s"']+)/.exec(manifest) ?? [];
    const names = await outputOf(lab.outsider, `how often containerd's database in the node image names ${image}`, [
      "sh",
      "-c",
      'grep -caF -- "$0" /var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db || test $? = 1',
      image,
    ]);
    return { image, inTheNodeImage: Number(names) > 0 };
  },
  judge: ({ image, inTheNodeImage }) => {
    expect(image, "the image that the manifest in kind's node image asks for").not.toBe("");
    expect(inTheNodeImage, `${image}, which that manifest asks for, came with the node image`).toBe(true);
  },
  control: live(
    "the node image's manifest asks for another image",
    (lab) =>
      editFile(lab, lab.outsider, "/kind/manifests/default-cni.yaml", (text) => text.replaceAll("kindnetd:", "other:")),
    { lane: "kind's manifest" },
  ),
});

claim("cni-is-a-specification", {
  observe: async (lab) => {
    const node = lab.worker(0);
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
      pluginsOf(conflist).map(async (plugin) => {
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
      expect(version?.supportedVersions ?? [], `versions of the specification that ${plugin} supports`).toContain(
        wanted,
      );
      expect(nonsense?.code, `${plugin}'s error code for a command that the specification does not have`).toBe(4);
    }
  },
  control: live("one of the plugins does not speak as one", (lab) =>
    wrapPlugin(lab, lab.worker(0), "portmap", "t", "exit 1"),
  ),
});

/** Has a plugin do something else where a network of that name is meant, until the change ends; pods' networks are served as ever. */
async function wrapPlugin(lab: Lab, node: NodePeer, plugin: string, network: string, instead: string): Promise<void> {
  await wrapProgram(lab, node, `/opt/cni/bin/${plugin}`, (aside) => [
    "conf=$(cat)",
    'case "$conf" in',
    `*'"name":"${network}'*) ${instead} ;;`,
    `*) printf %s "$conf" | ${aside} ;;`,
    "esac",
  ]);
}

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
    const node = lab.controlPlane;
    const netns = `knc-${randomBytes(3).toString("hex")}`;
    const dataDir = `/run/${netns}`;
    // Nobody's addresses (RFC 5737): the node gets a route to the one that is given out.
    const ipam = { type: "host-local", dataDir, ranges: [[{ subnet: "198.51.100.0/24" }]] };
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
  control: live("the plugin says that it did what it is asked, and does not", (lab) =>
    wrapPlugin(lab, lab.controlPlane, "ptp", "knc-", `echo '{"cniVersion":"0.3.1"}'`),
  ),
});

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

/** Returns what configures CNI on a node, and which DaemonSets there are: a name alone does not tell that a plugin serves pods. */
async function servingPlugins(lab: Lab) {
  const daemonSets = await lab.api.list("all DaemonSets", "DaemonSet");
  return {
    daemonSets: daemonSets.map(nameOf),
    configurations: await configurationsOf(lab.worker(0)),
  };
}

/** What a CNI plugin does that the suite has no check of is not judged, whether it runs here or not. */
function unseen(name: string) {
  return ({ daemonSets, configurations }: Awaited<ReturnType<typeof servingPlugins>>): void => {
    throw new NeedsFeature(
      `a cluster that runs ${name}, and a check of what it does: a node of this one has ${configurations.join(", ")}, its DaemonSets are ${daemonSets.join(", ")}, and the suite has no such check`,
    );
  };
}

/** Asks a pod on another node. */
async function askAcross(lab: Lab) {
  const [client, server] = [lab.pod("client-1"), lab.pod("server-2")];
  const answer = await lab.eventually(() => meet(client, server.on(8080), lab.timeouts.attempt), answered);
  return { client: client.address, server: server.address, answer };
}

claim("cni-can-be-exchanged", {
  observe: async (lab) => ({ ...(await servingPlugins(lab)), ...(await askAcross(lab)) }),
  judge: ({ configurations, answer }) => {
    expect(configurations[0], "the CNI configuration that a node uses, the first of its folder").not.toBe(
      "10-kindnet.conflist",
    );
    expect(answer.outcome, `${answer.to}, asked from another node`).toBe("answered");
    expect(answer.pod, "who answered").toBe("server-2");
  },
  control: live("the node drops what the one pod sends to the other", async (lab) => {
    const traffic = { from: lab.pod("client-1").address, to: lab.pod("server-2").address };
    await rules(lab, lab.worker(0)).drop(traffic, ["filter", "FORWARD"]);
  }),
});

claim("calico-supports-network-policy", { observe: servingPlugins, judge: unseen("Calico") });

claim("flannel-is-an-overlay", {
  observe: async (lab) => {
    const [near, far] = [lab.worker(0).address, lab.worker(1).address];
    const host = lab.pod("host-1");
    const { dev: device } = await wayTo(lab.worker(0), far);
    const capture = async (filter: string) => {
      const packets = await startCapture(host, device, filter);
      lab.afterwards(() => packets.stop());
      return packets;
    };
    const [client, server] = [lab.pod("client-1").address, lab.pod("server-2").address];
    // Only an outer header's addresses count to the second filter: what is wrapped does not pass it.
    const [wrapped, bare] = await Promise.all([
      capture("udp and port 8472"),
      capture(`host ${client} and host ${server}`),
    ]);
    const across = await askAcross(lab);
    const packets = await lab.eventually(
      async () => ({ wrapped: await wrapped.packets(), bare: await bare.packets() }),
      (all) => Object.values(all).some((some) => some.some(({ to }) => to === client)),
    );
    return {
      nodes: { near, far },
      ...across,
      wrapped: packets.wrapped.map(({ from, to, toPort }) => ({ from, to, toPort })),
      bare: packets.bare.map(({ from, to }) => ({ from, to })),
    };
  },
  judge: ({ nodes: { near, far }, client, server, answer, wrapped, bare }) => {
    positiveControl(answered(answer), "the pod on the other node answers");
    positiveControl(wrapped.length + bare.length > 0, "the node's interface shows packets of it");
    expect(bare, "packets between the nodes that have the pods' addresses on the outside").toEqual([]);
    const outer = wrapped.find(({ from, to, toPort }) => from === near && to === far && toPort === 8472);
    expect(outer, "a packet from node to node, to VXLAN's port of Linux").toBeDefined();
    expect(wrapped, "packets inside of those").toContainEqual({ from: client, to: server, toPort: 8080 });
  },
  control: live("Flannel's backend is host-gw", flannelByRoutes, { alone: true }),
});

/** Has Flannel set routes by way of the other nodes' addresses, as kindnet does, instead of an overlay. */
async function flannelByRoutes(lab: Lab): Promise<void> {
  const { nodes } = lab;
  const backend = async () => {
    const { data } = await lab.api.get("Flannel's configuration", "ConfigMap", "kube-flannel-cfg", "kube-flannel");
    return (JSON.parse(data?.["net-conf.json"] ?? "{}") as { Backend?: { Type?: string } }).Backend?.Type;
  };
  await configure(
    lab,
    "kube-flannel-cfg",
    "net-conf.json",
    { app: "flannel" },
    (text) => text.replace('"vxlan"', '"host-gw"'),
    async () => {
      const overlay = (await backend()) === "vxlan";
      await lab.until(
        `Flannel to send what is for other nodes' pods by ${overlay ? "its overlay" : "the nodes' own network"}`,
        () => Promise.all(nodes.map((node) => routesOf(node, lab.family))),
        (routes) =>
          routes.every((ofNode, index) =>
            nodes
              .filter((_, other) => other !== index)
              .every(({ podCIDRs: [subnet] }) =>
                ofNode.some(({ dst, dev }) => dst === subnet && (dev === "flannel.1") === overlay),
              ),
          ),
      );
    },
    "kube-flannel",
  );
}

claim("flannel-only-connects", {
  observe: (lab) => underPolicy(lab, "flannel-policy"),
  judge: letsEverybodyIn,
  control: {
    name: "a policy that lets nobody in is enforced (nothing here can)",
    alter: (found) => ({ ...found, under: { ...found.under, outcome: "silent" as const } }),
  },
});

claim("cilium-is-based-on-ebpf", { observe: servingPlugins, judge: unseen("Cilium") });

claim("weave-net-encrypts", { observe: servingPlugins, judge: unseen("Weave Net") });
