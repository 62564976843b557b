import { expect } from "vitest";
import { mutate } from "../../helpers/changes/admission.ts";
import { rules } from "../../helpers/changes/iptables.ts";
import { patch } from "../../helpers/changes/json-patch.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { answered, whoAnswers } from "../../helpers/lab/ask.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import { leadsTo } from "../../helpers/lab/objects.ts";
import type { NodePeer } from "../../helpers/lab/peers.ts";
import { live } from "../../helpers/lab/spec.ts";
import { inBackground } from "../../helpers/probe/background.ts";
import { meet, request } from "../../helpers/probe/http.ts";
import { outputOf } from "../../helpers/probe/peer.ts";
import { claim } from "./article.ts";
import { ingressName, ingressTurns, routed } from "./ingress.ts";

claim("pod-unreachable-from-outside-by-default", {
  observe: async (lab) => {
    const server = lab.pod("server-1");
    // On the cluster's own network the outsider calls for whoever has the address; the packet never leaves that network.
    await lab.outsider.routeTo("look for the pod on the cluster's network", server.address, "dev", "eth0");
    return {
      inside: await whoAnswers(lab, lab.pod("client-1"), server.on(8080)),
      toNode: await whoAnswers(lab, lab.outsider, lab.service("web-nodeport").at(lab.controlPlane)),
      outside: await meet(lab.outsider, server.on(8080), lab.timeouts.silence),
    };
  },
  judge: ({ inside, toNode, outside }) => {
    positiveControl(answered(inside), "another pod is answered");
    positiveControl(answered(toNode), "the outsider is answered at a node's port");
    expect(outside.outcome, `the pod at ${outside.to}, asked from outside the cluster`).not.toBe("answered");
  },
  control: live("the pod's node answers for its address on the cluster's network", async (lab) => {
    const { address } = lab.pod("server-1");
    const node = lab.worker(0);
    const entry = ["proxy", address, "dev", "eth0"];
    // The outsider would go on sending where it sent before.
    const flush = ["ip", "neigh", "flush", "to", address, "dev", "eth0"];
    lab.afterwards(async () => void (await outputOf(lab.outsider, "forget who answered", flush)));
    lab.afterwards(async () => void (await outputOf(node, "no longer", ["ip", "neigh", "del", ...entry])));
    await outputOf(node, "answer ARP for the pod", ["ip", "neigh", "add", ...entry]);
  }),
});

claim("no-way-in-without-a-service", {
  slow: true,
  observe: async (lab) => {
    const inside = await whoAnswers(lab, lab.pod("client-1"), lab.pod("far-server").on(8080));
    const ask = (node: NodePeer) => request(lab.outsider, `http://${node.on(8080)}/hostname`, lab.timeouts.silence);
    return {
      labelsOfThePod: lab.pod("far-server").labels,
      inside,
      toTheNode: await whoAnswers(lab, lab.outsider, lab.service("web-nodeport").at(lab.worker(1))),
      atTheNodes: await Promise.all(lab.nodes.map(ask)),
      // No verdict hangs on it: somebody may have a port that it needs.
      byOtherMeans: await byOtherMeans(lab).catch((error: unknown) => {
        lab.note("other means could not be tried", (error as Error).message);
        return null;
      }),
    };
  },
  judge: ({ labelsOfThePod, inside, toTheNode, atTheNodes }) => {
    positiveControl(Object.keys(labelsOfThePod).length === 0, "the pod has no labels, so no Service selects it");
    positiveControl(inside.pod === "far-server", "it answers a pod inside the cluster");
    positiveControl(answered(toTheNode), "the outsider is answered at the pod's node, by a Service");
    for (const { to, outcome, body } of atTheNodes)
      expect(body, `who answers an outsider at ${to}, where nothing leads to the pod (${outcome})`).not.toBe(
        "far-server",
      );
  },
  control: live("a node leads what comes from outside to the pod", async (lab) => {
    const node = lab.worker(1);
    const traffic = { from: lab.outsider.address, to: node.address, port: 8080 };
    await rules(lab, node).redirect(traffic, lab.pod("far-server").on(8080));
  }),
});

/** What else lets outsiders in when it is asked for, as the claim's note tells. */
async function byOtherMeans(lab: Lab) {
  const node = lab.worker(1);
  const ports = [{ containerPort: 8080, hostPort: 18_081 }];
  const containers = [{ ...lab.objects.serverContainer, ports }];
  await lab.pods.start(lab.objects.serverPod("by-host-port", {}, { nodeName: node.name, containers }));
  const words = ["kubectl", "port-forward", "--namespace", lab.namespace, "pod/far-server", "18082:8080"];
  const forward = await inBackground(lab.outsider, "forward a port of a pod", words);
  lab.afterwards(() => forward.stop());
  const ask = async (target: string) =>
    lab.eventually(() => request(lab.outsider, `http://${target}/hostname`, lab.timeouts.attempt), answered);
  const [hostPortOfAPod, hostNetwork, portForward] = await Promise.all(
    [node.on(18_081), node.on(18_092), "localhost:18082"].map(ask),
  );
  return { hostPortOfAPod, hostNetwork, portForward };
}

claim("outside-traffic-needs-a-service", {
  observe: async (lab) => {
    const labels = { app: "let-in" };
    await lab.pods.start(lab.objects.serverPod("let-in", labels, { nodeName: lab.worker(1).name }));
    const spec = { type: "NodePort", ...leadsTo(labels) };
    const service = await lab.services.create("let-in", spec);
    const target = service.at(lab.controlPlane);
    const withService = await whoAnswers(lab, lab.outsider, target);
    await lab.api.delete("the Service", lab.objects.service("let-in", spec));
    // Its port is anybody's now, so who answers there is asked for.
    const withoutService = await lab.eventually(
      () => request(lab.outsider, `http://${target}/hostname`, lab.timeouts.silence),
      ({ body }) => body !== "let-in",
    );
    const toTheNode = await whoAnswers(lab, lab.outsider, lab.service("web-nodeport").at(lab.controlPlane));
    return { withService, withoutService, toTheNode };
  },
  judge: ({ withService, withoutService, toTheNode }) => {
    positiveControl(answered(toTheNode), "the outsider is answered at another Service's port of that node");
    expect(withService.pod, `who answers an outsider by way of the pod's Service (${withService.outcome})`).toBe(
      "let-in",
    );
    expect(
      withoutService.body,
      `who answers at the same port once the Service is gone (${withoutService.outcome})`,
    ).not.toBe("let-in");
  },
  control: live("the Service does not select the pod", (lab) => mutate.selector(lab, "let-in", { app: "nobody" })),
});

claim("ingress-lets-the-outside-in", {
  slow: true,
  observe: routed,
  judge: ({ before, answers: [answer] }) => {
    positiveControl(before.status === 404, "the controller answers, and leads nowhere while there is no Ingress");
    expect(answer?.body, `who answers an outsider at ${answer?.host} by the Ingress (HTTP ${answer?.status})`).toBe(
      answer?.backend,
    );
  },
  control: live(
    "the Ingress is of a class that no controller serves",
    (lab) => mutate.ingress(lab, ingressName, patch.add("/spec/ingressClassName", "nobody")),
    ingressTurns,
  ),
});
