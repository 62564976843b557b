import { expect, test } from "vitest";
import { rulesMet, translatingRules } from "./rules.ts";

const listings = {
  // What nft 1.0.6 printed of one connection by DNAT and masquerade; the last packet is somebody else's.
  trace: `trace id b2955072 inet knc-1 in packet: iif "c0" ether saddr 52:ec:2e:46:b4:83 ip saddr 10.1.0.2 ip daddr 10.9.9.9 tcp sport 34678 tcp dport 80
trace id 0badcafe inet knc-1 in packet: iif "c1" ether saddr 52:ec:2e:46:b4:84 ip saddr 10.1.0.3 ip daddr 10.9.9.9 tcp sport 34678 tcp dport 80
trace id 0badcafe ip nat PREROUTING rule  counter packets 9 bytes 60 jump KUBE-SERVICES # handle 7 (verdict jump KUBE-SERVICES)
trace id b2955072 inet knc-1 in rule ip saddr 10.1.0.2 tcp flags syn / syn,ack meta nftrace set 1 # handle 3 (verdict continue)
trace id b2955072 inet knc-1 in policy accept
trace id b2955072 ip nat PREROUTING rule  counter packets 1 bytes 60 jump KUBE-SERVICES # handle 7 (verdict jump KUBE-SERVICES)
trace id b2955072 ip nat KUBE-SERVICES rule meta l4proto tcp ip daddr 10.9.9.9  tcp dport 80 counter packets 1 bytes 60 jump KUBE-SEP-B # handle 10 (verdict jump KUBE-SEP-B)
trace id b2955072 ip nat KUBE-SEP-B unknown rule handle 14 (verdict accept)
trace id b2955072 ip filter FORWARD unknown rule handle 99 (verdict continue)
trace id b2955072 ip nat POSTROUTING packet: iif "c0" oif "s0" ip saddr 10.1.0.2 ip daddr 10.2.0.2
trace id b2955072 ip nat POSTROUTING rule  counter packets 1 bytes 60 masquerade fully-random # handle 18 (verdict accept)
trace id 0badcafe ip nat KUBE-SEP-B rule  counter packets 1 bytes 60 dnat to 10.2.0.9:8080 # handle 15 (verdict accept)
`,
  ruleset: JSON.stringify({
    nftables: [
      { metainfo: {} },
      ...[
        ["PREROUTING", 7],
        ["KUBE-SERVICES", 9],
        ["KUBE-SERVICES", 10],
        ["KUBE-SEP-B", 14],
      ].map(([chain, handle]) => ({ rule: { family: "ip", table: "nat", chain, handle, expr: [] } })),
    ],
  }),
  iptables: `*filter
-A KUBE-SERVICES -j DROP
*nat
:PREROUTING ACCEPT [0:0]
-A PREROUTING -m comment --comment "kubernetes service portals" -j KUBE-SERVICES
-A KUBE-SERVICES -d 10.9.9.8/32 -j KUBE-SVC-A
-A KUBE-SERVICES -d 10.9.9.9/32 -p tcp -m comment --comment "cast/web cluster IP" -m tcp --dport 80 -j KUBE-SEP-B
-A KUBE-SEP-B -p tcp -m comment --comment "cast/web" -m tcp -j DNAT --to-destination 10.2.0.2:8080
`,
};

const packet = { from: "10.1.0.2", fromPort: 34_678, to: "10.9.9.9", toPort: 80 };

test("the rules that the packet met are in iptables' words where iptables has them", () => {
  expect(rulesMet(listings, "knc-1", packet).map(({ chain, rule }) => [chain, rule])).toEqual([
    ["PREROUTING", '-m comment --comment "kubernetes service portals" -j KUBE-SERVICES'],
    [
      "KUBE-SERVICES",
      '-d 10.9.9.9/32 -p tcp -m comment --comment "cast/web cluster IP" -m tcp --dport 80 -j KUBE-SEP-B',
    ],
    ["KUBE-SEP-B", '-p tcp -m comment --comment "cast/web" -m tcp -j DNAT --to-destination 10.2.0.2:8080'],
    ["FORWARD", "handle 99"],
    ["POSTROUTING", "counter packets 1 bytes 60 masquerade fully-random"],
  ]);
});

test("nobody's packet met no rules", () => {
  expect(rulesMet(listings, "knc-2", packet)).toEqual([]);
  expect(rulesMet(listings, "knc-1", { ...packet, fromPort: 1 })).toEqual([]);
  expect(rulesMet({ ...listings, trace: "" }, "knc-1", packet)).toEqual([]);
});

test("the rules that translate are known by what they do, not by what their comments say", () => {
  const met = rulesMet(listings, "knc-1", packet);
  expect(translatingRules(met, "destination")).toEqual(["nat KUBE-SEP-B: DNAT --to-destination 10.2.0.2:8080"]);
  expect(translatingRules(met, "source")).toEqual(["nat POSTROUTING: masquerade fully-random"]);
  const commented = { family: "ip", table: "nat", chain: "C", rule: '-m comment --comment "requiring SNAT" -j RETURN' };
  expect(translatingRules([commented], "source")).toEqual([]);
});
