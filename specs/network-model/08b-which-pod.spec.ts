import { expect } from "vitest";
import { mutate } from "../../helpers/changes/admission.ts";
import { rules } from "../../helpers/changes/iptables.ts";
import { patch } from "../../helpers/changes/json-patch.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { answered, whoAnswers } from "../../helpers/lab/ask.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import { leadsTo } from "../../helpers/lab/objects.ts";
import { live } from "../../helpers/lab/spec.ts";
import { refusalOf } from "../../helpers/probe/api.ts";
import { hostPort, meet, meetOften, podsAmong, request } from "../../helpers/probe/http.ts";
import { hostPrefix } from "../../helpers/probe/ip.ts";
import { jsonOf, outputOf } from "../../helpers/probe/peer.ts";
import { claim } from "./article.ts";

const spec = leadsTo({ app: "server" });
const servers = ["server-1", "server-2"];

/** Returns the pod of that Service on a node, or null if it has none there. */
function podOn(lab: Lab, node: { readonly name: string }): string | null {
  if (node.name === lab.worker(0).name) return "server-1";
  return node.name === lab.worker(1).name ? "server-2" : null;
}

claim("node-port-hides-the-client", {
  observe: async (lab) => {
    const service = await lab.services.create("seen-from-a-node", { type: "NodePort", ...spec });
    const asked = lab.worker(0);
    const meeting = await whoAnswers(lab, lab.outsider, service.at(asked), "server-2");
    const links = await jsonOf<{ addr_info: { local: string }[] }[]>(asked, "its addresses", [
      "ip",
      "-json",
      "address",
    ]);
    return {
      ...{ meeting, client: lab.outsider.address },
      addresses: links.flatMap((link) => link.addr_info.map(({ local }) => local)),
    };
  },
  judge: ({ meeting, client, addresses }) => {
    positiveControl(meeting.pod === "server-2", "the pod on the other node answers at the node port");
    expect(meeting.source, "the address from which the pod saw the client come").not.toBe(client);
    expect(addresses, "the addresses of the node that was asked").toContain(meeting.source);
  },
  control: live(
    "the node that is asked leaves the client's address as it is, and the answer goes back by it",
    async (lab) => {
      const [asked, other] = [lab.worker(0), lab.worker(1)];
      const { address } = lab.outsider;
      await rules(lab, asked).keepSource({ from: address, port: 8080 });
      const route = [hostPrefix(address), "via", asked.address];
      lab.afterwards(async () => void (await outputOf(other, "forget it", ["ip", "route", "del", ...route])));
      await outputOf(other, "the way back", ["ip", "route", "replace", ...route]);
    },
    { alone: true },
  ),
});

claim("external-local-keeps-the-client", {
  observe: async (lab) => {
    const service = await lab.services.create("seen-from-outside", {
      ...{ type: "NodePort", externalTrafficPolicy: "Local" },
      ...spec,
    });
    const beside = await lab.services.create("seen-beside", { type: "NodePort", ...spec });
    return {
      client: lab.outsider.address,
      nodes: await Promise.all(
        lab.nodes.map(async (node) => {
          const pod = podOn(lab, node);
          // Made later: who answers at its node port has heard of the other, too.
          const control = await whoAnswers(lab, lab.outsider, beside.at(node));
          const target = service.at(node);
          const meeting =
            pod === null
              ? await meet(lab.outsider, target, lab.timeouts.silence)
              : await whoAnswers(lab, lab.outsider, target, pod);
          return { node: node.name, pod, control, meeting };
        }),
      ),
    };
  },
  judge: ({ client, nodes }) => {
    positiveControl(
      nodes.every(({ control }) => answered(control)),
      "every node answers at the node port of a Service without that policy",
    );
    positiveControl(
      nodes.some(({ pod }) => pod === null) && nodes.some(({ pod }) => pod !== null),
      "there are nodes with a pod of the Service, and nodes without",
    );
    for (const { node, pod, meeting } of nodes) {
      if (pod === null) expect(answered(meeting), `${node}, which has no pod of the Service, answers`).toBe(false);
      else {
        expect(meeting.pod ?? meeting.outcome, `who answers on ${node}`).toBe(pod);
        expect(meeting.source, `the address from which ${pod} saw the client come`).toBe(client);
      }
    }
  },
  control: live("the Service does without its policy", (lab) =>
    mutate.service(lab, "seen-from-outside", patch.replace("/spec/externalTrafficPolicy", "Cluster")),
  ),
});

claim("health-check-port-tells-the-nodes", {
  observe: async (lab) => {
    const { spec: stored } = await lab.services.create("tells-its-nodes", {
      ...{ type: "LoadBalancer", externalTrafficPolicy: "Local" },
      ...{ loadBalancerClass: "kind-network-conformance.example/nobody", ...spec },
    });
    const port = stored.healthCheckNodePort ?? null;
    const ask = async (target: string, status: number) =>
      lab.eventually(
        () => request(lab.outsider, `http://${target}/healthz`, lab.timeouts.answer),
        (answer) => answer.status === status,
      );
    return {
      port,
      nodes: await Promise.all(
        (port === null ? [] : lab.nodes).map(async (node) => {
          const pod = podOn(lab, node);
          const { status = 0 } = await ask(node.on(port ?? 0), pod === null ? 503 : 200);
          return { node: node.name, pod, status };
        }),
      ),
    };
  },
  judge: ({ port, nodes }) => {
    expect(port ?? 0, "its health check port").toBeGreaterThan(0);
    positiveControl(
      nodes.some(({ pod }) => pod === null) && nodes.some(({ pod }) => pod !== null),
      "there are nodes with a pod of the Service, and nodes without",
    );
    for (const { node, pod, status } of nodes)
      expect(status, `what port ${port} of ${node} says, which has ${pod ?? "no pod of the Service"}`).toBe(
        pod === null ? 503 : 200,
      );
  },
  control: live("the Service selects other pods", (lab) => mutate.selector(lab, "tells-its-nodes", { app: "nobody" })),
});

/** Makes a Service with a trafficDistribution; returns what the API server stored of it, or why nothing. */
async function withDistribution(lab: Lab, name: string, trafficDistribution: string) {
  const answer = await lab.api.tryCreate(
    `a Service that says ${trafficDistribution}`,
    lab.objects.service(name, { ...spec, trafficDistribution }),
  );
  if (answer.code !== 201) return { stored: `refused: ${refusalOf(answer)}`, target: null };
  const { spec: found } = answer.body as { spec: { clusterIP: string; trafficDistribution?: string } };
  return { stored: found.trafficDistribution ?? "nothing", target: hostPort(found.clusterIP, 80) };
}

claim("same-node-is-no-condition", {
  observe: async (lab) => {
    const { stored, target } = await withDistribution(lab, "near-if-possible", "PreferSameNode");
    const client = lab.pod("host-cp");
    return {
      stored,
      direct: await meet(client, lab.pod("server-1").on(8080), lab.timeouts.answer),
      meeting: target === null ? null : await whoAnswers(lab, client, target),
    };
  },
  judge: ({ stored, direct, meeting }) => {
    positiveControl(answered(direct), "the client reaches the pods on other nodes");
    expect(stored, "trafficDistribution, as it was stored").toBe("PreferSameNode");
    expect(servers, "who answers a client on a node without such a pod").toContain(meeting?.pod ?? meeting?.outcome);
  },
  control: live("the Service leads to pods on the client's own node only (internalTrafficPolicy: Local)", (lab) =>
    mutate.service(lab, "near-if-possible", patch.add("/spec/internalTrafficPolicy", "Local")),
  ),
});

const zoneLabel = "topology.kubernetes.io/zone";

claim("same-zone-without-zones", {
  observe: async (lab) => {
    const { stored, target } = await withDistribution(lab, "near-by-zone", "PreferSameZone");
    const nodes = await lab.api.list("the nodes, with their zones", "Node");
    const pods = async () =>
      target === null ? [] : podsAmong(await meetOften(lab.pod("client-1"), target, 50, lab.timeouts.answer));
    return {
      stored,
      answered: await lab.eventually(pods, ({ length }) => length === servers.length),
      zones: [...new Set(nodes.map(({ metadata }) => metadata?.labels?.[zoneLabel] ?? "none"))],
    };
  },
  judge: ({ stored, answered: pods, zones }) => {
    expect(stored, "trafficDistribution, as it was stored").toBe("PreferSameZone");
    expect(pods, "pods that answer one client").toEqual(servers);
    expect(zones.length, `zones of the nodes: ${zones.join(", ")}`).toBe(1);
  },
  control: live("the nodes are in different zones", labelZones, { alone: true }),
});

/** Puts the first worker into a zone and all other nodes into another, and waits until Services go by that. */
async function labelZones(lab: Lab): Promise<void> {
  const label = async (name: string, zone: string | null) => {
    const node = { apiVersion: "v1", kind: "Node", metadata: { name } };
    await lab.api.patch(`its zone: ${zone ?? "as it was"}`, node, { metadata: { labels: { [zoneLabel]: zone } } });
  };
  for (const { metadata } of await lab.api.list("the nodes as they are", "Node")) {
    const name = metadata?.name ?? "";
    lab.afterwards(() => label(name, metadata?.labels?.[zoneLabel] ?? null));
    await label(name, name === lab.worker(0).name ? "knc-one" : "knc-other");
  }
  const { target } = await withDistribution(lab, "zones-are-known", "PreferSameZone");
  const object = lab.objects.service("zones-are-known", {});
  let looks = 0;
  await lab.until(
    "Services to go by the zones",
    async () => {
      // A change of the Service has its EndpointSlices looked at again.
      looks += 1;
      await lab.api.patch("look again", object, { metadata: { labels: { looks: String(looks) } } });
      return target === null ? [] : podsAmong(await meetOften(lab.pod("client-1"), target, 50, lab.timeouts.answer));
    },
    (pods) => pods.join() === "server-1",
  );
}

claim("external-ips-are-answered", {
  observe: async (lab) => {
    // Of the addresses for documentation (RFC 5737, RFC 3849), which nobody has.
    const [address, other] =
      lab.family === "ipv6" ? ["2001:db8::94", "2001:db8::95"] : ["203.0.113.94", "203.0.113.95"];
    await lab.services.create("at-further-addresses", { ...spec, externalIPs: [address] });
    const target = hostPort(address, 80);
    const inside = await whoAnswers(lab, lab.pod("client-1"), target, ...servers);
    const beside = await meet(lab.pod("client-1"), hostPort(other, 80), lab.timeouts.silence);
    const before = await meet(lab.outsider, target, lab.timeouts.silence);
    await lab.outsider.routeTo("a way to it by a node", address, "via", lab.worker(0).address);
    return { inside, beside, before, outside: await whoAnswers(lab, lab.outsider, target, ...servers) };
  },
  judge: ({ inside, beside, before, outside }) => {
    positiveControl(!answered(beside), "nobody answers at an address that no Service has");
    expect(servers, "who answers a pod at the further address").toContain(inside.pod ?? inside.outcome);
    expect(answered(before), "a client outside that has no way to it is answered").toBe(false);
    expect(servers, "who answers a client outside, by way of a node").toContain(outside.pod ?? outside.outcome);
  },
  control: live("the Service does without its external IPs", (lab) =>
    mutate.service(
      lab,
      "at-further-addresses",
      patch.remove("/spec/externalIPs"),
      patch.remove("/spec/externalTrafficPolicy"),
    ),
  ),
});
