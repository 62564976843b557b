import { randomBytes } from "node:crypto";
import type { Attachment } from "../evidence/evidence.ts";
import { type Hop, legsOf, type Path, pathOf, sightingsIn, tableOf, translatedBy } from "../path/hops.ts";
import { drawPath } from "../path/picture.ts";
import { type MetRule, rulesMet, translatingRules } from "../path/rules.ts";
import { inBackground } from "../probe/background.ts";
import { type RecordedPackets, recordPackets } from "../probe/capture.ts";
import { hostPort, type Meeting, meet } from "../probe/http.ts";
import { outputOf, type Peer } from "../probe/peer.ts";
import type { Lab } from "./lab.ts";

/** The lane of whoever is none of the cluster's. */
const outside = "outside the cluster";

/** What is followed: one TCP connection, or one DNS query by UDP. */
export interface Flow {
  /** Who asks whom, as the report has it. */
  readonly title: string;
  readonly protocol: "tcp" | "udp";
  readonly client: {
    readonly address: string;
    readonly name: string;
    /** It is none of the cluster's. */
    readonly outside?: true;
  };
  /** Whom the client asks. */
  readonly target: { readonly address: string; readonly port: number };
  /** Who may be the one that answers, on one port. */
  readonly servers: { readonly name: string; readonly addresses: readonly string[]; readonly port: number };
  /** Nobody is to answer, so that no answer is waited for. */
  readonly silent?: boolean;
}

/** What came of a flow, and the path of its packets. */
export interface Followed<T> extends Path {
  readonly title: string;
  readonly answer: T;
}

/**
 * Follows one flow over all nodes: captures on every interface, the kernel's trace of the rules that the packet meets, and
 * conntrack's entries. The table, the picture and the captures are kept as evidence; nothing stays on the nodes.
 *
 * @param send has the client ask once
 */
export async function follow<T>(lab: Lab, flow: Flow, send: () => Promise<T>): Promise<Followed<T>> {
  const watches = await Promise.all(stations(lab).map((station) => watch(lab, flow, station)));
  const answer = await send();
  const look = async () => {
    const texts = await Promise.all(watches.map(async ({ name, packets }) => sightingsIn(name, await packets.text())));
    return pathOf(
      texts.flat(),
      ({ from, to, toPort }) =>
        [from, to, toPort].join() === [flow.client.address, flow.target.address, flow.target.port].join(),
    );
  };
  const { there, back } = flow.silent === true ? await look() : await lab.eventually(look, isThereAndBack);
  const rules = new Map<string, MetRule[]>();
  for (const { name, met } of watches) {
    const entering = there.find(({ node }) => node === name);
    if (entering !== undefined) rules.set(name, await met(entering));
  }
  const path = { there: translatedBy(there, (node, end) => translatingRules(rules.get(node) ?? [], end)), back };
  await keep(lab, flow, path, watches, rules);
  await Promise.all(watches.map(({ stop }) => stop()));
  return { title: flow.title, answer, ...path };
}

function isThereAndBack({ there: [first], back }: Path): boolean {
  return back.some(({ node, interface: device }) => node === first?.node && device === first.interface);
}

/** A request by `kubectl port-forward`, as its connections hand it on to each other. */
export interface Forwarded {
  readonly answer: Meeting;
  /** The outsider to the API server, that to the kubelet, and what the kubelet opens in the pod. */
  readonly hops: readonly Hop[];
  /** New connections to the pod's port that were seen on its node: on the pod's link, that is. */
  readonly onTheLink: number;
}

/** Follows one request by `kubectl port-forward` to a pod on the first worker that has tcpdump in its first container. */
export async function followPortForward(lab: Lab, name: string): Promise<Forwarded> {
  const [node, controlPlane] = [lab.worker(0), lab.controlPlane];
  const pod = await lab.ready(name);
  const [outsider = ""] = lab.outsiderAddresses;
  const inThePod = `lo of ${name}`;
  const record = async (title: string, peer: Peer, filter: string) => {
    const packets = await recordPackets(peer, `tcp and (${filter})`);
    lab.afterwards(() => packets.stop());
    return { title, packets, seen: async () => sightingsIn(title, await packets.text()) };
  };
  const legs = await Promise.all([
    record(controlPlane.name, lab.pod("host-cp"), `(host ${outsider} and port 6443) or port 10250`),
    record(node.name, lab.pod("host-1"), "port 10250"),
    record(inThePod, pod, "port 8080"),
  ]);
  const link = await record(node.name, lab.pod("host-1"), `host ${pod.address} and port 8080`);
  const words = ["kubectl", "port-forward", "--namespace", lab.namespace, `pod/${name}`, "18084:8080"];
  const forward = await inBackground(lab.outsider, "forward a port of the pod", words);
  lab.afterwards(() => forward.stop());
  const answer = await lab.eventually(
    () => meet(lab.outsider, "localhost:18084", lab.timeouts.attempt),
    ({ outcome }) => outcome === "answered",
  );
  const sightings = (await Promise.all(legs.map(({ seen }) => seen()))).flat();
  const hops = legsOf(sightings, [
    { node: controlPlane.name, direction: "in", toPort: 6443 },
    { node: controlPlane.name, direction: "out", toPort: 10_250 },
    { node: node.name, direction: "in", toPort: 10_250 },
    { node: inThePod, direction: "in", toPort: 8080 },
  ]);
  const title = "port-forward: outsider to API server to kubelet to the pod's own lo";
  const picture = drawPath({
    ...{ title, hops },
    client: { lane: outside, words: `kubectl (${outsider})` },
    server: answer.outcome === "answered" ? { lane: inThePod, words: name } : undefined,
  });
  const onTheLink = (await link.seen()).length;
  const text = [
    tableOf(hops),
    "Each is a connection of its own; the API server has others with that kubelet.",
    `New connections to ${hostPort(pod.address, 8080)} on the pod's link: ${onTheLink}`,
  ];
  lab.note(`the path: ${title}`, text.join("\n\n"), [
    { name: "port-forward.svg", type: "image/svg+xml", content: picture },
    ...(await Promise.all(
      legs.map(async ({ title: where, packets }) => pcapOf(`port-forward-${where.replaceAll(" ", "-")}`, packets)),
    )),
  ]);
  return { answer, hops, onTheLink };
}

async function pcapOf(name: string, packets: RecordedPackets): Promise<Attachment> {
  return { name: `${name}.pcap`, type: "application/vnd.tcpdump.pcap", content: await packets.pcap() };
}

/** A node, and a pod of the cast on its network, which has tcpdump. */
interface Station {
  readonly name: string;
  readonly node: Peer;
  readonly host: Peer;
}

function stations(lab: Lab): Station[] {
  const hosts = new Map([
    [lab.worker(0).name, "host-1"],
    [lab.worker(1).name, "host-2"],
    [lab.controlPlane.name, "host-cp"],
  ]);
  return lab.world.nodes.flatMap((node) => {
    const host = hosts.get(node.name);
    return host === undefined ? [] : [{ name: node.name, node: lab.node(node), host: lab.pod(host) }];
  });
}

/** A node that is watched. */
interface Watch {
  readonly name: string;
  readonly packets: RecordedPackets;
  /** Returns the rules that the flow's first packet met, given as it came into the node. */
  readonly met: (packet: Hop) => Promise<MetRule[]>;
  /** Returns conntrack's entries of the flow. */
  readonly entries: () => Promise<string>;
  readonly stop: () => Promise<void>;
}

async function watch(lab: Lab, flow: Flow, { name, node, host }: Station): Promise<Watch> {
  const { protocol, client, target, servers } = flow;
  const steps: (() => Promise<unknown>)[] = [];
  const stop = async () => {
    for (const undo of steps.splice(0).toReversed()) await undo();
  };
  lab.afterwards(stop);
  const addresses = [target.address, ...servers.addresses];
  const ports = [target.port, servers.port];
  const any = (word: string, values: readonly unknown[]) => values.map((value) => `${word} ${value}`).join(" or ");
  const packets = await recordPackets(host, `${protocol} and (${any("host", addresses)}) and (${any("port", ports)})`);
  steps.push(() => packets.stop());
  const table = `knc-${randomBytes(4).toString("hex")}`;
  await outputOf(node, "have the kernel trace the rules that the first packet meets", [
    "nft",
    tracing(table, flow, addresses, ports),
  ]);
  steps.push(() => outputOf(node, "no trace any more", ["nft", "delete", "table", "inet", table]));
  const command = ["stdbuf", "-oL", "timeout", "120", "nft", "--handle", "monitor", "trace"];
  const monitor = await inBackground(node, "the kernel's trace", command);
  steps.push(() => monitor.stop());
  // Netlink's group 9, the trace of nf_tables (linux/netfilter/nfnetlink.h), as a mask.
  const listens = 'grep -Eq "^[0-9a-f]+ +12 +$(pgrep -P "$0" nft) +00000100 " /proc/net/netlink';
  await lab.until(
    `nft to listen to the trace on ${name}`,
    () => node.run("does it listen", ["sh", "-c", listens, monitor.pid]),
    ({ exitCode }) => exitCode === 0,
  );
  return {
    ...{ name, packets, stop },
    met: async (packet) => {
      const [trace, ruleset, iptables] = await Promise.all([
        monitor.output(),
        outputOf(node, "all rules, by handle", ["nft", "--json", "--handle", "list", "ruleset"]),
        outputOf(node, "all rules of iptables", ["iptables-save"]),
      ]);
      return rulesMet({ trace, ruleset, iptables }, table, packet);
    },
    entries: async () => {
      const entries = await outputOf(node, "conntrack's entries", ["conntrack", "-L", "-p", protocol]);
      return entries
        .split("\n")
        .filter((line) => line.includes(`src=${client.address} `) || line.includes(`dst=${servers.addresses[0]} `))
        .filter((line) => ports.some((port) => line.includes(`dport=${port} `)))
        .join("\n");
    },
  };
}

/** Returns the commands for a table of nft's that marks a flow's first packet to be traced, wherever it comes into the node. */
function tracing(
  table: string,
  { protocol, client }: Flow,
  addresses: readonly string[],
  ports: readonly number[],
): string {
  const family = client.address.includes(":") ? "ip6" : "ip";
  // A pod's own address comes to the name server, which others ask all the time; a connection's source may be translated.
  const first = protocol === "udp" ? `${family} saddr ${client.address}` : "tcp flags & (syn | ack) == syn";
  const match = `${family} daddr { ${addresses.join(", ")} } ${protocol} dport { ${ports.join(", ")} } ${first}`;
  return [
    `add table inet ${table}`,
    ...["prerouting", "output"].flatMap((hook) => [
      `add chain inet ${table} ${hook} { type filter hook ${hook} priority -350 ; }`,
      `add rule inet ${table} ${hook} ${match} meta nftrace set 1`,
    ]),
  ].join("\n");
}

async function keep(
  lab: Lab,
  { title, client, servers }: Flow,
  path: Path,
  watches: readonly Watch[],
  rules: ReadonlyMap<string, readonly MetRule[]>,
): Promise<void> {
  const [first, last] = [path.there[0], path.there.at(-1)];
  const name = (address: string | undefined) => `${servers.name} (${address ?? "?"})`;
  const picture = drawPath({
    title,
    hops: path.there,
    client: {
      lane: client.outside === true ? outside : (first?.node ?? outside),
      words: `${client.name} (${client.address})`,
    },
    server: path.back.length === 0 || last === undefined ? undefined : { lane: last.node, words: name(last.to) },
  });
  const slug = title.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-");
  const cameBy = watches.filter(({ name: node }) => path.there.some((hop) => hop.node === node));
  const nodes = await Promise.all(
    cameBy.map(async ({ name: node, packets, entries }) => ({
      node,
      pcap: await pcapOf(`${slug}-${node}`, packets),
      entries: await entries(),
      rules: (rules.get(node) ?? []).map(({ family, table, chain, rule }) => `  ${family} ${table} ${chain}: ${rule}`),
    })),
  );
  const attachments: Attachment[] = [
    { name: `${slug}.svg`, type: "image/svg+xml", content: picture },
    ...nodes.map(({ pcap }) => pcap),
  ];
  const text = [
    `there:\n${tableOf(path.there)}`,
    `back:\n${path.back.length === 0 ? "nothing came back" : tableOf(path.back)}`,
    ...nodes.map(({ node, rules: met, entries }) =>
      [`rules that the first packet met on ${node}:`, ...met, `conntrack on ${node}:`, entries].join("\n"),
    ),
  ].join("\n\n");
  lab.note(`the path: ${title}`, text, attachments);
}
