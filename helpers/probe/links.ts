import type { IpFamily } from "./ip.ts";
import { jsonOf, type Peer, ProbeFailed } from "./peer.ts";

/** What has ip(8) speak of one family. */
export const ipOption = { ipv4: "-4", ipv6: "-6" } as const;

/** A route of a node, as far as claims look at it (ip-route(8), `-json`). */
export interface Route {
  readonly dst: string;
  readonly gateway?: string;
  /** Absent where the route leads nowhere (unreachable, blackhole). */
  readonly dev?: string;
}

/** Returns a node's routes of one family. @throws ProbeFailed where it does not show them */
export async function routesOf(node: Peer, family: IpFamily): Promise<Route[]> {
  return jsonOf<Route[]>(node, "routes of the node", ["ip", "-json", ipOption[family], "route", "show"]);
}

/** The way that a packet takes (ip-route(8), `-json route get`). */
export interface Way {
  readonly dev: string;
  readonly gateway?: string;
  /** The address that the node sends from: what masquerading makes the source (iptables-extensions(8)). */
  readonly prefsrc?: string;
}

/** Returns the way from a node to an address: it may have several interfaces. @throws ProbeFailed if there is none */
export async function wayTo(node: Peer, address: string, title = `the way to ${address}`): Promise<Way> {
  const [way] = await jsonOf<Way[]>(node, title, ["ip", "-json", "route", "get", address]);
  if (way === undefined) throw new ProbeFailed(`${node.label} has no way to ${address}`);
  return way;
}

/** Returns the interface of a node's route to a subnet. @throws ProbeFailed if it has no such route */
export async function interfaceTowards(node: Peer, family: IpFamily, subnet: string): Promise<string> {
  const device = (await routesOf(node, family)).find(({ dst }) => dst === subnet)?.dev;
  if (device === undefined) throw new ProbeFailed(`${node.label} has no route to ${subnet}`);
  return device;
}

/** Returns a node's ends of virtual Ethernet pairs, each with the bridge that it is part of. @throws ProbeFailed where it does not show them */
export async function vethsOf(node: Peer): Promise<{ ifindex: number; ifname: string; master?: string }[]> {
  const command = ["ip", "-json", "link", "show", "type", "veth"];
  const links = await jsonOf<Partial<{ ifindex: number; ifname: string; master: string }>[]>(
    node,
    "virtual Ethernet pairs of the node",
    command,
  );
  // ip prints an empty object for each interface of another type.
  return links.flatMap(({ ifindex, ifname, master }) =>
    ifindex === undefined || ifname === undefined
      ? []
      : [{ ifindex, ifname, ...(master === undefined ? {} : { master }) }],
  );
}
