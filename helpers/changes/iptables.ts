import type { Lab } from "../lab/lab.ts";
import type { NodePeer } from "../lab/peers.ts";
import { outputOf } from "../probe/peer.ts";

/** Where rules of iptables are. */
type Table = "filter" | "mangle" | "nat" | "raw";

/** Packets, by where they come from and go to; whatever is not said may be anything. */
interface Traffic {
  /** Address or subnet. */
  readonly from?: string;
  /** Address or subnet. */
  readonly to?: string;
  /** TCP if it is not said and a port is. */
  readonly protocol?: "tcp" | "udp";
  /** The port that they go to, or ports as `1:9`. */
  readonly port?: number | string;
}

/** What iptables(8) has to match. */
function match({ from, to, port, protocol = port === undefined ? undefined : "tcp" }: Traffic): string[] {
  return [
    ...(from === undefined ? [] : ["-s", from]),
    ...(to === undefined ? [] : ["-d", to]),
    ...(protocol === undefined ? [] : ["-p", protocol]),
    ...(port === undefined ? [] : ["--dport", String(port)]),
  ];
}

/** Puts rules of iptables in front of a node's own, until the change ends. */
export function rules(lab: Lab, node: NodePeer) {
  const insert = (table: Table, chain: string, traffic: Traffic, ...target: readonly string[]) =>
    iptablesRule(lab, node, table, chain, ...match(traffic), "-j", ...target);
  return {
    /** The node drops it, before anything else if no other chain is named. */
    drop: (traffic: Traffic, chain: readonly [Table, string] = ["raw", "PREROUTING"]) =>
      insert(...chain, traffic, "DROP"),
    /** The node drops what it sends itself to a port, at whichever address: its `localhost` has one of either family. */
    dropOwn: async (port: number) => {
      for (const program of ["iptables", "ip6tables"])
        await put(lab, node, [program, "raw", "OUTPUT"], ["-o", "lo", ...match({ port }), "-j", "DROP"]);
    },
    /** The node leads what it is sent there, or what it sends itself (`OUTPUT`), to another address and port. */
    redirect: (traffic: Traffic, target: string, chain: "PREROUTING" | "OUTPUT" = "PREROUTING") =>
      insert("nat", chain, traffic, "DNAT", "--to-destination", target),
    /** The node gives it an address of its own as the source. */
    masquerade: (traffic: Traffic) => insert("nat", "POSTROUTING", traffic, "MASQUERADE"),
    /** The node leaves its source as it is. */
    keepSource: (traffic: Traffic) => insert("nat", "POSTROUTING", traffic, "ACCEPT"),
  };
}

/** Puts a rule in front of a chain of iptables on a node, until the change ends. */
export async function iptablesRule(
  lab: Lab,
  node: NodePeer,
  table: Table,
  chain: string,
  ...rule: readonly string[]
): Promise<void> {
  await put(lab, node, [lab.iptables, table, chain], rule);
}

async function put(
  lab: Lab,
  node: NodePeer,
  [program, table, chain]: readonly [program: string, table: Table, chain: string],
  rule: readonly string[],
): Promise<void> {
  const command = (action: "-I" | "-D") => [program, "-w", "-t", table, action, chain, ...rule];
  lab.afterwards(async () => void (await outputOf(node, "take the rule away", command("-D"))));
  await outputOf(node, `a rule in ${table} ${chain}`, command("-I"));
}
