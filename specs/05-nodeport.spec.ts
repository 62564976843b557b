import type { V1Service } from "@kubernetes/client-node";
import { expect } from "vitest";
import { claim } from "../helpers/claim/claim.ts";
import type { Lab } from "../helpers/claim/lab.ts";
import { positiveControl } from "../helpers/claim/verdict.ts";
import type { ApiAnswer } from "../helpers/probe/api.ts";
import { hostPort, meet } from "../helpers/probe/http.ts";

/** The range that the article gives. */
const first = 30_000;
const last = 32_767;

const ports = (nodePort?: number) => [{ port: 80, targetPort: 8080, ...(nodePort === undefined ? {} : { nodePort }) }];

function nodePortOf(service: V1Service): number {
  return service.spec?.ports?.[0]?.nodePort ?? 0;
}

/** Asks for a NodePort Service with a port of its own choice; it is deleted when the check ends. */
async function tryPort(lab: Lab, nodePort: number): Promise<{ nodePort: number; code: number; message: string }> {
  const answer = await lab.tryCreate(
    `ask for node port ${nodePort}`,
    lab.serviceObject(`port-${nodePort}`, { type: "NodePort", selector: { app: "server" }, ports: ports(nodePort) }),
  );
  return { nodePort, code: answer.code, message: messageOf(answer) };
}

function messageOf({ body }: ApiAnswer): string {
  return (body as { message?: string }).message ?? "";
}

claim("nodeport-has-a-clusterip", {
  observe: async (lab) => {
    const { spec } = await lab.serviceOfCast("web-nodeport");
    return {
      clusterIP: spec?.clusterIP ?? "",
      answer: await meet(lab.pod("client-1"), hostPort(spec?.clusterIP ?? "", 80), lab.timeouts.silence),
    };
  },
  judge: ({ clusterIP, answer }) => {
    expect(clusterIP, "the clusterIP of a NodePort Service").toBeTruthy();
    expect(answer.outcome, `${answer.to}, asked from a pod`).toBe("answered");
  },
});

claim("nodeport-on-every-node", {
  observe: async (lab) => {
    const port = nodePortOf(await lab.serviceOfCast("web-nodeport"));
    const nodesWithEndpoint = new Set([lab.worker(0).name, lab.worker(1).name]);
    return {
      port,
      nodes: await Promise.all(
        lab.world.nodes.map(async ({ name, addresses }) => ({
          node: name,
          hasEndpoint: nodesWithEndpoint.has(name),
          answer: await meet(lab.outsider, hostPort(addresses[0] ?? "", port), lab.timeouts.silence),
        })),
      ),
    };
  },
  judge: ({ port, nodes }) => {
    positiveControl(
      nodes.some(({ hasEndpoint }) => !hasEndpoint),
      "a node without a pod of the Service is among them",
    );
    for (const { node, answer } of nodes) expect(answer.outcome, `port ${port} of ${node}`).toBe("answered");
  },
});

claim("nodeport-default-range", {
  observe: async (lab) => {
    const created = await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        lab.service(`any-port-${index}`, { type: "NodePort", selector: { app: "server" }, ports: ports() }),
      ),
    );
    return {
      allotted: created.map(nodePortOf).sort((a, b) => a - b),
      ends: await Promise.all([first, last].map((port) => tryPort(lab, port))),
    };
  },
  judge: ({ allotted, ends }) => {
    for (const port of allotted)
      expect(port >= first && port <= last, `allotted port ${port} inside ${first}–${last}`).toBe(true);
    for (const { nodePort, code, message } of ends) {
      // Whoever has the port already was given it: it is in the range.
      const inRange = code === 201 || message.includes("already allocated");
      expect(inRange, `port ${nodePort}, an end of the range, may be asked for (HTTP ${code} ${message})`).toBe(true);
    }
  },
});

claim("nodeport-out-of-range-is-refused", {
  observe: async (lab) => ({
    // In the band that the API server leaves to those who choose (KEP-3668), so that nobody was given it.
    inside: await tryPort(lab, 30_050),
    outside: await Promise.all([first - 1, last + 1].map((port) => tryPort(lab, port))),
  }),
  judge: ({ inside, outside }) => {
    positiveControl(inside.code === 201, `the same Service with port ${inside.nodePort} is accepted`);
    for (const { nodePort, code, message } of outside) {
      expect(code, `HTTP status for port ${nodePort}`).toBe(422);
      expect(message, `the reason for refusing port ${nodePort}`).toContain(`${first}-${last}`);
    }
  },
});

claim("nodeport-reachable-from-outside", {
  observe: async (lab) => {
    const port = nodePortOf(await lab.serviceOfCast("web-nodeport"));
    const node = lab.worker(0).addresses[0] ?? "";
    return {
      closed: await meet(lab.outsider, hostPort(node, port + 1), lab.timeouts.silence),
      answer: await meet(lab.outsider, hostPort(node, port), lab.timeouts.silence),
    };
  },
  judge: ({ closed, answer }) => {
    positiveControl(closed.outcome !== "answered", "the port beside it does not answer");
    expect(answer.outcome, `${answer.to}, asked from outside the cluster`).toBe("answered");
  },
});

claim("nodeport-may-be-chosen", {
  observe: async (lab) => {
    const chosen = 30_007;
    const { code } = await tryPort(lab, chosen);
    const service = code === 201 ? await lab.serviceOfCast(`port-${chosen}`) : undefined;
    const node = lab.worker(0).addresses[0] ?? "";
    const answer = await lab.until(
      "the chosen port to answer",
      () => meet(lab.outsider, hostPort(node, chosen), lab.timeouts.attempt),
      ({ outcome }) => outcome === "answered",
    );
    return { chosen, code, stored: service === undefined ? null : nodePortOf(service), answer };
  },
  judge: ({ chosen, code, stored, answer }) => {
    expect(code, `HTTP status for a Service with nodePort ${chosen}`).toBe(201);
    expect(stored, "the port that it has").toBe(chosen);
    expect(answer.outcome, `${answer.to}, asked from outside`).toBe("answered");
  },
});

claim("nodeport-allocated-when-absent", {
  observe: async (lab) => {
    const port = nodePortOf(
      await lab.service("absent-port", { type: "NodePort", selector: { app: "server" }, ports: ports() }),
    );
    const node = lab.worker(0).addresses[0] ?? "";
    return {
      port,
      answer: await lab.until(
        "the allotted port to answer",
        () => meet(lab.outsider, hostPort(node, port), lab.timeouts.attempt),
        ({ outcome }) => outcome === "answered",
      ),
    };
  },
  judge: ({ port, answer }) => {
    expect(port, "the node port of a Service that asked for none").toBeGreaterThan(0);
    expect(answer.outcome, `${answer.to}, asked from outside`).toBe("answered");
  },
});
