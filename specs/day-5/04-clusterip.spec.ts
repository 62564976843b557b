import type { V1Pod, V1Service } from "@kubernetes/client-node";
import { expect } from "vitest";
import { mutate } from "../../helpers/changes/admission.ts";
import { patch } from "../../helpers/changes/json-patch.ts";
import { meanwhile } from "../../helpers/changes/nodes.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { answered, whoAnswers } from "../../helpers/lab/ask.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import { leadsTo } from "../../helpers/lab/objects.ts";
import { live } from "../../helpers/lab/spec.ts";
import { hostPort, type Meeting, meet, request } from "../../helpers/probe/http.ts";
import { hostPrefix } from "../../helpers/probe/ip.ts";
import { jsonOf, outputOf } from "../../helpers/probe/peer.ts";
import { claim, printedObject } from "./article.ts";

/** Asks for a Service of the cast by its clusterIP, in a pod and outside by the routes that a machine there has. */
async function askInsideAndOutside(lab: Lab, service: string) {
  const { clusterIP } = await lab.services.get(service);
  const target = hostPort(clusterIP, 80);
  const node = lab.service("web-nodeport").at(lab.controlPlane);
  return {
    clusterIP,
    inside: await whoAnswers(lab, lab.pod("client-1"), target),
    toNode: await whoAnswers(lab, lab.outsider, node),
    // Where the machine's own network has a proxy that answers for everybody, that is none of the Service's pods.
    outside: await request(lab.outsider, `http://${target}/hostname`, lab.timeouts.silence),
  };
}

function isReachedInsideOnly({ inside, toNode, outside }: Awaited<ReturnType<typeof askInsideAndOutside>>): void {
  positiveControl(answered(inside), "a pod is answered at the clusterIP");
  positiveControl(answered(toNode), "the outsider is answered at a node's port");
  expect(outside.body, "who answers at the clusterIP, asked from outside the cluster").not.toMatch(/^server-\d$/);
}

/** A node is the way to clusterIPs: of the packets that come to it there its rules make such to a pod. */
const byWayOfANode = live("a machine outside has routes to clusterIPs by way of a node", async (lab) => {
  const node = lab.worker(0).address;
  for (const name of ["web", "web-by-route"]) {
    const { clusterIP } = await lab.services.get(name);
    await lab.outsider.routeTo(`a route to ${name} by way of a node`, clusterIP, "via", node);
  }
});

claim("clusterip-is-virtual", {
  observe: async (lab) => {
    const web = await lab.services.get("web");
    const { clusterIP } = web;
    const interfaces = await Promise.all(
      lab.nodes.map(async (node) => {
        const links = await jsonOf<
          { ifname: string; linkinfo?: { info_kind?: string }; addr_info: { local: string }[] }[]
        >(node, "interfaces and addresses of the node", ["ip", "-json", "-details", "address", "show"]);
        return links.flatMap(({ ifname, linkinfo, addr_info }) =>
          addr_info.map(({ local }) => ({
            node: node.name,
            interface: ifname,
            dummy: linkinfo?.info_kind === "dummy",
            address: local,
          })),
        );
      }),
    );
    return {
      clusterIP,
      proxyMode: lab.world.proxyMode,
      nodes: lab.nodes.map(({ name, address }) => ({ name, address })),
      answer: await whoAnswers(lab, lab.pod("client-1"), web.on(80)),
      interfaces: interfaces.flat(),
    };
  },
  judge: ({ clusterIP, proxyMode, nodes, answer, interfaces }) => {
    positiveControl(answered(answer), "the Service answers at its clusterIP");
    positiveControl(
      nodes.every(({ name, address }) => interfaces.some((seen) => seen.node === name && seen.address === address)),
      "every node shows the interface that has its own address",
    );
    // Over a dummy one, as kube-proxy has it in ipvs mode, nothing is sent: the address is no less virtual there.
    expect(
      interfaces.filter(({ address, dummy }) => address === clusterIP && !(dummy && proxyMode === "ipvs")),
      "interfaces of nodes that have the clusterIP and lead somewhere",
    ).toEqual([]);
  },
  control: live(
    "a node has the clusterIP on an interface",
    async (lab) => {
      const { clusterIP } = await lab.services.get("web");
      const node = lab.worker(1);
      const words = [hostPrefix(clusterIP), "dev", "lo"];
      lab.afterwards(async () => void (await outputOf(node, "take it away", ["ip", "address", "del", ...words])));
      await outputOf(node, "put it there", ["ip", "address", "add", ...words]);
    },
    { alone: true },
  ),
});

claim("clusterip-is-stable", {
  observe: async (lab) => {
    const app = "churn";
    const service = await lab.services.create(app, leadsTo({ app }));
    const generations = [];
    for (const generation of ["churn-1", "churn-2"]) {
      const pod = lab.objects.serverPod(generation, { app });
      const { address: podIP } = await lab.pods.start(pod);
      const answer = await lab.eventually(
        () => meet(lab.pod("client-1"), service.on(80), lab.timeouts.attempt),
        ({ pod: who }) => who === generation,
      );
      const { clusterIP } = await lab.services.get(app);
      generations.push({ made: generation, pod: answer.pod, podIP, clusterIP });
      await lab.api.delete(`the pod ${generation}`, pod);
    }
    return { generations };
  },
  judge: ({ generations }) => {
    for (const { made, pod } of generations) expect(pod, `who answers at the clusterIP once ${made} runs`).toBe(made);
    expect(
      new Set(generations.map(({ clusterIP }) => clusterIP)).size,
      `addresses at which ${generations.map(({ pod }) => pod).join(", ")} answered in turn`,
    ).toBe(1);
  },
  control: live("the Service is made anew when its pod is", async (lab) => {
    const service = lab.objects.service("churn", leadsTo({ app: "churn" }));
    let begun = false;
    meanwhile(lab, "the first pod to go, to make the Service anew", async () => {
      const pods = await lab.api.list("its pods", "Pod", { namespace: lab.namespace, labels: { app: "churn" } });
      begun ||= pods.length > 0;
      const stays = ({ metadata }: V1Pod) => metadata?.name === "churn-1" && metadata.deletionTimestamp === undefined;
      if (!begun || pods.some(stays)) return false;
      await lab.api.delete("the Service", service);
      await lab.api.create("another Service of the same name", service);
      return true;
    });
  }),
});

claim("clusterip-unreachable-from-outside-by-default", {
  observe: (lab) => askInsideAndOutside(lab, "web"),
  judge: isReachedInsideOnly,
  control: byWayOfANode,
});

async function askByRoute(lab: Lab, clusterIP: string): Promise<Meeting> {
  await lab.outsider.routeTo("a route by way of a node", clusterIP, "via", lab.worker(0).address);
  return meet(lab.outsider, hostPort(clusterIP, 80), lab.timeouts.silence);
}

claim("clusterip-reachable-only-inside", {
  observe: async (lab) => {
    const asked = await askInsideAndOutside(lab, "web-by-route");
    // What its note says: nothing enforces it. No verdict hangs on it.
    const byRoute = await askByRoute(lab, asked.clusterIP).catch((error: unknown) => {
      lab.note("a route by way of a node could not be tried", (error as Error).message);
      return null;
    });
    return { ...asked, byRoute };
  },
  judge: isReachedInsideOnly,
  control: byWayOfANode,
});

claim("clusterip-is-the-most-basic-type", {
  observe: async (lab) => {
    const name = "ladder";
    const object = lab.objects.service(name, leadsTo({ app: "server" }));
    const shape = ({ spec, status }: V1Service) => ({
      type: spec?.type,
      clusterIP: spec?.clusterIP,
      nodePort: spec?.ports?.[0]?.nodePort ?? null,
      externalTrafficPolicy: spec?.externalTrafficPolicy ?? null,
      loadBalancer: Object.keys(status?.loadBalancer ?? {}).length,
    });
    const steps = [shape(await lab.api.create<V1Service>("a ClusterIP Service", object))];
    for (const type of ["NodePort", "LoadBalancer", "ClusterIP"]) {
      const { body } = await lab.api.patch(`make it a ${type}`, object, { spec: { type } });
      steps.push(shape(body as V1Service));
    }
    const externalName = await lab.api.tryCreate(
      "an ExternalName Service",
      lab.objects.service("outside-the-ladder", { type: "ExternalName", externalName: "a.example.test" }),
    );
    return { steps, externalName: shape(externalName.body as V1Service) };
  },
  judge: ({ steps, externalName }) => {
    const [clusterIP, nodePort, loadBalancer, again] = steps;
    positiveControl(nodePort?.type === "NodePort" && loadBalancer?.type === "LoadBalancer", "the types were changed");
    expect(clusterIP?.nodePort, "node port of a ClusterIP Service").toBeNull();
    expect(nodePort?.nodePort, "node port of a NodePort Service").toBeGreaterThan(0);
    expect(loadBalancer?.nodePort, "node port of a LoadBalancer Service").toBe(nodePort?.nodePort);
    expect(again?.nodePort, "node port once it is a ClusterIP Service again").toBeNull();
    expect(new Set(steps.map((step) => step.clusterIP)).size, "different clusterIPs on the way").toBe(1);
    // It is no step of that ladder: what all others are built on, it lacks.
    expect(externalName.clusterIP, "clusterIP of an ExternalName Service").toBeUndefined();
  },
  control: live("the Service is a NodePort Service from the beginning", (lab) =>
    mutate.service(lab, "ladder", patch.add("/spec/type", "NodePort")),
  ),
});

claim("printed-clusterip-service-works", {
  observe: async (lab) => {
    const namespace = lab.otherNamespace;
    const service = await lab.services.createFrom(
      "the article's Service",
      printedObject("my-clusterip-service", namespace),
    );
    const answer = await lab.eventually(
      () => meet(lab.pod("client-1"), service.on(80), lab.timeouts.attempt),
      answered,
    );
    return { answer };
  },
  judge: ({ answer }) => {
    expect(answer.pod, "who answers at port 80 of the article's Service").toBe("my-app");
  },
  control: live(
    "the article's Service aims at a port on which its pod does not listen",
    (lab) => mutate.targetPort(lab, "my-clusterip-service", 8098),
    { lane: "my-clusterip-service" },
  ),
});
