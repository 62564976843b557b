import type { IpFamily } from "./ip.ts";
import { jsonOf, type Peer } from "./peer.ts";

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

/** Returns the address that a node sends from to another: what masquerading makes the source (iptables-extensions(8)). */
export async function sourceTowards(node: Peer, address: string): Promise<string | undefined> {
  const command = ["ip", "-json", "route", "get", address];
  const routes = await jsonOf<{ prefsrc?: string }[]>(node, `the way to ${address}`, command);
  return routes[0]?.prefsrc;
}

/** Returns the interface by which a node sends to an address: it may have several. */
export async function interfaceTo(node: Peer, address: string): Promise<string> {
  const command = ["ip", "-json", "route", "get", address];
  return (await jsonOf<{ dev: string }[]>(node, `the way to ${address}`, command))[0]?.dev ?? "";
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
