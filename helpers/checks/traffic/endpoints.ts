import type { V1EndpointSlice, V1Endpoints, V1ObjectReference } from "@kubernetes/client-node";
import { expect } from "vitest";
import { z } from "zod";
import { whoAnswers } from "../../lab/ask.ts";
import type { Lab } from "../../lab/lab.ts";
import { live } from "../../lab/spec.ts";
import { hostPort, type Meeting, meetOften, podsAmong } from "../../probe/http.ts";
import { Client, Port, readyMade, ServiceName } from "../parts/define.ts";
import {
  isMade,
  leftToAnother,
  makeObjects,
  notMade,
  Objects,
  pace,
  StoredOtherwise,
  storePatched,
} from "../parts/objects.ts";
import { locate } from "../parts/target.ts";

const Ports = z.record(z.string(), Port);

const Endpoint = z.union([
  z.string(),
  z.strictObject({
    pod: z.string(),
    ports: Ports.optional().describe("name of the Service's port and number of the pod's; all of them by default"),
    ready: z.boolean().default(true),
  }),
]);
type Endpoint = z.infer<typeof Endpoint>;

const actions = ["start", "relabel", "delete", "delete-slices"] as const;

const Step = z
  .strictObject({
    start: z.string().optional().describe("a pod of `objects`, which is not there before"),
    relabel: z.string().optional().describe("a pod of `objects`, given other `labels`"),
    labels: z.record(z.string(), z.string()).optional(),
    delete: z.string().optional().describe("a pod of `objects`"),
    "delete-slices": z.literal(true).optional(),
    endpoints: z.array(Endpoint),
  })
  .refine((step) => actions.filter((action) => step[action] !== undefined).length <= 1, {
    error: `must have at most one of ${actions.join(", ")}`,
  });
type Step = z.infer<typeof Step>;

const ServicePorts = z
  .array(
    z.looseObject({
      name: z.string().default(""),
      port: z.int(),
      targetPort: z.union([z.int(), z.string()]).optional(),
      protocol: z.string().default("TCP"),
    }),
  )
  .default([]);
type ServicePort = z.infer<typeof ServicePorts>[number];

/** One port of one endpoint, as the object says it. */
interface Mapping {
  readonly target: V1ObjectReference | null;
  readonly address: string;
  readonly port: string;
  readonly number: number | null;
  readonly protocol: string;
  readonly ready: boolean;
}

/** What was there after a step, and who answered then. */
interface Seen {
  /** How many objects there were, and whose they are said to be. */
  readonly managedBy: readonly string[];
  readonly mappings: readonly Mapping[];
  readonly answers: readonly { readonly port: number; readonly pods: readonly string[]; readonly meeting: Meeting }[];
}

interface Observation {
  readonly namespace: string;
  readonly pods: Readonly<Record<string, { readonly uid: string; readonly address: string }>>;
  readonly steps: readonly Seen[];
}

function inSlice({ endpoints, ports }: V1EndpointSlice): Mapping[] {
  return (endpoints ?? []).flatMap(({ addresses, conditions, targetRef }) =>
    (ports ?? []).flatMap(({ name, port, protocol }) =>
      addresses.map((address) => ({
        ...{ target: targetRef ?? null, address, port: name ?? "", number: port ?? null, protocol: protocol ?? "TCP" },
        // Nothing said of it means that it is (EndpointConditions).
        ready: conditions?.ready !== false,
      })),
    ),
  );
}

function inEndpoints({ subsets }: V1Endpoints): Mapping[] {
  return (subsets ?? []).flatMap(({ addresses, notReadyAddresses, ports }) =>
    [addresses ?? [], notReadyAddresses ?? []].flatMap((group, index) =>
      group.flatMap(({ ip, targetRef }) =>
        (ports ?? []).map(({ name, port, protocol }) => ({
          ...{ target: targetRef ?? null, address: ip, port: name ?? "", number: port, protocol: protocol ?? "TCP" },
          ready: index === 0,
        })),
      ),
    ),
  );
}

const managedBy = "endpointslice.kubernetes.io/managed-by";

/** Returns what is written of a Service's endpoints, each mapping once: a controller may write more slices than it needs. */
async function written(lab: Lab, service: string, where: "slices" | "endpoints"): Promise<Omit<Seen, "answers">> {
  if (where === "slices") {
    const slices = await lab.services.slicesOf(service);
    return {
      managedBy: slices.map(({ metadata }) => metadata?.labels?.[managedBy] ?? ""),
      mappings: slices.flatMap(inSlice),
    };
  }
  const selection = { namespace: lab.namespace, fields: { "metadata.name": service } };
  const objects = await lab.api.list(`Endpoints of ${service}`, "Endpoints", selection);
  return { managedBy: objects.map(() => ""), mappings: objects.flatMap(inEndpoints) };
}

/** Returns mappings in words, as the judge compares them. */
function inWords(mappings: readonly Mapping[], { namespace, pods }: Omit<Observation, "steps">): string[] {
  const nameOf = (target: V1ObjectReference | null) => {
    const { kind, name = "", uid } = target ?? {};
    const meant = kind === "Pod" && target?.namespace === namespace && uid !== undefined && pods[name]?.uid === uid;
    return meant ? name : `somebody else (${kind} ${target?.namespace}/${name} ${uid})`;
  };
  const all = mappings.map(({ target, ...rest }) => lineOf(nameOf(target), rest));
  return [...new Set(all)].toSorted();
}

function lineOf(pod: string, { address, port, number, protocol, ready }: Omit<Mapping, "target">): string {
  return `${pod} at ${address}, ${port === "" ? "" : `${port}: `}${protocol} ${number}, ${ready ? "ready" : "not ready"}`;
}

/** Returns what a step expects, in the same words. */
function expected(
  { endpoints }: Step,
  ports: readonly ServicePort[],
  pods: Observation["pods"],
): { readonly lines: string[]; readonly asked: readonly { readonly port: number; readonly pods: string[] }[] } {
  const each = endpoints.flatMap((endpoint) => {
    const { pod, ready, ports: numbers } = inFull(endpoint, ports);
    return ports.flatMap((port) => {
      const number = numbers[port.name];
      return number === undefined ? [] : [{ pod, ready, port, number }];
    });
  });
  return {
    lines: each
      .map(({ pod, ready, port: { name, protocol }, number }) =>
        lineOf(pod, { address: pods[pod]?.address ?? "no address", port: name, number, protocol, ready }),
      )
      .toSorted(),
    asked: ports.flatMap(({ name, port }) => {
      const answering = each.filter((one) => one.ready && one.port.name === name).map(({ pod }) => pod);
      return answering.length === 0 ? [] : [{ port, pods: answering }];
    }),
  };
}

function inFull(endpoint: Endpoint, ports: readonly ServicePort[]) {
  const { pod, ready, ports: given } = typeof endpoint === "string" ? { pod: endpoint, ready: true } : { ...endpoint };
  const numbers = ports.flatMap(({ name, port, targetPort = port }) =>
    typeof targetPort === "number" ? [[name, targetPort] as const] : [],
  );
  return { pod, ready, ports: given ?? Object.fromEntries(numbers) };
}

function listed(lines: readonly string[]): string {
  return lines.join("; ") || "none";
}

function nameOfStep(step: Step): string {
  const { start, relabel, delete: deleted } = step;
  if (start !== undefined) return `once ${start} was started`;
  if (relabel !== undefined) return `after the labels of ${relabel} were changed`;
  if (deleted !== undefined) return `after ${deleted} was deleted`;
  return step["delete-slices"] === undefined ? "in the beginning" : "after its EndpointSlices were deleted";
}

export const endpointsAre = readyMade({
  says: "In the EndpointSlices of a Service, or in its Endpoints object, are these endpoints with these ports, and after each step those that are named.",
  turnedBy: "the Service is stored without its selector, or `control`",
  parameters: z
    .strictObject({
      service: ServiceName.describe("one of `objects.services`, so that the control can change it"),
      in: z.enum(["slices", "endpoints"]).default("slices").describe("where it is looked at"),
      steps: z
        .array(Step)
        .min(1)
        .describe(
          "one after another: nothing, or one of `start`, `relabel` with `labels`, `delete` and `delete-slices`; and the `endpoints` after it: a pod, or a map of `pod`, `ports` and `ready`",
        ),
      asked: z
        .boolean()
        .default(false)
        .describe(
          "true: after each step one of them has to answer at each port, at the first cluster IP and at the name",
        ),
      control: StoredOtherwise.optional().describe("`name`, what is changed in words, and `patch` of the Service"),
      objects: Objects,
    })
    .refine(isMade, notMade)
    .refine(
      ({ steps, objects }) =>
        steps.every(({ start, relabel, delete: deleted }) =>
          [start, relabel, deleted].every((pod) => pod === undefined || pod in objects.pods),
        ),
      { error: "can start, relabel and delete pods of objects.pods only", path: ["steps"] },
    ),
  example: {
    service: "grown",
    steps: [{ endpoints: [] }, { start: "grown-1", endpoints: ["grown-1"] }, { delete: "grown-1", endpoints: [] }],
    objects: {
      services: { grown: { selector: { app: "grown" }, ports: [{ port: 80, targetPort: 8080 }] } },
      pods: { "grown-1": { labels: { app: "grown" } } },
    },
  },
  make: ({ service, in: where, steps, asked, control, objects }) => {
    const ports = ServicePorts.parse(objects.services[service]?.["ports"]);
    const object = where === "slices" ? "EndpointSlices" : "Endpoints object";
    return {
      ...pace(objects),
      observe: async (lab): Promise<Observation> => {
        const later = new Set(steps.map(({ start }) => start));
        const [atOnce, started] = [true, false].map((first) =>
          Object.fromEntries(Object.entries(objects.pods).filter(([name]) => later.has(name) !== first)),
        );
        await makeObjects(lab, { ...objects, pods: atOnce ?? {} });
        const { spec } = await lab.services.get(service);
        const pods: Record<string, { uid: string; address: string }> = {};
        const seen: Seen[] = [];
        for (const step of steps) {
          await act(lab, step, { service, pods: started ?? {} });
          for (const endpoint of step.endpoints) {
            const { pod } = inFull(endpoint, ports);
            pods[pod] ??= await identityOf(lab, pod);
          }
          const { lines, asked: wanted } = expected(step, ports, pods);
          const fits = ({ managedBy: owners, mappings }: Omit<Seen, "answers">) =>
            owners.length > 0 && listed(inWords(mappings, { namespace: lab.namespace, pods })) === listed(lines);
          const found = await lab.eventually(() => written(lab, service, where), fits);
          const ask = asked && fits(found) ? wanted : [];
          seen.push({ ...found, answers: await answersAt(lab, service, spec.clusterIP ?? "", ask) });
        }
        return { namespace: lab.namespace, pods, steps: seen };
      },
      judge: ({ steps: seen, ...known }) => {
        for (const [index, step] of steps.entries()) {
          const { managedBy: owners, mappings, answers } = seen[index] ?? { managedBy: [], mappings: [], answers: [] };
          const when = nameOfStep(step);
          expect(owners.length, `${object} of the Service, ${when}`).toBeGreaterThan(0);
          expect(listed(inWords(mappings, known)), `endpoints in the ${object} of the Service, ${when}`).toBe(
            listed(expected(step, ports, known.pods).lines),
          );
          if (where === "slices")
            expect(new Set(owners), `whose the EndpointSlices are, by the label ${managedBy}`).toEqual(
              new Set(["endpointslice-controller.k8s.io"]),
            );
          for (const { pods: wanted, meeting } of answers)
            expect(wanted, `who answers at ${meeting.to}, ${when}`).toContain(meeting.pod);
        }
      },
      control:
        control === undefined
          ? live("the Service is stored without its selector", (lab) =>
              storePatched(lab, "Service", service, [{ op: "remove", path: "/spec/selector" }]),
            )
          : live(control.name, (lab) => storePatched(lab, "Service", service, control.patch)),
    };
  },
});

/** Does what a step says, and waits until it is done; what comes of it is looked at then. */
async function act(
  lab: Lab,
  { start, relabel, labels = {}, delete: deleted, ...step }: Step,
  { service, pods }: { readonly service: string; readonly pods: Objects["pods"] },
): Promise<void> {
  const pod = start === undefined ? undefined : pods[start];
  if (start !== undefined && pod !== undefined)
    await makeObjects(lab, { ...Objects.parse({}), pods: { [start]: pod } });
  if (relabel !== undefined) await lab.pods.relabel(relabel, labels);
  if (deleted !== undefined) await lab.api.delete(`the pod ${deleted}`, lab.objects.serverPod(deleted, {}));
  if (step["delete-slices"] === true)
    for (const { metadata } of await lab.services.slicesOf(service))
      await lab.api.requestDeletion("an EndpointSlice", {
        apiVersion: "discovery.k8s.io/v1",
        kind: "EndpointSlice",
        metadata: { name: metadata?.name ?? "", namespace: lab.namespace },
      });
}

async function identityOf(lab: Lab, name: string): Promise<{ uid: string; address: string }> {
  const { metadata, status } = await lab.api.get(`the pod ${name}`, "Pod", name);
  return { uid: metadata?.uid ?? "", address: status?.podIP ?? "" };
}

/** Returns who answers a pod at the Service's ports, at its cluster IP and at its name. */
async function answersAt(
  lab: Lab,
  service: string,
  clusterIP: string,
  wanted: readonly { readonly port: number; readonly pods: string[] }[],
): Promise<Seen["answers"]> {
  const answers = [];
  for (const { port, pods } of wanted)
    for (const target of [hostPort(clusterIP, port), `${service}:${port}`])
      answers.push({ port, pods, meeting: await whoAnswers(lab, lab.pod("client-1"), target, ...pods) });
  return answers;
}

export const portsLeadTo = readyMade({
  says: "At each of these ports of a Service, new connections of a client are answered by these pods, by each of them and by no other.",
  turnedBy: "kube-proxy is told to leave the Service to another program (service.kubernetes.io/service-proxy-name)",
  parameters: z
    .strictObject({
      service: ServiceName.describe("one of `objects.services`, so that the control can change it"),
      ports: z
        .record(z.string().regex(/^\d+$/, "must be the number of a port"), z.array(z.string()).min(1))
        .refine((ports) => Object.keys(ports).length > 0, "must name a port")
        .describe("number of the Service's port, and the pods that answer there"),
      from: Client.default("client-1"),
      objects: Objects,
    })
    .refine(isMade, notMade),
  example: {
    service: "by-hand",
    ports: { 80: ["server-1"], 81: ["server-2"] },
    objects: {
      services: {
        "by-hand": {
          ports: [
            { name: "one", port: 80 },
            { name: "two", port: 81 },
          ],
        },
      },
      slices: {
        "by-hand-1": { of: "by-hand", pods: ["server-1"], ports: { one: 8080 } },
        "by-hand-2": { of: "by-hand", pods: ["server-2"], ports: { two: 8080 } },
      },
    },
  },
  make: ({ service, ports, from, objects }) => ({
    ...pace(objects),
    observe: async (lab) => {
      const made = await makeObjects(lab, objects);
      const client = made.peer(from);
      const found = [];
      for (const [port, pods] of Object.entries(ports)) {
        const target = await locate(lab, made, { service, port: Number(port) });
        const first = target === null ? null : await whoAnswers(lab, client, target, ...pods);
        // So many that one of the pods is missed once in 10^9 times at most.
        const connections = 25 * pods.length;
        const answered =
          target === null || first?.outcome !== "answered"
            ? []
            : await lab.eventually(
                async () => podsAmong(await meetOften(client, target, connections, lab.timeouts.answer)),
                (all) => all.join() === pods.toSorted().join(),
              );
        found.push({ port: Number(port), connections, answered });
      }
      return { ports: found };
    },
    judge: ({ ports: found }) => {
      for (const [port, pods] of Object.entries(ports)) {
        const { answered, connections } = found.find((one) => one.port === Number(port)) ?? {};
        expect(answered, `pods that answer ${connections} connections at port ${port} of ${service}`).toEqual(
          pods.toSorted(),
        );
      }
    },
    control: leftToAnother(service),
  }),
});
