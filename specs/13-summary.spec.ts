import type { V1Service } from "@kubernetes/client-node";
import { expect } from "vitest";
import { printed } from "../helpers/claim/article.ts";
import { storeOtherwise } from "../helpers/claim/changes.ts";
import { claim } from "../helpers/claim/claim.ts";
import { live } from "../helpers/claim/control.ts";
import { withIngress } from "../helpers/claim/ingress.ts";
import { positiveControl } from "../helpers/claim/verdict.ts";
import { lookUp } from "../helpers/probe/dns.ts";
import { hostPort, meet } from "../helpers/probe/http.ts";

claim("lab-deploys-the-three-types", {
  // The article's own text is what this sentence is about.
  observe: async () => ({
    types: [...printed("175-358").matchAll(/^ {2}type: (\w+)/gm)].map(([, type]) => type ?? ""),
    applied: [...printed("175-358").matchAll(/^kubectl apply -f (\S+)/gm)].map(([, file]) => file ?? ""),
  }),
  judge: ({ types, applied }) => {
    positiveControl(
      types.includes("ClusterIP") && applied.includes("web-clusterip.yaml"),
      "the lab's manifests and commands were found",
    );
    expect(types, `types of the Services in the lab, which applies ${applied.join(", ")}`).toEqual([
      "ClusterIP",
      "NodePort",
      "LoadBalancer",
    ]);
  },
  control: {
    name: "the lab had a Service of type LoadBalancer too",
    alter: ({ types, applied }) => ({
      types: [...types, "LoadBalancer"],
      applied,
    }),
  },
});

claim("reachable-however-the-pods-change", {
  slow: true,
  observe: async (lab) => {
    const labels = { app: "comes-and-goes" };
    // With a grace period a pod's object goes last: once it is gone, nobody but the Service can refuse in its place.
    const deployment = lab.serverDeployment("comes-and-goes", 2, labels, { terminationGracePeriodSeconds: 1 });
    await lab.create("a Deployment", deployment);
    const { spec } = await lab.service("comes-and-goes", { selector: labels, ports: [{ port: 80, targetPort: 8080 }] });
    const name = `comes-and-goes.${lab.namespace}.svc.${lab.world.dnsDomain}`;
    const client = lab.pod("client-1");
    const ask = (timeout = lab.timeouts.attempt) => meet(client, hostPort(spec?.clusterIP ?? "", 80), timeout);
    const answered = () =>
      lab.until(
        "the Service to answer",
        () => ask(),
        ({ outcome }) => outcome === "answered",
        lab.timeouts.podsReady,
      );
    const type = lab.addressRecord;
    const record = async () => (await lookUp(client, name, type)).records.map(({ data }) => data);
    const before = await answered();
    const pods = (await lab.readyPods(2, labels)).map(({ metadata }) => metadata?.name ?? "");
    const records = [await record()];
    await lab.patch("take all pods away", deployment, { spec: { replicas: 0 } });
    await lab.podsGone(pods);
    // A node that has not heard of it yet still leads connections to where they were: no answer, but no refusal.
    const without = await lab.eventually(
      () => ask(lab.timeouts.answer),
      ({ outcome }) => outcome === "refused",
    );
    records.push(await record());
    const gap = performance.now();
    await lab.patch("bring them back", deployment, { spec: { replicas: 2 } });
    const after = await answered();
    const milliseconds = Math.round(performance.now() - gap);
    records.push(await record());
    const { spec: later } = await lab.get<V1Service>(
      "the Service",
      `/api/v1/namespaces/${lab.namespace}/services/comes-and-goes`,
    );
    return { before, without, after, milliseconds, records, clusterIPs: [spec?.clusterIP, later?.clusterIP] };
  },
  judge: ({ before, without, after, records, clusterIPs, milliseconds }) => {
    positiveControl(
      before.outcome === "answered" && after.outcome === "answered",
      "with pods the Service answers, before and after",
    );
    expect(clusterIPs[1], "its clusterIP in the end").toBe(clusterIPs[0]);
    expect(new Set(records.flat()).size, "different addresses that its name had").toBe(1);
    expect(
      without.outcome,
      `the Service while it had no pods (${without.milliseconds} ms; the first answer came ${milliseconds} ms after they were asked back)`,
    ).toBe("answered");
  },
  control: live("the Service leads to a pod besides that stays", async (lab) => {
    await lab.create("an EndpointSlice of its own", {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: {
        name: "comes-and-goes-and-stays",
        namespace: lab.namespace,
        labels: { "kubernetes.io/service-name": "comes-and-goes" },
      },
      addressType: "IPv4",
      endpoints: [{ addresses: [lab.pod("far-server").address], conditions: { ready: true } }],
      ports: [{ name: "", port: 8080, protocol: "TCP" }],
    });
  }),
});

claim("ingress-routes-http", {
  slow: true,
  observe: (lab) => withIngress(lab, "routes", 18_600),
  judge: ({ before, answers }) => {
    positiveControl(before.status === 404, "the controller answers, and leads nowhere while there is no Ingress");
    for (const { host, path, backend, status, body } of answers)
      expect(body, `who answers an outsider at ${host}${path} (HTTP ${status})`).toBe(backend);
  },
  control: live("the Ingress has another path", (lab) =>
    storeOtherwise(
      lab,
      { kind: "Ingress", name: "routes" },
      "JSONPatch{op: 'replace', path: '/spec/rules/0/http/paths/1/path', value: '/elsewhere'}",
    ),
  ),
});
