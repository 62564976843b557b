/** A packet of one flow, as one interface of a node saw it. */
export interface Hop {
  /** The node in whose network namespace the interface is. */
  readonly node: string;
  readonly interface: string;
  readonly direction: "in" | "out";
  readonly from: string;
  readonly fromPort: number;
  readonly to: string;
  readonly toPort: number;
  /** Time to live, IPv6's hop limit: one less at every router. */
  readonly ttl: number;
  /** Which of its ends are others than at the hop before. */
  readonly translated: readonly End[];
  /** The node's rules that did it, as far as they are known. */
  readonly by: readonly string[];
}

/** The ends of a packet, as addresses and ports. */
export type End = "source" | "destination";

/** A packet that can be known again wherever it comes by, whatever NAT makes of its addresses. */
export interface Sighting extends Omit<Hop, "translated" | "by"> {
  /** Seconds since 1970; the nodes are containers of one machine, and have one clock. */
  readonly at: number;
  /**
   * What NAT leaves alone: the initial sequence number of a TCP connection (RFC 3022, section 4.1), or the ID of a DNS
   * query (RFC 1035, section 4.1.1).
   */
  readonly flow: number;
  /** It is the answer: a SYN-ACK, or what a name server says. */
  readonly answer: boolean;
}

const head = String.raw`^(\d+\.\d+) (\S+)\s+(In|Out)\s+IP6? \([^\n]*?(?:ttl|hlim) (\d+)[^\n]*\)\s+(\S+)\.(\d+) > (\S+)\.(\d+): `;
const tcp = new RegExp(String.raw`${head}Flags \[(S\.?)[EW]*\],[^\n]*? seq (\d+),(?: ack (\d+),)?`, "gm");
const dns = new RegExp(String.raw`${head}(?:\[[^\]\n]*\] )?(\d+)[^\n]*$`, "gm");

/** Returns what can be known again in what `tcpdump -i any -v -tt -nn -S` printed on a node (tcpdump(8), OUTPUT FORMAT). */
export function sightingsIn(node: string, text: string): Sighting[] {
  return [
    ...[...text.matchAll(tcp)].map((found) => {
      const [flags, sequence, acknowledged] = found.slice(9);
      const answer = flags === "S.";
      // Sequence numbers are 32 bits wide and begin anew.
      return {
        ...sighting(node, found),
        flow: answer ? (Number(acknowledged) + 2 ** 32 - 1) % 2 ** 32 : Number(sequence),
        answer,
      };
    }),
    ...[...text.matchAll(dns)].flatMap((found) => {
      const seen = sighting(node, found);
      return seen.fromPort === 53 || seen.toPort === 53
        ? [{ ...seen, flow: Number(found[9]), answer: seen.fromPort === 53 }]
        : [];
    }),
  ];
}

function sighting(node: string, found: RegExpExecArray): Omit<Sighting, "flow" | "answer"> {
  const [, at, device = "", direction, ttl, from = "", fromPort, to = "", toPort] = found;
  return {
    ...{ node, interface: device, direction: direction === "In" ? "in" : "out", at: Number(at) },
    ...{ from, fromPort: Number(fromPort), to, toPort: Number(toPort), ttl: Number(ttl) },
  };
}

/** The way of a flow's first packet, and that of the answer. */
export interface Path {
  readonly there: readonly Hop[];
  readonly back: readonly Hop[];
}

/**
 * Returns the hops of a flow's first packet and of the answer to it, each in its order; none where it was not seen.
 *
 * @param isFirst recognizes the packet where it leaves the client
 */
export function pathOf(sightings: readonly Sighting[], isFirst: (sighting: Sighting) => boolean): Path {
  const inTime = sightings.toSorted((a, b) => a.at - b.at);
  const first = inTime.find((each) => !each.answer && isFirst(each));
  if (first === undefined) return { there: [], back: [] };
  const ofTheFlow = inTime.filter(({ at, flow }) => at >= first.at && flow === first.flow);
  return {
    there: hops(ofTheFlow.filter(({ answer }) => !answer)),
    // Only a connection's first packet meets the rules; what comes back is translated by its entry.
    back: translatedBy(hops(ofTheFlow.filter(({ answer }) => answer)), () => ["the connection's entry in conntrack"]),
  };
}

/** What Linux gives a packet to live, in routers (net.ipv4.ip_default_ttl, net.ipv6.conf.default.hop_limit). */
const initialTTL = 64;

/**
 * Returns whether every hop was seen, from the client to the server and back: captures are read while they go on, and one
 * that lags behind the others would make a gap that no packet had.
 */
export function isWhole({ there, back }: Path): boolean {
  return hasNoGap(there) && hasNoGap(back) && isSameLink(there.at(-1), back[0]) && isSameLink(there[0], back.at(-1));
}

function isSameLink(one: Hop | undefined, other: Hop | undefined): boolean {
  return one?.node === other?.node && one?.interface === other?.interface;
}

/** Every router that forwards a packet takes one from its TTL (RFC 1812, section 5.3.1; RFC 8200, section 3), and nobody else does. */
function hasNoGap(hops: readonly Hop[]): boolean {
  return (
    hops[0]?.ttl === initialTTL &&
    hops.slice(1).every((hop, index) => {
      const before = hops[index];
      const forwarded = before?.node === hop.node && before.direction === "in" && hop.direction === "out";
      const passedOn = before?.direction === "out" && hop.direction === "in";
      return (forwarded && hop.ttl === before.ttl - 1) || (passedOn && hop.ttl === before.ttl);
    })
  );
}

/** Returns hops with what a node has to say of how it translates that end. */
export function translatedBy(hops: readonly Hop[], rulesOf: (node: string, end: End) => readonly string[]): Hop[] {
  // In the order of netfilter's hooks: where a packet is to go is decided before where it is to come from.
  const by = ({ node, translated }: Hop) => new Set(translated.toReversed().flatMap((end) => rulesOf(node, end)));
  return hops.map((hop) => ({ ...hop, by: [...by(hop)] }));
}

function hops(sightings: readonly Sighting[]): Hop[] {
  // One that nobody answers is sent again.
  const seen = Map.groupBy(sightings, (sighting) => JSON.stringify({ ...sighting, at: 0 }));
  const once = [...seen.values()].flatMap(([first]) => first ?? []);
  return once.map(({ at: _at, flow: _flow, answer: _answer, ...hop }, index) => {
    const before = once[index - 1] ?? hop;
    const translated = (["from", "to"] as const)
      .filter((end) => before[end] !== hop[end] || before[`${end}Port`] !== hop[`${end}Port`])
      .map((end): End => (end === "from" ? "source" : "destination"));
    return { ...hop, translated, by: [] };
  });
}

/** A connection among those that hand a request on to each other. */
export type Leg = Pick<Hop, "node" | "direction" | "toPort">;

/** Returns the first packet of each leg: from the last one back, the latest that was there before the leg after it. */
export function legsOf(sightings: readonly Sighting[], legs: readonly Leg[]): Hop[] {
  const found: Sighting[] = [];
  for (const { node, direction, toPort } of legs.toReversed()) {
    const before = found[0]?.at ?? Number.POSITIVE_INFINITY;
    const first = sightings
      .filter((each) => !each.answer && each.at <= before)
      .filter((each) => each.node === node && each.direction === direction && each.toPort === toPort)
      .toSorted((a, b) => b.at - a.at)[0];
    if (first === undefined) break;
    found.unshift(first);
  }
  return found.flatMap((each) => hops([each]));
}

/** Returns the way of a packet in words: `worker in, worker out with another destination, worker2 in, worker2 out`. */
export function wayOf(hops: readonly Hop[]): string {
  return hops
    .map(
      ({ node, direction, translated }) =>
        `${node} ${direction}${translated.length === 0 ? "" : ` with another ${translated.join(" and ")}`}`,
    )
    .join(", ");
}

/** Returns hops as a table that a reader of plain text can follow. */
export function tableOf(hops: readonly Hop[]): string {
  const rows = [
    ["node", "interface", "source", "destination", "TTL", "translated", "by"],
    ...hops.map((hop) => [
      hop.node,
      `${hop.interface} ${hop.direction}`,
      `${hop.from}:${hop.fromPort}`,
      `${hop.to}:${hop.toPort}`,
      String(hop.ttl),
      hop.translated.join(" and "),
      hop.by.join("; "),
    ]),
  ];
  const width = (column: number) => Math.max(...rows.map((row) => row[column]?.length ?? 0));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(width(column)))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
