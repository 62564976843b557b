import fc from "fast-check";
import { expect, test } from "vitest";
import { addressAt, contains, firstAddress, hostPrefix, lastAddresses, overlap, reverseName } from "./ip.ts";

test.each([
  ["10.244.1.5", ["10.244.0.0/16"], true],
  ["10.245.0.1", ["10.244.0.0/16"], false],
  ["fd00:10:244::5", ["10.244.0.0/16", "fd00:10:244::/56"], true],
  ["fd00:10:244::5", ["10.244.0.0/16"], false],
])("%s in %o", (address, subnets, inside) => {
  expect(contains(subnets, address)).toBe(inside);
});

const subnet = fc.tuple(fc.nat(255), fc.nat(255), fc.integer({ min: 8, max: 24 })).map(([a, b, length]) => {
  const mask = (0xffffffff << (32 - length)) >>> 0;
  const base = (((10 << 24) | (a << 16) | (b << 8)) & mask) >>> 0;
  return {
    text: `${base >>> 24}.${(base >>> 16) & 255}.${(base >>> 8) & 255}.${base & 255}/${length}`,
    first: base,
    last: (base | ~mask) >>> 0,
  };
});

test("subnets overlap exactly where their ranges do, whichever comes first", () => {
  fc.assert(
    fc.property(subnet, subnet, (one, other) => {
      const expected = one.first <= other.last && other.first <= one.last;
      expect(overlap(one.text, other.text)).toBe(expected);
      expect(overlap(other.text, one.text)).toBe(expected);
    }),
  );
});

test("the last addresses of a subnet leave its broadcast address out", () => {
  expect(lastAddresses("172.31.0.0/16", 10)).toBe("172.31.255.245-172.31.255.254");
  expect(lastAddresses("10.0.1.0/24", 1)).toBe("10.0.1.254-10.0.1.254");
  expect(lastAddresses("192.168.4.0/30", 2)).toBe("192.168.4.1-192.168.4.2");
  expect(lastAddresses("fc00:f853:ccd:e793::/64", 10)).toBe(
    "fc00:f853:ccd:e793:ffff:ffff:ffff:fff5-fc00:f853:ccd:e793:ffff:ffff:ffff:fffe",
  );
});

test("the first address of a subnet", () => {
  expect(firstAddress("10.96.0.0/16")).toBe("10.96.0.1");
  expect(firstAddress("fd00:10:96::/112")).toBe("fd00:10:96::1");
  expect(addressAt("10.96.0.0/16", 77)).toBe("10.96.0.77");
  expect(addressAt("fd00:10:96::/112", 77)).toBe("fd00:10:96::4d");
});

test("an address alone is a prefix of its whole length", () => {
  expect(hostPrefix("10.244.1.2")).toBe("10.244.1.2/32");
  expect(hostPrefix("fd00:10:244:1::2")).toBe("fd00:10:244:1::2/128");
});

test("the name for a PTR record has the address from its end", () => {
  expect(reverseName("10.96.0.10")).toBe("10.0.96.10.in-addr.arpa");
  // The example of RFC 3596, section 2.5.
  expect(reverseName("4321:0:1:2:3:4:567:89ab")).toBe(
    "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.0.0.0.0.1.2.3.4.ip6.arpa",
  );
});
