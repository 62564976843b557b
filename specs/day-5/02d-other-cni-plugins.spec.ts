import { expect } from "vitest";
import { rules } from "../../helpers/changes/iptables.ts";
import { configure } from "../../helpers/changes/nodes.ts";
import { NeedsFeature, positiveControl } from "../../helpers/claim/verdict.ts";
import { answered } from "../../helpers/lab/ask.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import { nameOf } from "../../helpers/lab/pods.ts";
import { letsEverybodyIn, underPolicy } from "../../helpers/lab/policy.ts";
import { live } from "../../helpers/lab/spec.ts";
import { startCapture } from "../../helpers/probe/capture.ts";
import { meet } from "../../helpers/probe/http.ts";
import { routesOf, wayTo } from "../../helpers/probe/links.ts";
import { claim } from "./article.ts";
import { configurationsOf } from "./conflist.ts";

claim("cni-can-be-exchanged", {
  observe: async (lab) => ({ ...(await servingPlugins(lab)), ...(await askAcross(lab)) }),
  judge: ({ configurations, answer }) => {
    expect(configurations[0], "the CNI configuration that a node uses, the first of its folder").not.toBe(
      "10-kindnet.conflist",
    );
    expect(answer.outcome, `${answer.to}, asked from another node`).toBe("answered");
    expect(answer.pod, "who answered").toBe("server-2");
  },
  control: live("the node drops what the one pod sends to the other", async (lab) => {
    const traffic = { from: lab.pod("client-1").address, to: lab.pod("server-2").address };
    await rules(lab, lab.worker(0)).drop(traffic, ["filter", "FORWARD"]);
  }),
});

/** Returns what configures CNI on a node, and which DaemonSets there are: a name alone does not tell that a plugin serves pods. */
async function servingPlugins(lab: Lab) {
  const daemonSets = await lab.api.list("all DaemonSets", "DaemonSet");
  return {
    daemonSets: daemonSets.map(nameOf),
    configurations: await configurationsOf(lab.worker(0)),
  };
}

/** Asks a pod on another node. */
async function askAcross(lab: Lab) {
  const [client, server] = [lab.pod("client-1"), lab.pod("server-2")];
  const answer = await lab.eventually(() => meet(client, server.on(8080), lab.timeouts.attempt), answered);
  return { client: client.address, server: server.address, answer };
}

claim("calico-supports-network-policy", { observe: servingPlugins, judge: unseen("Calico") });

/** What a CNI plugin does that the suite has no check of is not judged, whether it runs here or not. */
function unseen(name: string) {
  return ({ daemonSets, configurations }: Awaited<ReturnType<typeof servingPlugins>>): void => {
    throw new NeedsFeature(
      `a cluster that runs ${name}, and a check of what it does: a node of this one has ${configurations.join(", ")}, its DaemonSets are ${daemonSets.join(", ")}, and the suite has no such check`,
    );
  };
}

claim("flannel-is-an-overlay", {
  observe: async (lab) => {
    const [near, far] = [lab.worker(0).address, lab.worker(1).address];
    const host = lab.pod("host-1");
    const { dev: device } = await wayTo(lab.worker(0), far);
    const capture = async (filter: string) => {
      const packets = await startCapture(host, device, filter);
      lab.afterwards(() => packets.stop());
      return packets;
    };
    const [client, server] = [lab.pod("client-1").address, lab.pod("server-2").address];
    // Only an outer header's addresses count to the second filter: what is wrapped does not pass it.
    const [wrapped, bare] = await Promise.all([
      capture("udp and port 8472"),
      capture(`host ${client} and host ${server}`),
    ]);
    const across = await askAcross(lab);
    const packets = await lab.eventually(
      async () => ({ wrapped: await wrapped.packets(), bare: await bare.packets() }),
      (all) => Object.values(all).some((some) => some.some(({ to }) => to === client)),
    );
    return {
      nodes: { near, far },
      ...across,
      wrapped: packets.wrapped.map(({ from, to, toPort }) => ({ from, to, toPort })),
      bare: packets.bare.map(({ from, to }) => ({ from, to })),
    };
  },
  judge: ({ nodes: { near, far }, client, server, answer, wrapped, bare }) => {
    positiveControl(answered(answer), "the pod on the other node answers");
    positiveControl(wrapped.length + bare.length > 0, "the node's interface shows packets of it");
    expect(bare, "packets between the nodes that have the pods' addresses on the outside").toEqual([]);
    const outer = wrapped.find(({ from, to, toPort }) => from === near && to === far && toPort === 8472);
    expect(outer, "a packet from node to node, to VXLAN's port of Linux").toBeDefined();
    expect(wrapped, "packets inside of those").toContainEqual({ from: client, to: server, toPort: 8080 });
  },
  control: live("Flannel's backend is host-gw", flannelByRoutes, { alone: true }),
});

/** Has Flannel set routes by way of the other nodes' addresses, as kindnet does, instead of an overlay. */
async function flannelByRoutes(lab: Lab): Promise<void> {
  const { nodes } = lab;
  const backend = async () => {
    const { data } = await lab.api.get("Flannel's configuration", "ConfigMap", "kube-flannel-cfg", "kube-flannel");
    return (JSON.parse(data?.["net-conf.json"] ?? "{}") as { Backend?: { Type?: string } }).Backend?.Type;
  };
  await configure(
    lab,
    "kube-flannel-cfg",
    "net-conf.json",
    { app: "flannel" },
    (text) => text.replace('"vxlan"', '"host-gw"'),
    async () => {
      const overlay = (await backend()) === "vxlan";
      await lab.until(
        `Flannel to send what is for other nodes' pods by ${overlay ? "its overlay" : "the nodes' own network"}`,
        () => Promise.all(nodes.map((node) => routesOf(node, lab.family))),
        (routes) =>
          routes.every((ofNode, index) =>
            nodes
              .filter((_, other) => other !== index)
              .every(({ podCIDRs: [subnet] }) =>
                ofNode.some(({ dst, dev }) => dst === subnet && (dev === "flannel.1") === overlay),
              ),
          ),
      );
    },
    "kube-flannel",
  );
}

claim("flannel-only-connects", {
  observe: (lab) => underPolicy(lab, "flannel-policy"),
  judge: letsEverybodyIn,
  control: {
    name: "a policy that lets nobody in is enforced (nothing here can)",
    alter: (found) => ({ ...found, under: { ...found.under, outcome: "silent" as const } }),
  },
});

claim("cilium-is-based-on-ebpf", { observe: servingPlugins, judge: unseen("Cilium") });

claim("weave-net-encrypts", { observe: servingPlugins, judge: unseen("Weave Net") });
