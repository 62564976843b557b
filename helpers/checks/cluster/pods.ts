import { expect } from "vitest";
import { z } from "zod";
import { positiveControl } from "../../claim/verdict.ts";
import { whoAnswers } from "../../lab/ask.ts";
import type { Lab } from "../../lab/lab.ts";
import { live } from "../../lab/spec.ts";
import { hostPort, type Meeting, meetOften, podsAmong } from "../../probe/http.ts";
import type { Peer } from "../../probe/peer.ts";
import { Client, NodeName, readyMade, ServiceName, ServicePort } from "../parts/define.ts";
import {
  isMade,
  makeObjects,
  notMade,
  Objects,
  type Patch,
  pace,
  storePatched,
  unlessInvalid,
} from "../parts/objects.ts";
import { locate } from "../parts/target.ts";

/** Returns the addresses of a Service's endpoints that are ready; nothing said of one means that it is (EndpointConditions). */
async function readyEndpoints(lab: Lab, service: string): Promise<string[]> {
  const slices = await lab.services.slicesOf(service);
  return slices
    .flatMap(({ endpoints }) => endpoints ?? [])
    .filter(({ conditions }) => conditions?.ready !== false)
    .flatMap(({ addresses }) => addresses);
}

/** Returns the pods that answer so many new connections to a Service's cluster IP. */
export async function podsAt(lab: Lab, client: Peer, target: string | null, connections: number): Promise<string[]> {
  return target === null ? [] : podsAmong(await meetOften(client, target, connections, lab.timeouts.answer));
}

export const everyPodAnswers = readyMade({
  says: "Each of these pods answers some of a client's new connections to the cluster IP of a Service.",
  turnedBy: "the Service keeps each client at one pod (sessionAffinity)",
  parameters: z
    .strictObject({
      service: ServiceName.describe("one of `objects.services`, so that the control can change it"),
      port: ServicePort,
      pods: z.array(z.string()).min(2).describe("all of them have to answer"),
      from: Client.default("client-2"),
      connections: z.int().min(10).max(1_000).default(30).describe("so many new connections, one after another"),
      objects: Objects,
    })
    .refine(isMade, notMade),
  example: {
    service: "shared",
    pods: ["server-1", "server-2"],
    objects: { services: { shared: { selector: { app: "server" }, ports: [{ port: 80, targetPort: 8080 }] } } },
  },
  make: ({ service, port, pods, from, connections, objects }) => ({
    ...pace(objects),
    observe: async (lab) => {
      const made = await makeObjects(lab, objects);
      const target = await locate(lab, made, { service, port });
      const answered = await lab.eventually(
        () => podsAt(lab, made.peer(from), target, connections),
        (found) => pods.every((pod) => found.includes(pod)),
      );
      return { pods, answered };
    },
    judge: ({ pods, answered }) => {
      positiveControl(answered.length > 0, "the Service answers");
      expect(
        pods.filter((pod) => !answered.includes(pod)),
        "pods of the Service that nobody meets at its one address",
      ).toEqual([]);
    },
    control: live("the Service keeps each client at one pod", (lab) =>
      storePatched(lab, "Service", service, [{ op: "add", path: "/spec/sessionAffinity", value: "ClientIP" }]),
    ),
  }),
});

/** Policies that narrow down which pods answer, and how a Service is stored without each. */
const withoutPolicy: Readonly<Record<string, readonly Patch[]>> = {
  sessionAffinity: [
    { op: "replace", path: "/spec/sessionAffinity", value: "None" },
    { op: "add", path: "/spec/sessionAffinityConfig", value: null },
  ],
  internalTrafficPolicy: [{ op: "replace", path: "/spec/internalTrafficPolicy", value: "Cluster" }],
  externalTrafficPolicy: [{ op: "replace", path: "/spec/externalTrafficPolicy", value: "Cluster" }],
  trafficDistribution: [{ op: "remove", path: "/spec/trafficDistribution" }],
};

function policiesOf(service: string, { services }: Objects): string[] {
  return Object.keys(withoutPolicy).filter((policy) => services[service]?.[policy] !== undefined);
}

/** Which pods answered by the Service, and who at the addresses of the others. */
interface Narrowed {
  /** Why the API server does not take the Service: it may not know the policy yet. */
  readonly invalid?: string;
  readonly answered: readonly string[];
  readonly others: readonly Meeting[];
}

export const onlyThesePodsAnswer = readyMade({
  says: "By a Service with a policy, new connections of a client are answered by these of its pods only, or by one only.",
  turnedBy: "the Service is stored without its policies",
  parameters: z
    .strictObject({
      service: ServiceName.describe("one of `objects.services`, with a policy in its `spec`"),
      port: ServicePort,
      node: NodeName.optional().describe("asked at the node port of the Service there, not at its cluster IP"),
      pods: z
        .union([z.array(z.string()).min(1), z.literal("one")])
        .describe("the pods that answer; `one`: always the same pod, whichever"),
      others: z
        .array(z.string())
        .min(1)
        .describe("the positive control: pods of the Service of which each answers the client at its own address"),
      from: Client.default("client-1"),
      connections: z.int().min(10).max(1_000).default(50).describe("so many new connections, one after another"),
      objects: Objects,
    })
    .refine(isMade, notMade)
    .refine(({ pods, others }) => pods === "one" || others.some((other) => !pods.includes(other)), {
      error: "must have a pod that is none of `pods`, else nothing is kept from the client",
      path: ["others"],
    })
    .refine(({ service, objects }) => policiesOf(service, objects).length > 0, {
      error: `must have one of ${Object.keys(withoutPolicy).join(", ")} in its spec`,
      path: ["service"],
    }),
  example: {
    service: "near",
    pods: ["server-1"],
    others: ["server-2"],
    objects: {
      services: {
        near: { selector: { app: "server" }, ports: [{ port: 80, targetPort: 8080 }], internalTrafficPolicy: "Local" },
      },
    },
  },
  make: ({ service, port, node, pods, others, from, connections, objects }) => ({
    ...pace(objects),
    observe: async (lab): Promise<Narrowed> => {
      const made = await unlessInvalid(makeObjects(lab, objects));
      if ("invalid" in made) return { ...made, answered: [], others: [] };
      const client = made.peer(from);
      const addresses = others.map((pod) => made.addressOf(pod));
      await lab.until(
        "the pods among the endpoints",
        () => readyEndpoints(lab, service),
        (found) => addresses.every((address) => found.includes(address)) && found.length > 1,
        lab.timeouts.claimed,
      );
      const target = await locate(
        lab,
        made,
        node === undefined ? { service, port } : { node, "node-port-of": service },
      );
      if (target !== null)
        await lab.until(
          `an answer of ${service}`,
          () => meetOften(client, target, 1, lab.timeouts.answer),
          (answers) => podsAmong(answers).length > 0,
          lab.timeouts.claimed,
        );
      return {
        answered: await podsAt(lab, client, target, connections),
        others: await Promise.all(addresses.map((address) => whoAnswers(lab, client, hostPort(address, 8080)))),
      };
    },
    judge: ({ invalid, answered, others: direct }) => {
      expect(invalid === undefined, `the API server takes the Service ${service} (${invalid ?? "yes"})`).toBe(true);
      for (const [index, pod] of others.entries())
        positiveControl(direct[index]?.pod === pod, `nothing else keeps the client from the pod ${pod}`);
      positiveControl(answered.length > 0, "the Service answers");
      if (pods === "one") expect(answered.length, `pods that answer ${from} at the Service ${service}`).toBe(1);
      else expect(answered, `pods that answer ${from} at the Service ${service}`).toEqual(pods.toSorted());
    },
    control: live("the Service does without its policy", (lab) =>
      storePatched(
        lab,
        "Service",
        service,
        policiesOf(service, objects).flatMap((policy) => withoutPolicy[policy] ?? []),
      ),
    ),
  }),
});

const names = z.array(z.string());

export const endpointsFollowPods = readyMade({
  says: "The ready endpoints of a Service are these pods, and after each change those that are left.",
  turnedBy: "the Service selects another label than its pods have",
  parameters: z
    .strictObject({
      service: ServiceName.describe("one of `objects.services`, so that the control can change it"),
      endpoints: names.min(1).describe("pods of `objects` that are its endpoints in the beginning"),
      changes: z
        .array(
          z
            .strictObject({
              relabel: z.string().optional().describe("a pod of `objects`, given other `labels`"),
              labels: z.record(z.string(), z.string()).optional(),
              delete: z.string().optional().describe("a pod of `objects`"),
              endpoints: names.describe("its endpoints after that"),
            })
            .refine((step) => (step.relabel === undefined) !== (step.delete === undefined), {
              error: "needs either relabel or delete",
            })
            .refine((step) => (step.relabel === undefined) === (step.labels === undefined), {
              error: "relabel and labels belong together",
            }),
        )
        .default([])
        .describe("one after another: `relabel` with `labels`, or `delete`, and the `endpoints` after it"),
      objects: Objects,
    })
    .refine(isMade, notMade)
    .refine(
      ({ endpoints, changes, objects }) =>
        [...endpoints, ...changes.flatMap((step) => [step.relabel ?? step.delete ?? "", ...step.endpoints])].every(
          (pod) => pod in objects.pods,
        ),
      { error: "must all be pods of objects.pods", path: ["endpoints"] },
    ),
  example: {
    service: "picked",
    endpoints: ["picked-1", "picked-2"],
    changes: [{ relabel: "picked-2", labels: { app: "other" }, endpoints: ["picked-1"] }],
    objects: {
      services: { picked: { selector: { app: "picked" }, ports: [{ port: 80, targetPort: 8080 }] } },
      pods: { "picked-1": { labels: { app: "picked" } }, "picked-2": { labels: { app: "picked" } } },
    },
  },
  make: ({ service, endpoints, changes, objects }) => ({
    ...pace(objects),
    observe: async (lab) => {
      const made = await makeObjects(lab, objects);
      const addresses = Object.fromEntries(Object.keys(objects.pods).map((pod) => [pod, made.addressOf(pod)]));
      const found = (count: number) =>
        lab.eventually(
          () => readyEndpoints(lab, service),
          (all) => all.length === count,
        );
      const seen = [await found(endpoints.length)];
      for (const { relabel, labels, delete: deleted, endpoints: left } of changes) {
        if (relabel !== undefined && labels !== undefined) await lab.pods.relabel(relabel, labels);
        if (deleted !== undefined) await lab.api.delete(`the pod ${deleted}`, lab.objects.serverPod(deleted, {}));
        seen.push(await found(left.length));
      }
      return { addresses, endpoints: seen };
    },
    judge: ({ addresses, endpoints: seen }) => {
      const addressesOf = (pods: readonly string[]) => pods.map((pod) => addresses[pod] ?? "").toSorted();
      expect(seen[0]?.toSorted(), "ready endpoints of the Service").toEqual(addressesOf(endpoints));
      for (const [index, { relabel, delete: deleted, endpoints: left }] of changes.entries())
        expect(
          seen[index + 1]?.toSorted(),
          `its ready endpoints after ${relabel === undefined ? `${deleted} was deleted` : `the labels of ${relabel} were changed`}`,
        ).toEqual(addressesOf(left));
    },
    control: live("the Service selects another label than its pods have", (lab) =>
      storePatched(lab, "Service", service, [{ op: "add", path: "/spec/selector", value: { app: "nobody" } }]),
    ),
  }),
});
