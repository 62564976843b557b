import { expect, test } from "vitest";
import { isWhole, legsOf, pathOf, sightingsIn, tableOf, translatedBy, wayOf } from "./hops.ts";

const worker = `1764092000.100000 veth1a   In  IP (tos 0x0, ttl 64, id 63468, offset 0, flags [DF], proto TCP (6), length 60)
    10.244.1.12.40000 > 10.96.7.7.80: Flags [S], cksum 0x1a2b (incorrect -> 0x9f3c), seq 4294967295, win 64240, options [mss 1460], length 0
1764092000.100100 eth0     Out IP (tos 0x0, ttl 63, id 63468, offset 0, flags [DF], proto TCP (6), length 60)
    172.31.0.4.51000 > 10.244.2.7.8080: Flags [S], cksum 0x1a2b (incorrect -> 0x9f3c), seq 4294967295, win 64240, options [mss 1460], length 0
1764092000.100400 eth0     In  IP (tos 0x0, ttl 63, id 63468, offset 0, flags [DF], proto TCP (6), length 60)
    10.244.2.7.8080 > 172.31.0.4.51000: Flags [S.], cksum 0x1a2b (incorrect -> 0x9f3c), seq 7, ack 0, win 65160, length 0
1764092000.100500 veth1a   Out IP (tos 0x0, ttl 62, id 63468, offset 0, flags [DF], proto TCP (6), length 60)
    10.96.7.7.80 > 10.244.1.12.40000: Flags [S.], cksum 0x1a2b (incorrect -> 0x9f3c), seq 7, ack 0, win 65160, length 0
1764092000.100600 veth1a   In  IP (tos 0x0, ttl 64, id 63468, offset 0, flags [DF], proto TCP (6), length 60)
    10.244.1.12.40000 > 10.96.7.7.80: Flags [.], cksum 0x1a2b (incorrect -> 0x9f3c), ack 8, win 63, length 0
1764092000.200000 veth1a   In  IP (tos 0x0, ttl 64, id 63468, offset 0, flags [DF], proto TCP (6), length 60)
    10.244.1.12.40002 > 10.96.7.7.80: Flags [S], cksum 0x1a2b (incorrect -> 0x9f3c), seq 5, win 64240, length 0
`;
const other = `1764092000.100200 eth0     In  IP (tos 0x0, ttl 63, id 63468, offset 0, flags [DF], proto TCP (6), length 60)
    172.31.0.4.51000 > 10.244.2.7.8080: Flags [S], cksum 0x1a2b (incorrect -> 0x9f3c), seq 4294967295, win 64240, length 0
1764092000.100250 veth2b   Out IP (tos 0x0, ttl 62, id 63468, offset 0, flags [DF], proto TCP (6), length 60)
    172.31.0.4.51000 > 10.244.2.7.8080: Flags [S], cksum 0x1a2b (incorrect -> 0x9f3c), seq 4294967295, win 64240, length 0
1764092000.100300 veth2b   In  IP (tos 0x0, ttl 64, id 63468, offset 0, flags [DF], proto TCP (6), length 60)
    10.244.2.7.8080 > 172.31.0.4.51000: Flags [S.], cksum 0x1a2b (incorrect -> 0x9f3c), seq 7, ack 0, win 65160, length 0
1764092000.100350 eth0     Out IP (tos 0x0, ttl 63, id 63468, offset 0, flags [DF], proto TCP (6), length 60)
    10.244.2.7.8080 > 172.31.0.4.51000: Flags [S.], cksum 0x1a2b (incorrect -> 0x9f3c), seq 7, ack 0, win 65160, length 0
`;

test("one connection is followed over two nodes, and the hop where it is translated is told", () => {
  const sightings = [...sightingsIn("worker2", other), ...sightingsIn("worker", worker)];
  const { there, back } = pathOf(sightings, ({ fromPort }) => fromPort === 40_000);
  expect(there.map(({ node, interface: device, translated }) => [node, device, translated])).toEqual([
    ["worker", "veth1a", []],
    ["worker", "eth0", ["source", "destination"]],
    ["worker2", "eth0", []],
    ["worker2", "veth2b", []],
  ]);
  expect(back.map(({ node, interface: device, translated }) => [node, device, translated])).toEqual([
    ["worker2", "veth2b", []],
    ["worker2", "eth0", []],
    ["worker", "eth0", []],
    ["worker", "veth1a", ["source", "destination"]],
  ]);
});

test("a path is whole when no hop is missing, wherever a capture lags behind", () => {
  const sightings = [...sightingsIn("worker", worker), ...sightingsIn("worker2", other)];
  const whole = (seen: typeof sightings) =>
    isWhole(pathOf(seen, ({ to }) => to === "10.96.7.7" || to === "10.244.2.7"));
  expect(whole(sightings)).toBe(true);
  const ofTheFlow = sightings.filter(({ flow }) => flow === 2 ** 32 - 1);
  expect(ofTheFlow).toHaveLength(8);
  for (const missing of ofTheFlow)
    expect(whole(sightings.filter((each) => each !== missing)), `without ${missing.node} ${missing.interface}`).toBe(
      false,
    );
  for (const node of ["worker", "worker2"]) expect(whole(sightings.filter((each) => each.node !== node))).toBe(false);
  expect(whole([])).toBe(false);
});

test("a packet to the sender's own link, and one that a process of the node sent, have whole paths too", () => {
  const hop = (direction: "in" | "out", ttl: number) => ({
    ...{ node: "worker", interface: "veth1a", direction, ttl, from: "10.244.1.12", fromPort: 1 },
    ...{ to: "10.244.1.12", toPort: 80, translated: [], by: [] },
  });
  const hairpin = [hop("in", 64), hop("out", 63)];
  expect(isWhole({ there: hairpin, back: hairpin })).toBe(true);
  const lo = [hop("out", 64), hop("in", 64)];
  expect(isWhole({ there: lo, back: lo })).toBe(true);
  expect(isWhole({ there: hairpin, back: [] })).toBe(false);
});

test("another connection, or none, has no part in it", () => {
  const sightings = sightingsIn("worker", worker);
  expect(pathOf(sightings, ({ fromPort }) => fromPort === 40_002).there).toHaveLength(1);
  expect(pathOf(sightings, ({ fromPort }) => fromPort === 1)).toEqual({ there: [], back: [] });
});

test("a packet that was sent again is one", () => {
  const again = worker.replace("1764092000.100000", "1764092001.100000");
  const { there } = pathOf(
    [...sightingsIn("worker", worker), ...sightingsIn("worker", again)],
    ({ fromPort }) => fromPort === 40_000,
  );
  expect(there).toHaveLength(2);
});

test("a DNS query is known by its ID", () => {
  const text = `1764092000.1 veth1a In  IP (tos 0x0, ttl 64, id 1, offset 0, flags [none], proto UDP (17), length 98)
    10.244.1.12.40000 > 10.96.0.10.53: [udp sum ok] 4242+ [1au] CNAME? database.x.svc.cluster.local. (70)
1764092000.2 vethc Out IP (tos 0x0, ttl 64, id 1, offset 0, flags [none], proto UDP (17), length 98)
    10.244.1.12.40000 > 10.244.0.3.53: [udp sum ok] 4242+ [1au] CNAME? database.x.svc.cluster.local. (70)
1764092000.3 vethc In  IP (tos 0x0, ttl 64, id 1, offset 0, flags [none], proto UDP (17), length 98)
    10.244.0.3.53 > 10.244.1.12.40000: [udp sum ok] 4242*- 1/0/1 CNAME my.database.example.com. (150)
1764092000.4 veth1a Out IP (tos 0x0, ttl 64, id 1, offset 0, flags [none], proto UDP (17), length 98)
    10.96.0.10.53 > 10.244.1.12.40000: [udp sum ok] 4242*- 1/0/1 CNAME my.database.example.com. (150)
`;
  const { there, back } = pathOf(sightingsIn("worker", text), ({ flow }) => flow === 4242);
  expect(there.map(({ translated }) => translated)).toEqual([[], ["destination"]]);
  expect(back.map(({ translated }) => translated)).toEqual([[], ["source"]]);
});

test("IPv6 addresses are told from their ports", () => {
  const [seen] = sightingsIn(
    "worker",
    "1764092000.1 eth0 In  IP6 (flowlabel 0x1, hlim 64, next-header TCP (6) payload length: 40) fd00:10:244:1::2.40000 > fd00:10:96::a.80: Flags [S], cksum 0x1 (correct), seq 9, win 64800, length 0\n",
  );
  expect(seen).toMatchObject({
    from: "fd00:10:244:1::2",
    fromPort: 40_000,
    to: "fd00:10:96::a",
    toPort: 80,
    flow: 9,
    ttl: 64,
  });
});

test("the table names the hop that translates, and the rules", () => {
  const { there } = pathOf(sightingsIn("worker", worker), ({ fromPort }) => fromPort === 40_000);
  expect(tableOf(translatedBy(there, (_node, end) => [`rule for ${end}`])).split("\n")).toEqual([
    "node    interface  source             destination      TTL  translated              by",
    "worker  veth1a in  10.244.1.12:40000  10.96.7.7:80     64",
    "worker  eth0 out   172.31.0.4:51000   10.244.2.7:8080  63   source and destination  rule for destination; rule for source",
  ]);
});

test("the way of a packet is told in words", () => {
  const { there } = pathOf(sightingsIn("worker", worker), ({ fromPort }) => fromPort === 40_000);
  expect(wayOf(there)).toBe("worker in, worker out with another source and destination");
});

test("connections that hand a request on are found from the last one back", () => {
  const syn = (at: number, device: string, to: string, flow: number) =>
    `${at}.5 ${device} In  IP (tos 0x0, ttl 64, id 1, offset 0, flags [DF], proto TCP (6), length 60)
    172.31.0.9.40000 > ${to}: Flags [S], cksum 0x1a2b (correct), seq ${flow}, win 64240, length 0
`;
  const sightings = [
    ...sightingsIn("control-plane", syn(1, "eth0", "172.31.0.2.6443", 1) + syn(2, "eth0", "172.31.0.2.6443", 2)),
    ...sightingsIn("worker", syn(3, "eth0", "172.31.0.4.10250", 3) + syn(5, "eth0", "172.31.0.4.10250", 4)),
    ...sightingsIn("pod", syn(4, "lo", "127.0.0.1.80", 5)),
  ];
  const legs = [
    { node: "control-plane", direction: "in", toPort: 6443 },
    { node: "worker", direction: "in", toPort: 10_250 },
    { node: "pod", direction: "in", toPort: 80 },
  ] as const;
  expect(legsOf(sightings, legs)).toMatchObject([
    { node: "control-plane", interface: "eth0" },
    { node: "worker", toPort: 10_250 },
    { node: "pod", interface: "lo", translated: [] },
  ]);
  expect(legsOf(sightings, legs.slice(0, 2))[1]?.toPort).toBe(10_250);
  expect(legsOf([], legs)).toEqual([]);
});
