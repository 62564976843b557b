import { expect } from "vitest";
import { iptablesRule } from "../../helpers/changes/iptables.ts";
import { editFile } from "../../helpers/changes/nodes.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { answered } from "../../helpers/lab/ask.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import type { NodePeer } from "../../helpers/lab/peers.ts";
import { live } from "../../helpers/lab/spec.ts";
import { meet } from "../../helpers/probe/http.ts";
import { hostPrefix } from "../../helpers/probe/ip.ts";
import { interfaceTowards, ipOption, routesOf } from "../../helpers/probe/links.ts";
import { outputOf } from "../../helpers/probe/peer.ts";
import { claim } from "./article.ts";

claim("cross-node-traffic-by-iptables", {
  observe: async (lab) => {
    const [near, far] = [lab.worker(0), lab.worker(1)];
    const client = lab.pod("client-1");
    // Its own: nobody else is to find the way to it closed.
    const server = await lab.pods.start(lab.objects.serverPod("behind-the-route", {}, { nodeName: far.name }));
    const ask = () => meet(client, server.on(8080), lab.timeouts.silence);
    const before = await lab.until("the server to answer", ask, answered);

    const rulesBack = await withoutRules(lab, client.address, server.address);
    const withoutItsRules = await lab.eventually(ask, answered);
    await rulesBack();

    const route = (await routesOf(near, lab.family)).find(({ dst }) => far.podCIDRs.includes(dst)) ?? null;
    const routeBack = await withoutRoute(lab, near, server.address);
    const withoutItsRoute = await ask();
    await routeBack();
    const after = await lab.until("an answer after all is as it was", ask, answered);
    return { farAddresses: far.addresses, before, withoutItsRules, route, withoutItsRoute, after };
  },
  judge: ({ farAddresses, before, withoutItsRules, route, withoutItsRoute, after }) => {
    positiveControl(before.pod === "behind-the-route" && after.pod === before.pod, "the pods talk before and after");
    positiveControl(
      farAddresses.some((address) => address === route?.gateway),
      "the node has a route to the other node's subnet by way of that node",
    );
    const needed = [
      ...(answered(withoutItsRules) ? [] : ["rules of iptables"]),
      ...(answered(withoutItsRoute) ? [] : [`the route ${route?.dst} via ${route?.gateway}`]),
    ];
    positiveControl(needed.length > 0, "pods of different nodes talk by one of what was taken away");
    expect(needed, `that without which ${before.to} on another node is ${withoutItsRoute.outcome}`).toContain(
      "rules of iptables",
    );
  },
  corrected: ({ farAddresses, before, withoutItsRules, route, withoutItsRoute }) => {
    positiveControl(answered(before), "the pods talk as things are");
    expect(farAddresses, `addresses of the other node; the route to its subnet ${route?.dst} is by one`).toContain(
      route?.gateway,
    );
    expect(withoutItsRoute.outcome, `${before.to} on another node, with that route closed`).not.toBe("answered");
    expect(withoutItsRules.outcome, `${before.to} on another node, with no rule of iptables asked`).toBe("answered");
  },
  control: live(
    "a rule of iptables marks what the pod sends to the other node's, and only the mark leads it there",
    async (lab) => {
      const near = lab.worker(0);
      const far = lab.worker(1);
      const client = lab.pod("client-1").address;
      const subnet = lab.ofFamily(far.podCIDRs);
      const gateway = lab.ofFamily(far.addresses);
      const device = await interfaceTowards(near, lab.family, subnet);
      // The stricter of the two counts; the answer comes from where the main table knows no way back.
      const filters = ["all", device].map((name) => `/proc/sys/net/ipv4/conf/${name}/rp_filter`);
      const ip = (...words: string[]) =>
        outputOf(near, `ip ${words.join(" ")}`, ["ip", ipOption[lab.family], ...words]);
      const rules = [
        ["priority", "100", "fwmark", "0x99", "lookup", "99"],
        ["priority", "101", "from", client, "to", subnet, "unreachable"],
      ];
      const route = [subnet, "via", gateway, "dev", device, "table", "99"];
      const flow = ["-s", client, "-d", subnet];
      await iptablesRule(lab, lab.worker(0), "mangle", "PREROUTING", ...flow, "-j", "MARK", "--set-mark", "0x99");
      lab.afterwards(async () => {
        for (const rule of rules.toReversed()) await ip("rule", "del", ...rule);
        await ip("route", "del", ...route);
      });
      for (const filter of filters) await editFile(lab, near, filter, () => "0");
      await ip("route", "add", ...route);
      for (const rule of rules) await ip("rule", "add", ...rule);
    },
  ),
});

/** Where a packet that a node passes on meets rules of iptables (iptables(8), TABLES). */
const chains = {
  raw: ["PREROUTING"],
  mangle: ["PREROUTING", "FORWARD", "POSTROUTING"],
  nat: ["PREROUTING", "POSTROUTING"],
  filter: ["FORWARD"],
};

/**
 * Has no rule of iptables on two nodes asked about what a pod of the first and one of the second send each other: what is accepted
 * first in a table's chain meets none of its other rules. Returns what has them asked again.
 */
async function withoutRules(lab: Lab, one: string, other: string): Promise<() => Promise<void>> {
  const table = (action: "-I" | "-D", name: string, ofTable: readonly string[]) => [
    `*${name}`,
    ...ofTable.flatMap((chain) => [
      `${action} ${chain} -s ${one} -d ${other} -j ACCEPT`,
      `${action} ${chain} -s ${other} -d ${one} -j ACCEPT`,
    ]),
    "COMMIT",
  ];
  const restore = async (title: string, action: "-I" | "-D") => {
    const text = Object.entries(chains).flatMap(([name, ofTable]) => table(action, name, ofTable));
    const words = ["sh", "-c", `printf '%s\\n' "$0" | ${lab.iptables}-restore -w --noflush`, text.join("\n")];
    for (const worker of [lab.worker(0), lab.worker(1)]) await outputOf(worker, title, words);
  };
  const undo = once(() => restore("ask the rules of iptables again", "-D"));
  lab.afterwards(undo);
  await restore("ask no rule of iptables about the two pods", "-I");
  return undo;
}

/** Returns the same, which does nothing when it is called again. */
function once(act: () => Promise<void>): () => Promise<void> {
  let done: Promise<void> | undefined;
  return () => (done ??= act());
}

/** Takes a node's route to one address away. Returns what gives it back. */
async function withoutRoute(lab: Lab, worker: NodePeer, address: string): Promise<() => Promise<void>> {
  const node = worker;
  const route = (action: "replace" | "del") => ["ip", "route", action, "unreachable", hostPrefix(address)];
  const undo = once(async () => void (await outputOf(node, "give it back", route("del"))));
  lab.afterwards(undo);
  await outputOf(node, "take the route to that pod away", route("replace"));
  return undo;
}
