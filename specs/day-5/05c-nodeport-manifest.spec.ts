import type { V1Service } from "@kubernetes/client-node";
import { expect } from "vitest";
import { mutate } from "../../helpers/changes/admission.ts";
import { patch } from "../../helpers/changes/json-patch.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { whoAnswers } from "../../helpers/lab/ask.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import { leadsTo } from "../../helpers/lab/objects.ts";
import { Service } from "../../helpers/lab/services.ts";
import { live } from "../../helpers/lab/spec.ts";
import { type KubernetesObject, refusalOf } from "../../helpers/probe/api.ts";
import { request } from "../../helpers/probe/http.ts";
import { ProbeFailed } from "../../helpers/probe/peer.ts";
import { claim, printedObject } from "./article.ts";
import { isTaken, portsWith, rangeOf } from "./node-ports.ts";

claim("port-is-for-access-inside", {
  observe: async (lab) => {
    const printed = printedObject("my-nodeport-service", lab.otherNamespace) as KubernetesObject & {
      spec: { ports: object[] };
    };
    const asking = (nodePort: number) => {
      const { spec } = printed;
      return { ...printed, spec: { ...spec, ports: spec.ports.map((port) => ({ ...port, nodePort })) } };
    };
    const { chosen, service } = await createWithPort(lab, 30_007, asking);
    const node = lab.worker(0);
    const atNodePort = await whoAnswers(lab, lab.outsider, node.on(chosen), "my-app");
    const inside = await whoAnswers(lab, lab.pod("client-1"), service.on(80), "my-app");
    // Somebody else may listen there, so who answers is asked for.
    const outside = await request(lab.outsider, `http://${node.on(80)}/hostname`, lab.timeouts.silence);
    return { atNodePort, inside, outside };
  },
  judge: ({ atNodePort, inside, outside }) => {
    positiveControl(atNodePort.pod === "my-app", "outside, the pod answers at the node port");
    expect(inside.pod, `who answers at ${inside.to}, port 80, asked from a pod`).toBe("my-app");
    expect(outside.body, `who answers at ${outside.to}, port 80, asked from outside`).not.toBe("my-app");
  },
  control: live("the Service listens on another port than the article prints", (lab) =>
    mutate.service(lab, "my-nodeport-service", patch.replace("/spec/ports/0/port", 81)),
  ),
});

/**
 * Creates a Service that chooses its node port: the article's, or another one where this cluster's range lacks that or
 * somebody has it.
 */
async function createWithPort(
  lab: Lab,
  articles: number,
  asking: (nodePort: number) => KubernetesObject,
): Promise<{ chosen: number; code: number; service: Service }> {
  const [lowest, highest] = rangeOf(lab);
  const others = Array.from({ length: 20 }, (_, index) => lowest + 7 + index);
  for (const chosen of [articles, ...others].filter((port) => port >= lowest && port <= highest)) {
    const answer = await lab.api.tryCreate(`a Service that asks for node port ${chosen}`, asking(chosen));
    if (!isTaken({ message: refusalOf(answer) }))
      return { chosen, code: answer.code, service: new Service(answer.body as V1Service) };
  }
  throw new ProbeFailed(`somebody has each node port that was asked for, of ${lowest}-${highest}`);
}

claim("nodeport-may-be-chosen", {
  observe: async (lab) => {
    const name = "chosen-port";
    const { chosen, code } = await createWithPort(lab, 30_007, (nodePort) =>
      lab.objects.service(name, { type: "NodePort", selector: { app: "server" }, ports: portsWith(nodePort) }),
    );
    const stored = code === 201 ? (await lab.services.get(name)).nodePort : null;
    return { chosen, code, stored, answer: await whoAnswers(lab, lab.outsider, lab.worker(0).on(chosen)) };
  },
  judge: ({ chosen, code, stored, answer }) => {
    expect(code, `HTTP status for a Service with nodePort ${chosen}`).toBe(201);
    expect(stored, "the port that it has").toBe(chosen);
    expect(answer.outcome, `${answer.to}, asked from outside`).toBe("answered");
  },
  control: live("the Service's choice is dropped, and it is given another node port", (lab) =>
    mutate.service(lab, "chosen-port", patch.replace("/spec/ports", [{ port: 80, protocol: "TCP", targetPort: 8080 }])),
  ),
});

claim("nodeport-allocated-when-absent", {
  observe: async (lab) => {
    const service = await lab.services.create("absent-port", { type: "NodePort", ...leadsTo({ app: "server" }) });
    const [port = 0] = service.nodePorts;
    return { port, answer: port === 0 ? null : await whoAnswers(lab, lab.outsider, service.at(lab.worker(0))) };
  },
  judge: ({ port, answer }) => {
    expect(port, "the node port of a Service that asked for none").toBeGreaterThan(0);
    expect(answer?.outcome, `${answer?.to}, asked from outside`).toBe("answered");
  },
  control: live("the Service is stored as a ClusterIP Service", (lab) =>
    mutate.service(
      lab,
      "absent-port",
      patch.add("/spec/type", "ClusterIP"),
      patch.remove("/spec/externalTrafficPolicy"),
    ),
  ),
});
