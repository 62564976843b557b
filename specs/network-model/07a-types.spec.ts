import { expect } from "vitest";
import { mutate, refuse } from "../../helpers/changes/admission.ts";
import { patch } from "../../helpers/changes/json-patch.ts";
import { meanwhile } from "../../helpers/changes/nodes.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { answered, whoAnswers } from "../../helpers/lab/ask.ts";
import { leadsTo, webPorts } from "../../helpers/lab/objects.ts";
import { live } from "../../helpers/lab/spec.ts";
import { refusalOf } from "../../helpers/probe/api.ts";
import { rulesNaming } from "../../helpers/probe/rules.ts";
import { claim } from "./article.ts";

/** The range that the article gives. */
const [first, last] = [30_000, 32_767];

claim("node-port-is-in-its-range", {
  observe: async (lab) => {
    // Each port of a Service is given a node port of its own.
    const ports = Array.from({ length: 10 }, (_, index) => ({ name: `given-${index}`, port: 80 + index }));
    const { nodePorts: given } = await lab.services.create("given-ports", { type: "NodePort", ports });
    const askFor = async (nodePort: number) => {
      const ports = webPorts.map((port) => ({ ...port, nodePort }));
      const service = lab.objects.service(`asks-for-${nodePort}`, { type: "NodePort", ports });
      const answer = await lab.api.tryCreate(`ask for node port ${nodePort}`, service);
      return { nodePort, code: answer.code, message: refusalOf(answer) };
    };
    return { given, ends: [await askFor(first), await askFor(last)] };
  },
  judge: ({ given, ends }) => {
    positiveControl(given.length === 10, "all ports are given a node port");
    for (const port of given) expect(port >= first && port <= last, `${port} is in ${first}–${last}`).toBe(true);
    for (const { nodePort, code, message } of ends) {
      // Whoever has it already was given it.
      const may = code === 201 || message.includes("already allocated");
      expect(may, `node port ${nodePort} can be asked for (HTTP ${code} ${message})`).toBe(true);
    }
  },
  control: live("the API server refuses the last port of the range", (lab) =>
    refuse(lab, { kind: "Service", name: `asks-for-${last}` }, "not this port"),
  ),
});

const unserved = "waits-for-its-class";

claim("load-balancer-service-waits-for-an-address", {
  observe: async (lab) => {
    const spec = { type: "LoadBalancer", ...leadsTo({ app: "server" }) };
    const service = await lab.services.create(unserved, {
      ...spec,
      loadBalancerClass: "kind-network-conformance.example/nobody",
    });
    const plain = await lab.services.create("waits-for-anybody", spec);
    const inside = [
      await whoAnswers(lab, lab.pod("client-1"), service.on(80)),
      await whoAnswers(lab, lab.pod("client-1"), plain.on(80)),
    ];
    const addresses = async (name: string) => (await lab.services.get(name)).status.loadBalancer?.ingress ?? [];
    const given = await lab.eventually(
      () => addresses(unserved),
      ({ length }) => length > 0,
      3 * lab.timeouts.window,
    );
    return {
      ...{ inside, given },
      // Whoever made the cluster may have brought a controller, where kind did not make it for the suite.
      givenByKind: lab.world.madeBy === "suite" ? await addresses("waits-for-anybody") : [],
    };
  },
  judge: ({ inside, given, givenByKind }) => {
    positiveControl(inside.every(answered), "both Services are answered inside the cluster");
    expect(given, "external addresses of a Service of a class that nobody serves").toEqual([]);
    expect(givenByKind, "external addresses of a Service of no class").toEqual([]);
  },
  control: live("somebody gives the Service an address", async (lab) => {
    const ingress = [{ ip: lab.family === "ipv6" ? "2001:db8::72" : "192.0.2.72" }];
    const change = ["--type=merge", "-p", JSON.stringify({ status: { loadBalancer: { ingress } } })];
    const service = ["-n", lab.namespace, "service", unserved, "--subresource=status"];
    meanwhile(
      lab,
      "the Service, to give it an address",
      async () => !(await lab.outsider.run("give it an address", ["kubectl", "patch", ...service, ...change])).failed,
    );
  }),
});

const headless = "headless-without-rules";

claim("headless-service-has-no-address", {
  observe: async (lab) => {
    const spec = leadsTo({ app: "server" });
    const { spec: stored } = await lab.services.create(headless, { ...spec, clusterIP: "None" });
    await lab.services.create("numbered-with-rules", spec);
    const rulesOf = (name: string) =>
      Promise.all(lab.nodes.map(async (node) => (await rulesNaming(node, `${lab.namespace}/${name}`)).length));
    const beside = await lab.until(
      "rules for a Service that was made later",
      () => rulesOf("numbered-with-rules"),
      (counts) => counts.every((count) => count > 0),
    );
    const rules = await rulesOf(headless);
    return {
      clusterIPs: [stored.clusterIP ?? "", ...(stored.clusterIPs ?? [])],
      nodes: lab.nodes.map(({ name }, index) => ({ node: name, rules: rules[index] ?? 0, beside: beside[index] ?? 0 })),
    };
  },
  judge: ({ clusterIPs, nodes }) => {
    positiveControl(
      nodes.every(({ beside }) => beside > 0),
      "every node shows rules of another Service",
    );
    expect(
      clusterIPs.filter((address) => address !== "None"),
      "its cluster IPs",
    ).toEqual([]);
    for (const { node, rules } of nodes) expect(rules, `rules of ${node} that name the Service`).toBe(0);
  },
  control: live("the API server stores the Service without that None", (lab) =>
    mutate.service(lab, headless, patch.remove("/spec/clusterIP")),
  ),
});
