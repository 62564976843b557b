import type { V1Pod } from "@kubernetes/client-node";
import { expect } from "vitest";
import { mutate } from "../../helpers/changes/admission.ts";
import { patch } from "../../helpers/changes/json-patch.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { whoAnswers, whoAnswersByUdp } from "../../helpers/lab/ask.ts";
import { isReady } from "../../helpers/lab/cast.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import { live } from "../../helpers/lab/spec.ts";
import type { KubernetesObject } from "../../helpers/probe/api.ts";
import { hostPort } from "../../helpers/probe/http.ts";
import { claim } from "./article.ts";

/** The pods of these claims have the same names and ports under each change. */
const lane = "host ports";

const sharedPort = 28_323;

interface NodePort {
  readonly hostPort: number;
  readonly hostIP: string;
  readonly protocol: "TCP" | "UDP";
}

/** Returns a server that listens on port 8080 by one protocol, and that the scheduler is to put on the first worker. */
function withHostPort(lab: Lab, name: string, port: NodePort): KubernetesObject {
  const [http, udp] = port.protocol === "TCP" ? [8080, -1] : [8008, 8080];
  const container = {
    ...lab.objects.serverContainer,
    args: ["netexec", `--http-port=${http}`, `--udp-port=${udp}`],
    ports: [{ containerPort: 8080, ...port }],
    readinessProbe: {
      httpGet: { path: "/hostname", port: http },
      periodSeconds: 1,
      timeoutSeconds: Math.ceil(lab.timeouts.readiness / 1000),
    },
  };
  const matchFields = [{ key: "metadata.name", operator: "In", values: [lab.worker(0).name] }];
  const nodeAffinity = { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [{ matchFields }] } };
  return lab.objects.serverPod(name, {}, { containers: [container], affinity: { nodeAffinity } });
}

/** Returns what the scheduler said against putting a pod on its node, if it could not. */
function refusal({ status }: V1Pod): string | undefined {
  const condition = status?.conditions?.find(({ type }) => type === "PodScheduled");
  return condition?.reason === "Unschedulable" ? (condition.message ?? "") : undefined;
}

/** Waits until the scheduler has put a pod on its node, or said that it cannot. */
function scheduled(lab: Lab, name: string): Promise<{ node: string | null; refusal: string | null }> {
  return lab
    .until(
      `the scheduler to decide on ${name}`,
      () => lab.api.get(`the pod ${name}`, "Pod", name),
      (pod) => pod.spec?.nodeName !== undefined || refusal(pod) !== undefined,
    )
    .then((pod) => ({ node: pod.spec?.nodeName ?? null, refusal: refusal(pod) ?? null }));
}

/** Three pods with one number of a port on one node: two differ in the protocol, two in the address. */
function onOnePort(lab: Lab) {
  return lab.together("pods with the same hostPort", async () => {
    const node = lab.worker(0);
    const loopback = { ipv4: "127.0.0.1", ipv6: "::1" }[lab.family];
    const host = lab.pod("host-1");
    const at = (hostIP: string, protocol: "TCP" | "UDP") => ({ hostPort: sharedPort, hostIP, protocol });
    await lab.pods.start(withHostPort(lab, "port-by-tcp", at(node.address, "TCP")));
    const others = { "port-by-udp": at(node.address, "UDP"), "port-on-loopback": at(loopback, "TCP") };
    const decided = await Promise.all(
      Object.entries(others).map(async ([name, port]) => {
        await lab.api.create(`the pod ${name}`, withHostPort(lab, name, port));
        const found = await lab.until(
          `${name} to be ready, or to find no place`,
          async () => {
            const pod = await lab.api.get(`the pod ${name}`, "Pod", name);
            return { ready: isReady(pod), node: pod.spec?.nodeName ?? null, refusal: refusal(pod) ?? null };
          },
          ({ ready, refusal: why }) => ready || why !== null,
          lab.timeouts.podsReady,
        );
        return [name, { node: found.node, refusal: found.refusal }] as const;
      }),
    );
    // As the source, an address that packets from a loopback address could not have on their way to a pod.
    const words = ["curl", "--silent", "--noproxy", "*", "--max-time", "5", "--interface", node.address];
    const url = `http://${hostPort(loopback, sharedPort)}/hostname`;
    return {
      node: node.name,
      decided: Object.fromEntries(decided),
      byTcp: (await whoAnswers(lab, host, hostPort(node.address, sharedPort), "port-by-tcp")).pod ?? null,
      byUdp: (await whoAnswersByUdp(lab, host, "localhost:18090", node.address, sharedPort)).pod,
      onLoopback: await lab.eventually(
        async () => (await host.run(`who answers at ${url}`, [...words, url])).stdout,
        (name) => name === "port-on-loopback",
      ),
    };
  });
}

claim("one-host-port-for-two-protocols", {
  slow: true,
  observe: onOnePort,
  judge: ({ node, decided, byTcp, byUdp }) => {
    positiveControl(byTcp === "port-by-tcp", "the pod with the port for TCP answers at the node's address");
    expect(decided["port-by-udp"], "where the pod with the same port for UDP came").toEqual({ node, refusal: null });
    expect(byUdp, "who answers by UDP at the same port of the node").toBe("port-by-udp");
  },
  control: live(
    "the pod with the port for UDP asks for TCP too",
    (lab) => mutate.pod(lab, "port-by-udp", patch.replace("/spec/containers/0/ports/0/protocol", "TCP")),
    { lane },
  ),
});

claim("one-host-port-for-two-host-ips", {
  slow: true,
  observe: onOnePort,
  judge: ({ node, decided, byTcp, onLoopback }) => {
    positiveControl(byTcp === "port-by-tcp", "the pod with the port of the node's address answers there");
    expect(decided["port-on-loopback"], "where the pod with the same port of another address came").toEqual({
      node,
      refusal: null,
    });
    expect(onLoopback, "who answers at that port of the node's loopback address").toBe("port-on-loopback");
  },
  control: live(
    "the pod with the port of the loopback address asks for the node's own address",
    (lab) =>
      mutate.pod(lab, "port-on-loopback", patch.replace("/spec/containers/0/ports/0/hostIP", lab.worker(0).address)),
    { lane },
  ),
});

claim("same-host-port-is-not-scheduled-twice", {
  slow: true,
  observe: async (lab) => {
    const ports = { "port-first": 28_401, "port-second": 28_401, "port-other": 28_402 };
    const found: Record<string, Awaited<ReturnType<typeof scheduled>>> = {};
    for (const [name, port] of Object.entries(ports)) {
      const wanted = { hostPort: port, hostIP: lab.worker(0).address, protocol: "TCP" } as const;
      await lab.api.create(`the pod ${name}`, withHostPort(lab, name, wanted));
      found[name] = await scheduled(lab, name);
    }
    return { node: lab.worker(0).name, found };
  },
  judge: ({ node, found }) => {
    positiveControl(found["port-first"]?.node === node, "the first pod is scheduled to the node");
    positiveControl(found["port-other"]?.node === node, "one with another port is scheduled there too");
    expect(found["port-second"]?.node, "where a second pod with the same port was scheduled").toBeNull();
    expect(found["port-second"]?.refusal, "what the scheduler said").toMatch(/free ports/);
  },
  control: live(
    "the second pod asks for another port",
    (lab) => mutate.pod(lab, "port-second", patch.replace("/spec/containers/0/ports/0/hostPort", 28_403)),
    { lane },
  ),
});
