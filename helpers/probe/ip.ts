import ipaddr from "ipaddr.js";

/** The families of IP addresses, as Kubernetes names them in lower case. */
export type IpFamily = "ipv4" | "ipv6";

/** Returns the family of an address or a subnet. */
export function ipFamilyOf(address: string): IpFamily {
  return address.includes(":") ? "ipv6" : "ipv4";
}

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

/** Returns the first address of a subnet after its own: `10.96.0.1` of `10.96.0.0/16`. */
export function firstAddress(subnet: string): string {
  return addressAt(subnet, 1);
}

/** Returns the address so many after a subnet's own, `10.96.0.77` of `10.96.0.0/16` at 77: the last byte grows alone, to 255 at most. */
export function addressAt(subnet: string, offset: number): string {
  const { IPv4, IPv6 } = ipaddr;
  const family = ipFamilyOf(subnet) === "ipv6" ? IPv6 : IPv4;
  const bytes = family.networkAddressFromCIDR(subnet).toByteArray();
  return ipaddr.fromByteArray([...bytes.slice(0, -1), (bytes.at(-1) ?? 0) + offset]).toString();
}

/** Returns the last `count` addresses of a subnet but the very last, IPv4's broadcast address, as a range `from-to`. */
export function lastAddresses(subnet: string, count: number): string {
  const { IPv4, IPv6 } = ipaddr;
  const family = ipFamilyOf(subnet) === "ipv6" ? IPv6 : IPv4;
  const bytes = family.broadcastAddressFromCIDR(subnet).toByteArray();
  const last = bytes.reduce((sum, byte) => (sum << 8n) + BigInt(byte), 0n);
  const before = (distance: number) => {
    const value = last - BigInt(distance);
    const shifts = bytes.map((_, index) => 8n * BigInt(bytes.length - 1 - index));
    return ipaddr.fromByteArray(shifts.map((shift) => Number((value >> shift) & 255n))).toString();
  };
  return `${before(count)}-${before(1)}`;
}

/** Returns the longest prefix of an address, for a route to it alone: `10.244.1.2/32`, `fd00::2/128`. */
export function hostPrefix(address: string): string {
  return `${address}/${ipaddr.parse(address).toByteArray().length * 8}`;
}

/** Returns the name at which an address's PTR record is (RFC 1035, section 3.5; RFC 3596, section 2.5). */
export function reverseName(address: string): string {
  const parsed = ipaddr.parse(address);
  if (parsed.kind() === "ipv4") return `${parsed.toByteArray().toReversed().join(".")}.in-addr.arpa`;
  const digits = parsed.toByteArray().flatMap((byte) => byte.toString(16).padStart(2, "0").split(""));
  return `${digits.toReversed().join(".")}.ip6.arpa`;
}
