import type { V1Pod, V1Service } from "@kubernetes/client-node";
import { expect } from "vitest";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { whoAnswers } from "../../helpers/lab/ask.ts";
import { meanwhile, storeOtherwise } from "../../helpers/lab/changes.ts";
import { type Lab, podsPath } from "../../helpers/lab/lab.ts";
import { live } from "../../helpers/lab/spec.ts";
import { hostPort, type Meeting, meet, request } from "../../helpers/probe/http.ts";
import { hostPrefix } from "../../helpers/probe/ip.ts";
import { jsonOf, outputOf } from "../../helpers/probe/peer.ts";
import { claim, printedObject } from "./article.ts";

/** Asks for a Service of the cast by its clusterIP, in a pod and outside by the routes that a machine there has. */
async function askInsideAndOutside(lab: Lab, service: string) {
  const { spec } = await lab.serviceOfCast(service);
  const clusterIP = spec?.clusterIP ?? "";
  const target = hostPort(clusterIP, 80);
  const node = hostPort(lab.controlPlane.addresses[0] ?? "", lab.nodePort);
  return {
    clusterIP,
    inside: await whoAnswers(lab, lab.pod("client-1"), target),
    toNode: await whoAnswers(lab, lab.outsider, node),
    // Where the machine's own network has a proxy that answers for everybody, that is none of the Service's pods.
    outside: await request(lab.outsider, `http://${target}/hostname`, lab.timeouts.silence),
  };
}

function isReachedInsideOnly({ inside, toNode, outside }: Awaited<ReturnType<typeof askInsideAndOutside>>): void {
  positiveControl(inside.outcome === "answered", "a pod is answered at the clusterIP");
  positiveControl(toNode.outcome === "answered", "the outsider is answered at a node's port");
  expect(outside.body, "who answers at the clusterIP, asked from outside the cluster").not.toMatch(/^server-\d$/);
}

/** A node is the way to clusterIPs: of the packets that come to it there its rules make such to a pod. */
const byWayOfANode = live("a machine outside has routes to clusterIPs by way of a node", async (lab) => {
  const node = lab.worker(0).addresses[0] ?? "";
  for (const name of ["web", "web-by-route"]) {
    const { spec } = await lab.serviceOfCast(name);
    await lab.routeOutsider(`a route to ${name} by way of a node`, spec?.clusterIP ?? "", "via", node);
  }
});

claim("clusterip-is-virtual", {
  observe: async (lab) => {
    const { spec } = await lab.serviceOfCast("web");
    const clusterIP = spec?.clusterIP ?? "";
    const interfaces = await Promise.all(
      lab.world.nodes.map(async (node) => {
        const links = await jsonOf<
          { ifname: string; linkinfo?: { info_kind?: string }; addr_info: { local: string }[] }[]
        >(lab.node(node), "interfaces and addresses of the node", ["ip", "-json", "-details", "address", "show"]);
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
      nodes: lab.world.nodes.map(({ name, addresses }) => ({ name, address: addresses[0] })),
      answer: await whoAnswers(lab, lab.pod("client-1"), hostPort(clusterIP, 80)),
      interfaces: interfaces.flat(),
    };
  },
  judge: ({ clusterIP, proxyMode, nodes, answer, interfaces }) => {
    positiveControl(answer.outcome === "answered", "the Service answers at its clusterIP");
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
      const { spec } = await lab.serviceOfCast("web");
      const node = lab.node(lab.worker(1));
      const words = [hostPrefix(spec?.clusterIP ?? ""), "dev", "lo"];
      lab.afterwards(async () => void (await outputOf(node, "take it away", ["ip", "address", "del", ...words])));
      await outputOf(node, "put it there", ["ip", "address", "add", ...words]);
    },
    { alone: true },
  ),
});

claim("clusterip-is-stable", {
  observe: async (lab) => {
    const app = "churn";
    const { spec } = await lab.service(app, { selector: { app }, ports: [{ port: 80, targetPort: 8080 }] });
    const address = spec?.clusterIP ?? "";
    const generations = [];
    for (const generation of ["churn-1", "churn-2"]) {
      const pod = lab.serverPod(generation, { app });
      const { address: podIP } = await lab.start(pod);
      const answer = await lab.eventually(
        () => meet(lab.pod("client-1"), hostPort(address, 80), lab.timeouts.attempt),
        ({ pod: who }) => who === generation,
      );
      const service = await lab.serviceOfCast(app);
      generations.push({ made: generation, pod: answer.pod, podIP, clusterIP: service.spec?.clusterIP });
      await lab.delete(`the pod ${generation}`, pod);
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
    const service = lab.serviceObject("churn", {
      selector: { app: "churn" },
      ports: [{ port: 80, targetPort: 8080 }],
    });
    let begun = false;
    meanwhile(lab, "the first pod to go, to make the Service anew", async () => {
      const { items } = await lab.get<{ items: V1Pod[] }>("its pods", podsPath({ app: "churn" }, lab.namespace));
      begun ||= items.length > 0;
      const stays = ({ metadata }: V1Pod) => metadata?.name === "churn-1" && metadata.deletionTimestamp === undefined;
      if (!begun || items.some(stays)) return false;
      await lab.delete("the Service", service);
      await lab.create("another Service of the same name", service);
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
  await lab.routeOutsider("a route by way of a node", clusterIP, "via", lab.worker(0).addresses[0] ?? "");
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
    const object = lab.serviceObject(name, { selector: { app: "server" }, ports: [{ port: 80, targetPort: 8080 }] });
    const shape = ({ spec, status }: V1Service) => ({
      type: spec?.type,
      clusterIP: spec?.clusterIP,
      nodePort: spec?.ports?.[0]?.nodePort ?? null,
      externalTrafficPolicy: spec?.externalTrafficPolicy ?? null,
      loadBalancer: Object.keys(status?.loadBalancer ?? {}).length,
    });
    const steps = [shape(await lab.create<V1Service>("a ClusterIP Service", object))];
    for (const type of ["NodePort", "LoadBalancer", "ClusterIP"]) {
      const { body } = await lab.patch(`make it a ${type}`, object, { spec: { type } });
      steps.push(shape(body as V1Service));
    }
    const externalName = await lab.tryCreate(
      "an ExternalName Service",
      lab.serviceObject("outside-the-ladder", { type: "ExternalName", externalName: "a.example.test" }),
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
    storeOtherwise(
      lab,
      { kind: "Service", name: "ladder" },
      "JSONPatch{op: 'add', path: '/spec/type', value: 'NodePort'}",
    ),
  ),
});

claim("printed-clusterip-service-works", {
  observe: async (lab) => {
    const namespace = lab.otherNamespace;
    const { spec } = await lab.create<V1Service>("the article's Service", printedObject("83-93", namespace));
    const answer = await lab.eventually(
      () => meet(lab.pod("client-1"), hostPort(spec?.clusterIP ?? "", 80), lab.timeouts.attempt),
      ({ outcome }) => outcome === "answered",
    );
    return { answer };
  },
  judge: ({ answer }) => {
    expect(answer.pod, "who answers at port 80 of the article's Service").toBe("my-app");
  },
  control: live(
    "the article's Service aims at a port on which its pod does not listen",
    (lab) =>
      storeOtherwise(
        lab,
        { kind: "Service", name: "my-clusterip-service" },
        "JSONPatch{op: 'replace', path: '/spec/ports/0/targetPort', value: 8098}",
      ),
    { lane: "my-clusterip-service" },
  ),
});
