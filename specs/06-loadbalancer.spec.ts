import { setTimeout as delay } from "node:timers/promises";
import type { V1Service } from "@kubernetes/client-node";
import { expect } from "vitest";
import { claim } from "../helpers/claim/claim.ts";
import { NeedsFeature } from "../helpers/claim/verdict.ts";
import { hostPort, meet } from "../helpers/probe/http.ts";

const spec = { type: "LoadBalancer", selector: { app: "server" }, ports: [{ port: 80, targetPort: 8080 }] };

claim("loadbalancer-has-a-clusterip-and-a-nodeport", {
  observe: async (lab) => {
    const service = await lab.service("balanced", spec);
    const clusterIP = service.spec?.clusterIP ?? "";
    const nodePort = service.spec?.ports?.[0]?.nodePort ?? 0;
    const node = lab.worker(0).addresses[0] ?? "";
    const answered = (what: string, ask: () => ReturnType<typeof meet>) =>
      lab.until(what, ask, ({ outcome }) => outcome === "answered");
    return {
      clusterIP,
      nodePort,
      atClusterIP: await answered("an answer at the clusterIP", () =>
        meet(lab.pod("client-1"), hostPort(clusterIP, 80), lab.timeouts.attempt),
      ),
      atNodePort: await answered("an answer at the node port", () =>
        meet(lab.outsider, hostPort(node, nodePort), lab.timeouts.attempt),
      ),
    };
  },
  judge: ({ clusterIP, nodePort, atClusterIP, atNodePort }) => {
    expect(clusterIP, "its clusterIP").toBeTruthy();
    expect(nodePort, "its node port").toBeGreaterThan(0);
    expect(atClusterIP.outcome, atClusterIP.to).toBe("answered");
    expect(atNodePort.outcome, `${atNodePort.to}, asked from outside`).toBe("answered");
  },
});

claim("loadbalancer-gets-an-external-ip", {
  observe: async (lab) => {
    await lab.service("pending", spec);
    await delay(lab.timeouts.window);
    const { status } = await lab.get<V1Service>(
      "the Service after the window",
      `/api/v1/namespaces/${lab.namespace}/services/pending`,
    );
    const columns = await lab.columns(
      "the Service, as kubectl get prints it",
      `/api/v1/namespaces/${lab.namespace}/services/pending`,
    );
    return {
      windowMs: lab.timeouts.window,
      ingress: status?.loadBalancer?.ingress ?? [],
      column: columns["EXTERNAL-IP"],
    };
  },
  judge: ({ windowMs, ingress, column }) => {
    if (ingress.length === 0)
      throw new NeedsFeature(
        `nothing on this cluster makes load balancers: the external IP was ${column} for ${windowMs / 1000} s`,
      );
    expect(ingress[0]?.ip ?? ingress[0]?.hostname, "the external address").toBeTruthy();
  },
});
