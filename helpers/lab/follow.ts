import { randomBytes } from "node:crypto";
import { type Attachment, slugOf } from "../claim/evidence.ts";
import {
  type Hop,
  isWhole,
  type Leg,
  legsOf,
  type Path,
  pathOf,
  sightingsIn,
  tableOf,
  translatedBy,
} from "../path/hops.ts";
import { drawPath } from "../path/picture.ts";
import { type MetRule, rulesMet, translatingRules } from "../path/rules.ts";
import { inBackground } from "../probe/background.ts";
import { type RecordedPackets, recordPackets } from "../probe/capture.ts";
import { type Meeting, meet } from "../probe/http.ts";
import { ipFamilyOf } from "../probe/ip.ts";
import { outputOf, type Peer, ProbeFailed } from "../probe/peer.ts";
import { answered } from "./ask.ts";
import type { Lab } from "./lab.ts";

/** What is done to follow a packet is kept as one item, with what came of it. */
const silent = { silent: true };

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
    /** From which it asks, where others ask the same from there. */
    readonly port?: number;
    /** It is none of the cluster's. */
    readonly outside?: true;
  };
  /** Whom the client asks. */
  readonly target: { readonly address: string; readonly port: number };
  /** Who may be the one that answers, on one port. */
  readonly servers: { readonly name: string; readonly addresses: readonly string[]; readonly port: number };
  /** Where else its packets may be sent on the way. */
  readonly by?: { readonly addresses: readonly string[]; readonly port: number };
  /** Nobody is to answer, so that no answer is waited for. */
  readonly silent?: boolean;
}

/** What came of a flow, and the path of its packets. */
export interface Followed<T> extends Path {
  readonly title: string;
  readonly answer: T;
}

/**
 * Follows one flow over all nodes: captures on every interface, the kernel's trace of the rules that the packet meets where the
 * nodes have nft, and conntrack's entries. The table, the picture and the captures are kept as evidence; nothing stays on the nodes.
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
      ({ from, fromPort, to, toPort }) =>
        from === flow.client.address &&
        (flow.client.port === undefined || fromPort === flow.client.port) &&
        to === flow.target.address &&
        toPort === flow.target.port,
    );
  };
  const { there, back } = flow.silent === true ? await look() : await lab.eventually(look, isWhole);
  if (back.length > 0 && !isWhole({ there, back })) {
    const pcaps = await Promise.all(
      watches.map(async ({ name, packets }) => attachedPcap(`${slugOf(flow.title)}-${name}`, await packets.pcap())),
    );
    lab.note(`the captures of ${flow.title}`, `there:\n${tableOf(there)}\n\nback:\n${tableOf(back)}`, pcaps);
    // It may be that packets were lost, which is told then.
    await Promise.all(watches.map(({ stop }) => stop()));
    throw new ProbeFailed(`the captures of ${flow.title} do not show every hop:\n${tableOf(there)}\n${tableOf(back)}`);
  }
  const visits = await Promise.all(
    watches.flatMap(({ name, visit }) => {
      const entering = there.find(({ node }) => node === name);
      return entering === undefined ? [] : [visit(entering)];
    }),
  );
  const rulesOf = (node: string) => visits.find((visit) => visit.node === node)?.rules ?? [];
  const path = { there: translatedBy(there, (node, end) => translatingRules(rulesOf(node), end)), back };
  const slug = slugOf(flow.title);
  lab.note(`the path: ${flow.title}`, wordsOf(path, visits), [
    { name: `${slug}.svg`, type: "image/svg+xml", content: pictureOf(flow, path) },
    ...visits.map(({ node, pcap }) => attachedPcap(`${slug}-${node}`, pcap)),
  ]);
  await Promise.all(watches.map(({ stop }) => stop()));
  return { title: flow.title, answer, ...path };
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
  const pod = await lab.pods.ready(name, lab.namespace, silent);
  // The API server is reached by either family, whatever its cluster has.
  const outsider = lab.outsider.addresses;
  const inThePod = `lo of ${name}`;
  const record = async (title: string, peer: Peer, filter: string) => {
    const packets = await recordPackets(peer, `tcp and (${filter})`);
    lab.afterwards(() => packets.stop());
    return { title, packets, seen: async () => sightingsIn(title, await packets.text()) };
  };
  const legs = await Promise.all([
    record(controlPlane.name, lab.pod("host-cp", silent), `((${anyOf("host", outsider)}) and port 6443) or port 10250`),
    record(node.name, lab.pod("host-1", silent), `port 10250 or (host ${pod.address} and port 8080)`),
    record(inThePod, pod, "port 8080"),
  ]);
  const words = ["kubectl", "port-forward", "--namespace", lab.namespace, `pod/${name}`, "18084:8080"];
  const forward = await inBackground(lab.outsider, "forward a port of the pod", words);
  lab.afterwards(() => forward.stop());
  const answer = await lab.eventually(() => meet(lab.outsider, "localhost:18084", lab.timeouts.attempt), answered);
  const connections: readonly Leg[] = [
    { node: controlPlane.name, direction: "in", toPort: 6443 },
    { node: controlPlane.name, direction: "out", toPort: 10_250 },
    { node: node.name, direction: "in", toPort: 10_250 },
    { node: inThePod, direction: "in", toPort: 8080 },
  ];
  const look = async () => {
    const sightings = (await Promise.all(legs.map(({ seen }) => seen()))).flat();
    return { sightings, hops: legsOf(sightings, connections) };
  };
  // Captures lag behind, each as it likes.
  const { sightings, hops } = answered(answer)
    ? await lab.eventually(look, (seen) => seen.hops.length === connections.length)
    : await look();
  const title = "port-forward: outsider to API server to kubelet to the pod's own lo";
  const picture = drawPath({
    ...{ title, hops },
    client: { lane: outside, words: `kubectl (${lab.outsider.address})` },
    server: answered(answer) ? { lane: inThePod, words: name } : undefined,
  });
  const onTheLink = sightings.filter(
    (seen) => seen.node === node.name && [seen.fromPort, seen.toPort].includes(8080),
  ).length;
  const text = [
    tableOf(hops),
    "Each is a connection of its own; the API server has others with that kubelet.",
    `New connections to ${pod.on(8080)} on the pod's link: ${onTheLink}`,
  ];
  lab.note(`the path: ${title}`, text.join("\n\n"), [
    { name: "port-forward.svg", type: "image/svg+xml", content: picture },
    ...(await Promise.all(
      legs.map(async ({ title: where, packets }) =>
        attachedPcap(`port-forward-${where.replaceAll(" ", "-")}`, await packets.pcap()),
      ),
    )),
  ]);
  return { answer, hops, onTheLink };
}

function attachedPcap(name: string, content: Buffer): Attachment {
  return { name: `${name}.pcap`, type: "application/vnd.tcpdump.pcap", content };
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
  return lab.nodes.flatMap((node) => {
    const host = hosts.get(node.name);
    return host === undefined ? [] : [{ name: node.name, node: lab.silently(node), host: lab.pod(host, silent) }];
  });
}

/** What a node shows of a packet that came by. */
interface Visit {
  readonly node: string;
  readonly pcap: Buffer;
  /** The rules that it met, in their order. */
  readonly rules: readonly MetRule[];
  /** conntrack's entry of the connection. */
  readonly entry: string;
}

/** A node that is watched. */
interface Watch {
  readonly name: string;
  readonly packets: RecordedPackets;
  /** Returns what the node shows of the flow's first packet, given as it came into the node. */
  readonly visit: (packet: Hop) => Promise<Visit>;
  readonly stop: () => Promise<void>;
}

async function watch(lab: Lab, flow: Flow, { name, node, host }: Station): Promise<Watch> {
  const { protocol, target, servers, by } = flow;
  const steps: (() => Promise<unknown>)[] = [];
  const stop = () => undone(steps);
  lab.afterwards(stop);
  const addresses = [target.address, ...servers.addresses, ...(by?.addresses ?? [])];
  const ports = [target.port, servers.port, ...(by === undefined ? [] : [by.port])];
  const packets = await recordPackets(
    host,
    `${protocol} and (${anyOf("host", addresses)}) and (${anyOf("port", ports)})`,
  );
  steps.push(() => packets.stop());
  const trace = lab.world.features.nft ? await traced(lab, node, flow, addresses, ports) : undefined;
  if (trace !== undefined) steps.push(trace.stop);
  return {
    ...{ name, packets, stop },
    visit: async (packet) => {
      const [pcap, rules, entries] = await Promise.all([
        packets.pcap(),
        trace?.rules(packet) ?? [],
        outputOf(node, "conntrack's entries", ["conntrack", "-L", "-p", protocol]),
      ]);
      const original = `src=${packet.from} dst=${packet.to} sport=${packet.fromPort} dport=${packet.toPort} `;
      return {
        ...{ node: name, pcap, rules },
        entry: entries.split("\n").find((line) => line.includes(original)) ?? "none",
      };
    },
  };
}

/** The kernel's trace of what a flow meets on a node. */
interface Trace {
  /** Returns the rules that the flow's first packet met, given as it came into the node. */
  readonly rules: (packet: Hop) => Promise<readonly MetRule[]>;
  readonly stop: () => Promise<void>;
}

/** Has the kernel of a node trace a flow's first packet, and returns once nft listens to it. */
async function traced(
  lab: Lab,
  node: Peer,
  flow: Flow,
  addresses: readonly string[],
  ports: readonly number[],
): Promise<Trace> {
  const steps: (() => Promise<unknown>)[] = [];
  const stop = () => undone(steps);
  lab.afterwards(stop);
  const table = `knc-${randomBytes(4).toString("hex")}`;
  await outputOf(node, "have the kernel trace the rules that the first packet meets", [
    "nft",
    tracing(table, flow, addresses, ports),
  ]);
  steps.push(() => outputOf(node, "no trace any more", ["nft", "delete", "table", "inet", table]));
  const command = ["stdbuf", "-oL", "timeout", "120", "nft", "--handle", "monitor", "trace"];
  const monitor = await inBackground(node, "the kernel's trace", command);
  steps.push(() => monitor.stop());
  await lab.until(
    `nft to listen to the trace on ${node.label}`,
    () => node.run("does it listen", ["sh", "-c", listens, monitor.pid]),
    ({ exitCode }) => exitCode === 0,
  );
  return {
    stop,
    rules: async (packet) => {
      const [trace, ruleset, iptables] = await Promise.all([
        monitor.output(),
        outputOf(node, "all rules, by handle", ["nft", "--json", "--handle", "list", "ruleset"]),
        outputOf(node, "all rules of iptables", [`${lab.iptables}-save`]),
      ]);
      return rulesMet({ trace, ruleset, iptables }, table, packet);
    },
  };
}

/**
 * Whether a process' child listens on netlink's group 9, the trace of nf_tables (linux/netfilter/nfnetlink.h; as a mask): nft is
 * the child of timeout, and a netlink port has its process' ID. Nodes may lack pgrep.
 */
const listens = `
  while read -r _ protocol port groups _; do
    [ "$protocol" = 12 ] && [ "$groups" = 00000100 ] && read -r _ _ _ parent _ < "/proc/$port/stat" && [ "$parent" = "$0" ] && exit 0
  done 2>/dev/null < /proc/net/netlink
  exit 1`;

/** Takes back what was done, all of it. @throws the first failure */
async function undone(steps: (() => Promise<unknown>)[]): Promise<void> {
  const ends = await Promise.allSettled(steps.splice(0).map((undo) => undo()));
  const failed = ends.find((end) => end.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

/** Returns a filter in the language of pcap-filter(7). */
function anyOf(word: "host" | "port", values: readonly (string | number)[]): string {
  return values.map((value) => `${word} ${value}`).join(" or ");
}

/** Returns the commands for a table of nft's that marks a flow's first packet to be traced, wherever it comes into the node. */
function tracing(
  table: string,
  { protocol, client }: Flow,
  addresses: readonly string[],
  ports: readonly number[],
): string {
  const family = { ipv4: "ip", ipv6: "ip6" }[ipFamilyOf(client.address)];
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

function pictureOf({ title, client, servers }: Flow, { there, back }: Path): string {
  const [first, last] = [there[0], there.at(-1)];
  return drawPath({
    title,
    hops: there,
    client: {
      lane: client.outside === true ? outside : (first?.node ?? outside),
      words: `${client.name} (${client.address})`,
    },
    server:
      back.length === 0 || last === undefined ? undefined : { lane: last.node, words: `${servers.name} (${last.to})` },
  });
}

function wordsOf({ there, back }: Path, visits: readonly Visit[]): string {
  return [
    `there:\n${tableOf(there)}`,
    `back:\n${back.length === 0 ? "nothing came back" : tableOf(back)}`,
    ...visits.map(({ node, rules, entry }) =>
      [
        `rules that the first packet met on ${node}:`,
        ...rules.map(({ family, table, chain, rule }) => `  ${family} ${table} ${chain}: ${rule}`),
        `conntrack's entry on ${node}:\n  ${entry}`,
      ].join("\n"),
    ),
  ].join("\n\n");
}
