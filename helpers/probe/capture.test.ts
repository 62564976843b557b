import { expect, test } from "vitest";
import { packetsIn, startOf } from "./capture.ts";

test("packets are read from what tcpdump prints, with and without ports, of both families", () => {
  const printed = `tcpdump: listening on eth0, link-type EN10MB (Ethernet), snapshot length 262144 bytes
21:43:58.007308 IP (tos 0x0, ttl 63, id 4711, offset 0, flags [DF], proto TCP (6), length 60)
    10.244.1.2.41234 > 10.244.2.80.80: Flags [S], cksum 0x1 (incorrect -> 0x2), seq 1, win 65495, length 0
21:43:58.107308 eth0  In  IP (tos 0x0, ttl 62, id 1, offset 0, flags [DF], proto ICMP (1), length 84)
    10.244.1.2 > 10.244.2.80: ICMP echo request, id 7, seq 1, length 64
21:43:58.207308 IP6 (flowlabel 0x1, hlim 64, next-header TCP (6) payload length: 40) fd00::2.41234 > fd00::3.80: Flags [S], length 0
`;
  expect(packetsIn(printed)).toEqual([
    { from: "10.244.1.2", fromPort: 41_234, to: "10.244.2.80", toPort: 80, ttl: 63 },
    { from: "10.244.1.2", to: "10.244.2.80", ttl: 62 },
    { from: "fd00::2", fromPort: 41_234, to: "fd00::3", toPort: 80, ttl: 64 },
  ]);
});

test("nothing is read from a capture that saw nothing", () => {
  expect(packetsIn("tcpdump: listening on any, link-type LINUX_SLL2\n")).toEqual([]);
});

test("tcpdump has refused once it says why, and not while it has written its name only", () => {
  const listening = "tcpdump: listening on any, link-type LINUX_SLL2 (Linux cooked v2), snapshot length 512 bytes";
  const link = "tcpdump: data link type LINUX_SLL2\n";
  const warning = "tcpdump: WARNING: any: That device doesn't support promiscuous mode\n";
  for (const text of ["", "tcpdump:", "tcpdump: ", link, `${link}tcpdump: `, warning])
    expect(startOf(text)).toBeUndefined();
  for (const text of [listening, `${link}${listening}`, `${warning}${listening}`])
    expect(startOf(text)).toBe("listens");
  for (const why of ["eth7: No such device exists", "can't parse filter expression: syntax error"])
    expect(startOf(`tcpdump: ${why}`)).toBe("refused");
});
