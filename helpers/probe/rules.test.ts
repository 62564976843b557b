import { expect, test } from "vitest";
import { iptablesNaming, nftNaming } from "./rules.ts";

test("iptables' rules are known by their comment, and a Service by its whole name", () => {
  const rules = [
    '-A KUBE-SERVICES -d 10.96.0.9/32 -p tcp -m comment --comment "cast/web cluster IP" -m tcp --dport 80 -j KUBE-SVC-A',
    '-A KUBE-SVC-A -m comment --comment "cast/web -> 10.244.1.3:8080" -j KUBE-SEP-A',
    "-A KUBE-SEP-A -p tcp -m comment --comment cast/web -m tcp -j DNAT --to-destination 10.244.1.3:8080",
  ];
  const others = [
    "*nat",
    ":KUBE-SVC-A - [0:0]",
    '-A KUBE-SERVICES -m comment --comment "cast/web-nodeport cluster IP" -j KUBE-SVC-B',
    '-A KUBE-SERVICES -m comment --comment "broad-cast/web cluster IP" -j KUBE-SVC-C',
    "-A POSTROUTING -j KUBE-POSTROUTING",
  ];
  expect(iptablesNaming([...others, ...rules].join("\n"), "cast/web")).toEqual(rules);
  const port = '-A KUBE-SEP-D -m comment --comment "kube-system/kube-dns:dns" -j DNAT --to-destination 10.244.0.2:53';
  const longer = port.replace("kube-dns:dns", "kube-dns:dns-tcp");
  expect(iptablesNaming(`${port}\n${longer}`, "kube-system/kube-dns:dns")).toEqual([port]);
});

test("of nft's tables kube-proxy's own are read, chains, rules and each element of a map", () => {
  const chain = (table: string, name: string) => ({ chain: { family: "ip", table, name, handle: 1 } });
  const element = (service: string) => [
    { concat: ["10.96.0.9", "tcp", 80] },
    { goto: { target: `service-ULMVA6XW-${service}/tcp/` } },
  ];
  const ruleset = JSON.stringify({
    nftables: [
      { metainfo: { version: "1.0.6" } },
      { table: { family: "ip", name: "kube-proxy", handle: 1 } },
      chain("kube-proxy", "service-ULMVA6XW-cast/web/tcp/"),
      chain("kube-proxy", "endpoint-5OJB2KTY-cast/web/tcp/__10.244.1.3/8080"),
      chain("kube-proxy", "service-4AT6LBPK-cast/web-nodeport/tcp/"),
      chain("mine", "service-ULMVA6XW-cast/web/tcp/"),
      {
        map: {
          ...{ family: "ip", table: "kube-proxy", name: "service-ips" },
          elem: [element("cast/web"), element("broad-cast/web")],
        },
      },
    ],
  });
  expect(nftNaming(ruleset, "cast/web").length).toBe(3);
  expect(nftNaming(ruleset, "cast/absent")).toEqual([]);
  expect(nftNaming("", "cast/web")).toEqual([]);
});
