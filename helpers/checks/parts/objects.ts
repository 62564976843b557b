import type { V1Pod } from "@kubernetes/client-node";
import { z } from "zod";
import { storeOtherwise } from "../../changes/admission.ts";
import { patch, type Value } from "../../changes/json-patch.ts";
import type { LiveControl } from "../../claim/control.ts";
import type { Lab } from "../../lab/lab.ts";
import { live } from "../../lab/spec.ts";
import { ApiError, type KubernetesObject } from "../../probe/api.ts";
import { hostPort, meet } from "../../probe/http.ts";
import type { Peer } from "../../probe/peer.ts";
import { NodeName, nodeNamed, Port } from "./define.ts";

const Json = z.record(z.string(), z.unknown());

/** A pod that a check starts. */
export const Pod = z.strictObject({
  labels: z.record(z.string(), z.string()).default({}).describe("as its `metadata` has them"),
  ready: z.boolean().default(true).describe("false: its readiness probe fails for ever"),
  runs: z
    .enum(["server", "client", "both"])
    .default("server")
    .describe("server: tells who it is and who asks, on its `ports`; client: can ask; both: a container of each"),
  ports: z
    .record(z.string(), Port)
    .default({})
    .describe("name and number of each port on which it serves; 8080 by default. Its readiness probe asks the first"),
  node: NodeName.optional().describe("where it runs; wherever the scheduler puts it if absent"),
  "host-ports": z
    .array(z.strictObject({ port: Port, protocol: z.enum(["TCP", "UDP"]).default("TCP") }))
    .default([])
    .describe("ports of its node that lead to a server's own, its first by TCP and 8081 by UDP"),
  spec: Json.default({}).describe("more of the pod's `spec`"),
});

/** An EndpointSlice that a check writes by hand. */
export const Slice = z.strictObject({
  of: z.string().describe("a Service of `objects`, without a selector"),
  pods: z.array(z.string()).min(1).describe("pods of the cast or of `objects`, by their addresses"),
  ports: z.record(z.string(), Port).describe("name of a port of the Service, and the number to which it leads"),
});

/** A manifest of which the namespace may be absent. */
export const Manifest = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({ name: z.string() }),
});
export type Manifest = z.infer<typeof Manifest>;

/** What a check makes in the namespace of the cast and deletes when it ends. */
export const Objects = z
  .strictObject({
    services: z.record(z.string(), Json).default({}).describe("name and `spec` of each Service"),
    pods: z.record(z.string(), Pod).default({}).describe("name, labels, readiness of each pod"),
    slices: z.record(z.string(), Slice).default({}).describe("EndpointSlices written by hand"),
    manifests: z.array(Manifest).default([]).describe("any other objects, in full"),
  })
  .prefault({})
  .describe(
    "what the check makes beside the cast and deletes at its end: `services`, `pods`, `manifests`; or the name of a YAML file beside the claims that has these",
  );
export type Objects = z.infer<typeof Objects>;

/** Returns what marks a check as slow if it starts pods of its own. */
export function pace({ pods }: Objects): { slow?: true } {
  return Object.keys(pods).length > 0 ? { slow: true } : {};
}

/** What of a check's objects is there. */
export interface Made {
  /** Returns a pod of the cast or of the objects, or the external client. @throws Error if there is no such pod */
  peer(name: string): Peer;
  /** Returns a pod's address, in the cluster's first family. @throws Error if there is no such pod */
  addressOf(pod: string): string;
}

/** Creates the objects, waits until the pods are as ready as they are to be, and returns them. */
export async function makeObjects(lab: Lab, { services, pods, slices, manifests }: Objects): Promise<Made> {
  for (const [name, spec] of Object.entries(services)) await lab.services.create(name, spec);
  for (const manifest of manifests)
    await lab.api.create(`${manifest.kind} ${manifest.metadata.name}`, inCast(lab, manifest));
  const started = new Map(
    await Promise.all(Object.entries(pods).map(async ([name, pod]) => [name, await startPod(lab, name, pod)] as const)),
  );
  const addressOf = (name: string) => started.get(name)?.address ?? lab.pod(name).address;
  for (const [name, slice] of Object.entries(slices))
    await lab.api.create(`the EndpointSlice ${name}`, sliceOf(lab, name, slice, addressOf));
  return {
    peer: (name) => (name === "outside" ? lab.outsider : (started.get(name)?.peer ?? lab.pod(name))),
    addressOf,
  };
}

/** Returns an EndpointSlice in the cluster's first family of addresses. */
function sliceOf(
  lab: Lab,
  name: string,
  { of, pods, ports }: z.infer<typeof Slice>,
  addressOf: (pod: string) => string,
): KubernetesObject {
  const labels = { "kubernetes.io/service-name": of, "endpointslice.kubernetes.io/managed-by": "conformance.test" };
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name, namespace: lab.namespace, labels },
    addressType: lab.family === "ipv6" ? "IPv6" : "IPv4",
    endpoints: pods.map((pod) => ({ addresses: [addressOf(pod)], conditions: { ready: true } })),
    ports: Object.entries(ports).map(([portName, port]) => ({ name: portName, port, protocol: "TCP" })),
  };
}

/** Returns what the API server made of objects, or why it finds one of them invalid (HTTP 422). */
export async function unlessInvalid<T>(making: Promise<T>): Promise<T | { invalid: string }> {
  try {
    return await making;
  } catch (error) {
    if (error instanceof ApiError && error.code === 422) return { invalid: error.message };
    throw error;
  }
}

/** Returns the object of a manifest, in the namespace of the cast unless it names another. */
export function inCast(lab: Lab, { metadata, ...rest }: Manifest): KubernetesObject {
  return { ...rest, metadata: { ...scopeOf(lab, rest.kind), ...metadata } };
}

const clusterWide: ReadonlySet<string> = new Set(["IPAddress", "IngressClass", "ServiceCIDR"]);

/** Returns the namespace of the cast, for the kinds of which each object is in a namespace. */
export function scopeOf(lab: Lab, kind: string): { namespace?: string } {
  return clusterWide.has(kind) ? {} : { namespace: lab.namespace };
}

async function startPod(
  lab: Lab,
  name: string,
  { labels, ready, runs, ports, node, "host-ports": hostPorts, spec }: z.infer<typeof Pod>,
): Promise<{ address: string; peer?: Peer }> {
  const placed = { ...(node === undefined ? {} : { nodeName: nodeNamed(lab, node).name }), ...spec };
  if (runs === "client") {
    const { metadata, ...client } = lab.objects.clientPod(name, placed);
    const peer = await lab.pods.start({ ...client, metadata: { ...metadata, labels } });
    return { address: peer.address, peer };
  }
  const [listens = 8080] = Object.values(ports);
  const { args, ...server } = lab.objects.serverContainer;
  const readinessProbe = {
    // Nobody listens on port 8090: it is never found ready.
    httpGet: { path: "/hostname", port: ready ? listens : 8090 },
    periodSeconds: 1,
    timeoutSeconds: Math.ceil(lab.timeouts.readiness / 1000),
  };
  const onNode = hostPorts.map(({ port, protocol }) => ({
    ...{ hostPort: port, protocol },
    containerPort: protocol === "UDP" ? 8081 : listens,
  }));
  const serving = (named: Record<string, number>, index: number) => {
    const [port = 8080] = Object.values(named);
    const declared = Object.entries(named).map(([portName, containerPort]) => ({ name: portName, containerPort }));
    return index === 0
      ? { ...server, args: [...args, `--http-port=${port}`], readinessProbe, ports: [...declared, ...onNode] }
      : {
          ...{ ...server, name: `${server.name}-${port}`, ports: declared },
          args: ["netexec", `--http-port=${port}`, "--udp-port=-1"],
        };
  };
  const [first = {}, ...further] = Object.entries(ports).map((port) => Object.fromEntries([port]));
  const servers = [first, ...further].map(serving);
  const containers = [...servers, ...(runs === "both" ? [lab.objects.clientContainer] : [])];
  const pod = lab.objects.serverPod(name, labels, { containers, ...placed });
  if (ready) {
    const peer = await lab.pods.start(pod, runs === "both" ? { container: lab.objects.clientContainer.name } : {});
    return { address: peer.address, peer };
  }
  await lab.api.create(`the pod ${name}`, pod);
  const { address } = await lab.until(
    `${name} to answer at its own address, though it is not ready`,
    async () => {
      const found = await lab.api.read<V1Pod>(`the pod ${name}`, `/api/v1/namespaces/${lab.namespace}/pods/${name}`);
      const address = found.status?.podIP;
      if (address === undefined) return { address: "", outcome: "none" };
      const { outcome } = await meet(lab.pod("client-1"), hostPort(address, listens), lab.timeouts.attempt);
      return { address, outcome };
    },
    ({ outcome }) => outcome === "answered",
    lab.timeouts.podsReady,
  );
  // A controller that took it for ready would have had time to say so.
  await lab.window(`${name} not to be taken for ready`);
  return { address };
}

/** A change of an object on its way into the API server's storage (RFC 6902). */
const Patch = z.strictObject({
  op: z.enum(["add", "replace", "remove"]),
  path: z.string().startsWith("/"),
  value: z.unknown().optional(),
});
export type Patch = z.infer<typeof Patch>;

/** A control by another object than the one that is sent. */
export const StoredOtherwise = z.strictObject({
  name: z.string().describe("what is changed, as a sentence that could follow `what if`"),
  patch: z.array(Patch).min(1).describe("JSON Patch of the object that is stored in its place"),
});

/** The kinds of objects that a control can have stored otherwise. */
export const ChangeableKind = z.enum([
  ...["Deployment", "EndpointSlice", "Endpoints", "IPAddress", "Ingress", "IngressClass"],
  ...["NetworkPolicy", "Pod", "Service", "ServiceCIDR"],
] as const);

/** Returns whether a Service is one of the objects that a check makes: only those can be stored otherwise. */
export function isMade({ service, objects }: { readonly service: string; readonly objects: Objects }): boolean {
  return service in objects.services;
}
/** What is said where a Service is not. */
export const notMade = {
  error: "must be one of objects.services: the control has it stored otherwise",
  path: ["service"],
};

/** Has an object of the cast's namespace stored otherwise than it is sent, when it is created or at other operations. */
export async function storePatched(
  lab: Lab,
  kind: z.infer<typeof ChangeableKind>,
  name: string,
  patches: readonly Patch[],
  operations: readonly ("CREATE" | "UPDATE")[] = ["CREATE"],
): Promise<void> {
  await storeOtherwise(lab, { kind, name, ...scopeOf(lab, kind), operations }, ...patches.map(celPatch));
}

/** Returns a control by which kube-proxy leaves a Service alone (its well-known label; Kubernetes docs). */
export function leftToAnother(service: string): LiveControl<Lab> {
  return live("kube-proxy is told to leave the Service to another program", (lab) =>
    storePatched(lab, "Service", service, [
      { op: "add", path: "/metadata/labels", value: { "service.kubernetes.io/service-proxy-name": "another" } },
    ]),
  );
}

/** Returns an operation of JSON Patch as CEL has it in a MutatingAdmissionPolicy. */
export function celPatch({ op, path, value }: Patch): string {
  return op === "remove" ? patch.remove(path) : patch[op](path, value as Value);
}
