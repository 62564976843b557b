import { expect } from "vitest";
import { mutate } from "../../helpers/changes/admission.ts";
import { patch } from "../../helpers/changes/json-patch.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { answered, whoAnswers } from "../../helpers/lab/ask.ts";
import { withIngress } from "../../helpers/lab/ingress.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import { live } from "../../helpers/lab/spec.ts";
import { request } from "../../helpers/probe/http.ts";
import { claim } from "./article.ts";

const host = "nobody-reads.example.test";

/** Asks each node for the Ingress's host, at the port on which a controller would listen. */
async function askNodes(lab: Lab) {
  return Promise.all(
    lab.nodes.map(async (node) => {
      const url = `http://${node.on(80)}/hostname`;
      const { outcome, body } = await request(lab.outsider, url, lab.timeouts.silence, host);
      return { node: node.name, outcome, body };
    }),
  );
}

const backends = ["server-1", "server-2"];

claim("ingress-needs-a-controller", {
  slow: true,
  observe: async (lab) => {
    const backend = { service: { name: "web", port: { number: 80 } } };
    const object = {
      apiVersion: "networking.k8s.io/v1",
      kind: "Ingress",
      metadata: { name: "nobody-reads", namespace: lab.namespace },
      spec: {
        ingressClassName: lab.namespace,
        rules: [{ host, http: { paths: [{ path: "/", pathType: "Prefix", backend }] } }],
      },
    };
    await lab.api.create("an Ingress", object);
    const itself = await whoAnswers(lab, lab.pod("client-1"), lab.service("web").on(80));
    const nodes = await lab.eventually(
      () => askNodes(lab),
      (answers) => answers.some(({ body }) => backends.includes(body)),
      // A controller that reads it would have had time to.
      3 * lab.timeouts.window,
    );
    const path = `/apis/networking.k8s.io/v1/namespaces/${lab.namespace}/ingresses/nobody-reads`;
    const { status } = await lab.api.read<{ status: { loadBalancer?: { ingress?: unknown[] } } }>("the Ingress", path);
    return { itself, nodes, addresses: status.loadBalancer?.ingress ?? [] };
  },
  judge: ({ itself, nodes, addresses }) => {
    positiveControl(answered(itself), "the Service that the Ingress names answers a pod");
    for (const { node, outcome, body } of nodes)
      expect(backends, `pods behind the Service, of which one is led to at ${node} (${outcome})`).not.toContain(body);
    expect(addresses, "addresses in the status of the Ingress").toEqual([]);
  },
  control: live(
    "a controller reads it",
    async (lab) => {
      const node = lab.worker(0);
      const values = { namespace: lab.namespace, node: node.name, port: "80" };
      const parts = lab.objects.manifest("ingress.yaml", values);
      const ask = () => request(lab.outsider, `http://${node.on(80)}/`, lab.timeouts.silence, host);
      lab.afterwards(async () => {
        for (const pod of parts.filter(({ kind }) => kind === "Pod")) await lab.api.delete("the controller goes", pod);
        // Its port on the node is taken away a moment later.
        await lab.until("nobody to answer there", ask, (answer) => !answered(answer));
      });
      for (const part of parts) await lab.api.create(`${part.kind} ${part.metadata.name}`, part);
      await lab.until(
        "the controller to answer",
        () => request(lab.outsider, `http://${node.on(80)}/`, lab.timeouts.answer, host),
        answered,
        lab.timeouts.podsReady,
      );
    },
    { alone: true },
  ),
});

const routed = (lab: Lab) => withIngress(lab, "model-routes", 19_000);

claim("ingress-leads-by-host-and-path", {
  slow: true,
  observe: async (lab) => {
    const { before, answers } = await routed(lab);
    return { before, answers };
  },
  judge: ({ before, answers }) => {
    positiveControl(before.status === 404, "the controller answers, and leads nowhere while there is no Ingress");
    for (const { host: asked, path, backend, status, body } of answers)
      expect(body, `who answers an outsider at ${asked}${path} (HTTP ${status})`).toBe(backend);
  },
  control: live(
    "the Ingress has another path",
    (lab) => mutate.ingress(lab, "model-routes", patch.replace("/spec/rules/0/http/paths/1/path", "/elsewhere")),
    { lane: "model-routes" },
  ),
});

claim("ingress-leads-nowhere-else", {
  slow: true,
  observe: async (lab) => {
    const { answers, nobodys } = await routed(lab);
    return { named: answers.at(-1), nobodys };
  },
  judge: ({ named, nobodys }) => {
    positiveControl(named !== undefined && named.body === named.backend, "a path that the Ingress names is answered");
    expect(nobodys.status, `the HTTP status at another path of its host: ${nobodys.body}`).toBe(404);
  },
  control: live(
    "the Ingress has a Service for all other paths",
    (lab) =>
      mutate.ingress(
        lab,
        "model-routes",
        patch.add("/spec/defaultBackend", { service: { name: "back", port: { number: 80 } } }),
      ),
    { lane: "model-routes" },
  ),
});
