import ipaddr from "ipaddr.js";

/** Returns whether an address is inside one of the subnets (CIDR notation); families never match each other. */
export function contains(subnets: readonly string[], address: string): boolean {
  const parsed = ipaddr.parse(address);
  return subnets.some((subnet) => {
    const [network, length] = ipaddr.parseCIDR(subnet);
    return network.kind() === parsed.kind() && parsed.match(network, length);
  });
}

/** Returns whether two subnets have an address in common. */
export function overlap(one: string, other: string): boolean {
  const base = (subnet: string) => ipaddr.parseCIDR(subnet)[0].toString();
  return contains([one], base(other)) || contains([other], base(one));
}
