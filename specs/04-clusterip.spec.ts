import type { V1Pod, V1Service } from "@kubernetes/client-node";
import { expect } from "vitest";
import { printedObject } from "../helpers/claim/article.ts";
import { iptablesRule, meanwhile, storeOtherwise } from "../helpers/claim/changes.ts";
import { claim } from "../helpers/claim/claim.ts";
import { live } from "../helpers/claim/control.ts";
import { positiveControl } from "../helpers/claim/verdict.ts";
import { hostPort, meet } from "../helpers/probe/http.ts";
import { contains, hostPrefix } from "../helpers/probe/ip.ts";
import { jsonOf, outputOf } from "../helpers/probe/peer.ts";

/** The node takes what is for the clusterIP for its own, and answers those who look for it. */
const onAnInterface = live(
  "a node has the clusterIP on an interface",
  async (lab) => {
    const { spec } = await lab.serviceOfCast("web");
    const node = lab.node(lab.worker(1));
    const words = [hostPrefix(spec?.clusterIP ?? ""), "dev", "lo"];
    // Whoever looked for it has learned where it is.
    const forget = ["ip", "neigh", "flush", "to", spec?.clusterIP ?? ""];
    lab.afterwards(async () => void (await outputOf(lab.outsider, "the outsider forgets where", forget)));
    lab.afterwards(async () => void (await outputOf(node, "take it away", ["ip", "address", "del", ...words])));
    await outputOf(node, "put it there", ["ip", "address", "add", ...words]);
  },
  { alone: true },
);

claim("clusterip-is-default-type", {
  observe: async (lab) => {
    const { spec } = await lab.service("no-type", {
      selector: { app: "server" },
      ports: [{ port: 80, targetPort: 8080 }],
    });
    return { type: spec?.type, clusterIP: spec?.clusterIP };
  },
  judge: ({ type, clusterIP }) => {
    expect(type, "the type of a Service that was created without one").toBe("ClusterIP");
    expect(clusterIP, "its clusterIP").toBeTruthy();
  },
  control: live("a Service that asks for no type becomes a NodePort Service", (lab) =>
    storeOtherwise(
      lab,
      { kind: "Service", name: "no-type" },
      "JSONPatch{op: 'add', path: '/spec/type', value: 'NodePort'}",
    ),
  ),
});

claim("clusterip-is-virtual", {
  observe: async (lab) => {
    const { spec } = await lab.serviceOfCast("web");
    const clusterIP = spec?.clusterIP ?? "";
    const interfaces = await Promise.all(
      lab.world.nodes.map(async (node) => {
        const links = await jsonOf<{ ifname: string; addr_info: { local: string }[] }[]>(
          lab.node(node),
          "interfaces and addresses of the node",
          ["ip", "-json", "address", "show"],
        );
        return links.flatMap(({ ifname, addr_info }) =>
          addr_info.map(({ local }) => ({ node: node.name, interface: ifname, address: local })),
        );
      }),
    );
    return {
      clusterIP,
      serviceSubnets: lab.world.serviceSubnets,
      answer: await meet(lab.pod("client-1"), hostPort(clusterIP, 80), lab.timeouts.answer),
      interfaces: interfaces.flat(),
    };
  },
  judge: ({ clusterIP, serviceSubnets, answer, interfaces }) => {
    positiveControl(answer.outcome === "answered", "the Service answers at its clusterIP");
    positiveControl(
      interfaces.some(({ interface: name }) => name === "eth0"),
      "the nodes' interfaces are shown",
    );
    expect(contains(serviceSubnets, clusterIP), `${clusterIP} inside ${serviceSubnets.join(", ")}`).toBe(true);
    expect(
      interfaces.filter(({ address }) => address === clusterIP),
      "interfaces of nodes that have the clusterIP",
    ).toEqual([]);
  },
  control: onAnInterface,
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
    positiveControl(
      new Set(generations.map(({ podIP }) => podIP)).size === generations.length,
      "each pod that replaced the one before had another address",
    );
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
    const second = `/api/v1/namespaces/${lab.namespace}/pods?fieldSelector=metadata.name%3Dchurn-2`;
    meanwhile(lab, "the second pod, to make the Service anew", async () => {
      const { items } = await lab.get<{ items: V1Pod[] }>("is the second pod there", second);
      if (items.length === 0) return false;
      await lab.delete("the Service", service);
      await lab.create("another Service of the same name", service);
      return true;
    });
  }),
});

claim("clusterip-unreachable-from-outside-by-default", {
  observe: async (lab) => {
    const { spec } = await lab.serviceOfCast("web");
    const clusterIP = spec?.clusterIP ?? "";
    // On the cluster's own network the outsider calls for whoever has the address; the packet never leaves that network.
    await lab.routeOutsider("look for the clusterIP on the cluster's network", clusterIP, "dev", "eth0");
    return {
      inside: await meet(lab.pod("client-1"), hostPort(clusterIP, 80), lab.timeouts.answer),
      toNode: await meet(
        lab.outsider,
        hostPort(lab.controlPlane.addresses[0] ?? "", lab.nodePort),
        lab.timeouts.answer,
      ),
      outside: await meet(lab.outsider, hostPort(clusterIP, 80), lab.timeouts.silence),
    };
  },
  judge: ({ inside, toNode, outside }) => {
    positiveControl(inside.outcome === "answered", "a pod is answered at the clusterIP");
    positiveControl(toNode.outcome === "answered", "the outsider is answered at a node's port");
    expect(outside.outcome, "the clusterIP, asked from outside the cluster").not.toBe("answered");
  },
  control: onAnInterface,
});

claim("clusterip-reachable-only-inside", {
  observe: async (lab) => {
    const { spec } = await lab.serviceOfCast("web-by-route");
    const clusterIP = spec?.clusterIP ?? "";
    const node = lab.worker(0).addresses[0] ?? "";
    await lab.routeOutsider("a route to the clusterIP by way of a node", clusterIP, "via", node);
    return {
      node,
      inside: await meet(lab.pod("client-1"), hostPort(clusterIP, 80), lab.timeouts.answer),
      outside: await meet(lab.outsider, hostPort(clusterIP, 80), lab.timeouts.silence),
    };
  },
  judge: ({ node, inside, outside }) => {
    positiveControl(inside.outcome === "answered", "a pod is answered at the clusterIP");
    expect(
      outside.outcome,
      `the clusterIP, asked from outside with a route by way of node ${node}: ${outside.pod ?? "nobody"} answered, which saw ${outside.source ?? "nobody"}`,
    ).not.toBe("answered");
  },
  control: live("a node drops what comes for the clusterIP from outside", async (lab) => {
    const { spec } = await lab.serviceOfCast("web-by-route");
    const flow = ["-s", lab.outsiderAddress, "-d", spec?.clusterIP ?? ""];
    await iptablesRule(lab, lab.worker(0), "raw", "PREROUTING", ...flow, "-j", "DROP");
  }),
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
    const client = lab.pod("client-1");
    const answer = await lab.eventually(
      () => meet(client, hostPort(spec?.clusterIP ?? "", 80), lab.timeouts.attempt),
      ({ outcome }) => outcome === "answered",
    );
    const { name, ...rest } = printedObject("83-93", namespace).metadata;
    const { type: _type, ...withoutType } = printedObject("83-93", namespace)["spec"] as Record<string, unknown>;
    const untyped = lab.serviceObject(`${name}-untyped`, withoutType, namespace);
    const second = await lab.create<V1Service>("the same without its type", {
      ...untyped,
      metadata: { ...rest, ...untyped.metadata },
    });
    const { clusterIP: _one, clusterIPs: _first, ...stored } = spec ?? {};
    const { clusterIP: _two, clusterIPs: _second, ...storedUntyped } = second.spec ?? {};
    return { client: client.address, answer, stored, storedUntyped };
  },
  judge: ({ client, answer, stored, storedUntyped }) => {
    expect(answer.pod, "who answers at port 80 of the article's Service").toBe("my-app");
    expect(answer.source, "the source that the pod sees").toBe(client);
    expect(storedUntyped, "what is stored without the line type: ClusterIP").toEqual(stored);
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
