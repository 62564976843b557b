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

/** Returns the last `count` addresses of an IPv4 subnet but the broadcast address, as a range `from-to`. */
export function lastAddresses(subnet: string, count: number): string {
  const broadcast = ipaddr.IPv4.broadcastAddressFromCIDR(subnet).toByteArray();
  const before = (distance: number) => {
    const value = broadcast.reduce((sum, byte) => sum * 256 + byte, 0) - distance;
    return [24, 16, 8, 0].map((bits) => Math.floor(value / 2 ** bits) % 256).join(".");
  };
  return `${before(count)}-${before(1)}`;
}
