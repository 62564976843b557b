import { expect } from "vitest";
import { rules } from "../../helpers/changes/iptables.ts";
import { secondRouteTo } from "../../helpers/changes/nodes.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { answered, whoAnswers } from "../../helpers/lab/ask.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import { live } from "../../helpers/lab/spec.ts";
import { startCapture } from "../../helpers/probe/capture.ts";
import { meet } from "../../helpers/probe/http.ts";
import { hostPrefix } from "../../helpers/probe/ip.ts";
import { interfaceTowards, ipOption, routesOf, vethsOf, wayTo } from "../../helpers/probe/links.ts";
import { outputOf } from "../../helpers/probe/peer.ts";
import { claim } from "./article.ts";

claim("one-route-to-each-other-node", {
  observe: async (lab) => {
    const routes = await Promise.all(
      lab.nodes.map(async (node) => {
        const all = await routesOf(node, lab.family);
        return lab.nodes
          .filter(({ name }) => name !== node.name)
          .map(({ name, podCIDRs, addresses }) => {
            const subnet = lab.ofFamily(podCIDRs);
            const gateways = all.filter(({ dst }) => dst === subnet).map(({ gateway }) => gateway ?? null);
            return { on: node.name, to: name, subnet, addresses, gateways };
          });
      }),
    );
    return routes.flat();
  },
  judge: (routes) => {
    positiveControl(routes.length >= 2, "there are several nodes");
    for (const { on, to, subnet, addresses, gateways } of routes) {
      expect(gateways.length, `routes of ${on} to ${subnet}, the pod subnet of ${to}`).toBe(1);
      expect(addresses, `addresses of ${to}, of which the route's gateway is one`).toContain(gateways[0]);
    }
  },
  control: live("a node has a second route to another node's pods", async (lab) => {
    const [node, far] = [lab.worker(0), lab.worker(1)];
    const subnet = lab.ofFamily(far.podCIDRs);
    // Behind the first one, so that no packet takes it.
    const words = [subnet, "via", lab.ofFamily(far.addresses), "metric", "5000"];
    lab.afterwards(async () => void (await outputOf(node, "one route again", ["ip", "route", "del", ...words])));
    await outputOf(node, "a second route", ["ip", "route", "add", ...words]);
  }),
});

claim("routes-join-the-nodes", {
  slow: true,
  observe: async (lab) => {
    const [near, far] = [lab.worker(0), lab.worker(1)];
    // Its own: nobody else is to find the way to it closed.
    const server = await lab.pods.start(lab.objects.serverPod("by-a-route", {}, { nodeName: far.name }));
    const ask = () => meet(lab.pod("client-1"), server.on(8080), lab.timeouts.silence);
    const before = await lab.until("the server to answer", ask, answered);
    const route = (action: "replace" | "del") => ["ip", "route", action, "unreachable", hostPrefix(server.address)];
    let closed = true;
    const open = async () => {
      if (closed) await outputOf(near, "give the route back", route("del"));
      closed = false;
    };
    lab.afterwards(open);
    await outputOf(near, "no route to that pod", route("replace"));
    const without = await ask();
    await open();
    return { before, without, after: await lab.until("an answer after all is as it was", ask, answered) };
  },
  judge: ({ before, without, after }) => {
    positiveControl(before.pod === "by-a-route" && after.pod === before.pod, "the pod answers before and after");
    expect(without.outcome, `${without.to} on another node, without a route to it`).not.toBe("answered");
  },
  control: live("another table of routes is asked first, and leads to the other node's pods too", async (lab) => {
    const [near, far] = [lab.worker(0), lab.worker(1)];
    const subnet = lab.ofFamily(far.podCIDRs);
    const device = await interfaceTowards(near, lab.family, subnet);
    const ip = (...words: string[]) => outputOf(near, `ip ${words.join(" ")}`, ["ip", ipOption[lab.family], ...words]);
    const route = [subnet, "via", lab.ofFamily(far.addresses), "dev", device, "table", "98"];
    const rule = ["priority", "98", "to", subnet, "lookup", "98"];
    lab.afterwards(async () => {
      await ip("rule", "del", ...rule);
      await ip("route", "del", ...route);
    });
    await ip("route", "add", ...route);
    await ip("rule", "add", ...rule);
  }),
});

/** Returns the links of pods of the first worker, and the routes that it has to their addresses. */
async function linksOfPods(lab: Lab) {
  const node = lab.worker(0);
  const [veths, routes] = await Promise.all([vethsOf(node), routesOf(node, lab.family)]);
  const pods = [lab.pod("client-1"), lab.pod("client-elsewhere"), lab.pod("pair", { container: "client" })];
  return Promise.all(
    pods.map(async (pod) => {
      const index = await outputOf(pod, "the other end of its interface", ["cat", "/sys/class/net/eth0/iflink"]);
      const link = veths.find(({ ifindex }) => ifindex === Number(index));
      return {
        ...{ pod: pod.label, link: link?.ifname ?? null, bridge: link?.master ?? null },
        routes: routes.filter(({ dst }) => dst === pod.address).map(({ dev }) => dev ?? null),
      };
    }),
  );
}

claim("pod-has-a-link-of-its-own", {
  observe: linksOfPods,
  judge: (pods) => {
    for (const { pod, link, bridge } of pods) {
      expect(link, `the node's end of the link of ${pod}`).not.toBeNull();
      expect(bridge, `the bridge that this end is part of`).toBeNull();
    }
    expect(new Set(pods.map(({ link }) => link)).size, "different links of three pods").toBe(pods.length);
  },
  control: live(
    "a pod's link is part of a bridge",
    async (lab) => {
      const node = lab.worker(0);
      const bridge = "knc-for-pods";
      const link = (...words: string[]) => outputOf(node, `ip link ${words.join(" ")}`, ["ip", "link", ...words]);
      const [first] = await linksOfPods(lab);
      lab.afterwards(async () => void (await link("del", bridge)));
      await link("add", bridge, "type", "bridge");
      await link("set", first?.link ?? "", "master", bridge);
    },
    { alone: true },
  ),
});

claim("pod-has-a-route-of-its-own", {
  observe: linksOfPods,
  judge: (pods) => {
    positiveControl(
      pods.every(({ link }) => link !== null),
      "each pod has a link to the node",
    );
    for (const { pod, link, routes } of pods)
      expect(routes, `interfaces of the node's routes to ${pod}, whose link is ${link}`).toEqual([link]);
  },
  control: live("a second route leads to a pod, by another one's link", (lab) =>
    secondRouteTo(lab, "pair", "client-1"),
  ),
});

claim("other-nodes-see-the-nodes-address", {
  observe: async (lab) => {
    const pod = lab.pod("client-1");
    return {
      ...{ pod: pod.address, node: lab.worker(0).addresses },
      byANode: await whoAnswers(lab, pod, lab.pod("host-2").on(18_092)),
      byAPod: await whoAnswers(lab, pod, lab.pod("server-2").on(8080)),
    };
  },
  judge: ({ pod, node, byANode, byAPod }) => {
    positiveControl(byAPod.source === pod, "a pod on the other node sees the pod's own address");
    positiveControl(answered(byANode), `${byANode.to} answers`);
    expect(node, `addresses of the node of the pod ${pod}; what another node saw`).toContain(byANode.source);
  },
  control: live("the pod's node leaves the source of what it sends to the other node as it is", (lab) => {
    const flow = { from: lab.pod("client-1").address, to: lab.pod("host-2").address };
    return rules(lab, lab.worker(0)).keepSource({ ...flow, protocol: "tcp" });
  }),
});

/** A port on which nobody listens outside: the answer is that it is closed. */
const closedPort = 65_008;

claim("outside-sees-the-nodes-address", {
  observe: async (lab) => {
    const node = lab.worker(0);
    const { dev } = await wayTo(node, lab.outsider.address);
    const filter = `tcp and dst host ${lab.outsider.address} and dst port ${closedPort}`;
    const capture = await startCapture(lab.pod("host-1"), dev, filter);
    const pod = lab.pod("client-1");
    const end = await meet(pod, lab.outsider.on(closedPort), lab.timeouts.silence);
    const seen = await lab.eventually(
      () => capture.packets(),
      (packets) => packets.length > 0,
    );
    await capture.stop();
    return { pod: pod.address, node: node.addresses, end, sources: [...new Set(seen.map(({ from }) => from))] };
  },
  judge: ({ pod, node, sources }) => {
    positiveControl(sources.length > 0, "packets of the pod left the node");
    for (const source of sources)
      expect(node, `addresses of the node of the pod ${pod}; the source of a packet that left it`).toContain(source);
  },
  control: live("the pod's node leaves the source of what it sends outside as it is", (lab) => {
    const flow = { from: lab.pod("client-1").address, to: lab.outsider.address };
    return rules(lab, lab.worker(0)).keepSource({ ...flow, protocol: "tcp" });
  }),
});
