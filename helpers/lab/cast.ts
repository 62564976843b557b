import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { V1Pod, V1Service } from "@kubernetes/client-node";
import { ownLabel, World, type WorldNode } from "../claim/world.ts";
import { type Context, readContext } from "../cluster/context.ts";
import { containerNodes } from "../cluster/nodes.ts";
import { collectionPath, KubernetesApi, type WatchEvent } from "../probe/api.ts";
import { hostPort } from "../probe/http.ts";
import { readManifest } from "../probe/manifest.ts";
import { timeouts } from "../probe/timeouts.ts";
import { eventually, until } from "../probe/until.ts";
import { Watch } from "../probe/watch.ts";

/** Label of every namespace that the suite makes in a cluster, and of what it makes in another's. */
export const namespaceLabel = ownLabel;

/** Labels of a namespace of that run: wherever a cluster's defaults restrict pods, these namespaces are exempt. */
export function namespaceLabels(run: string): Record<string, string> {
  return { [namespaceLabel]: run, "pod-security.kubernetes.io/enforce": "privileged" };
}

/** The fixed cast of pods, as specs get to know it. */
export interface Cast {
  readonly namespace: string;
  readonly otherNamespace: string;
  readonly pods: readonly V1Pod[];
  readonly services: readonly V1Service[];
}

/**
 * Returns the cast for the specs of a run: the one that earlier specs on this cluster left as it was, else a new one. It is kept no
 * longer: whoever leaves it as it is keeps it again.
 *
 * @throws NotInTime naming the pods that are not ready and why
 */
export async function castOf(context: Context, world: World): Promise<Cast> {
  const { castFile } = context;
  const kept = existsSync(castFile) ? (JSON.parse(readFileSync(castFile, "utf8")) as Cast) : undefined;
  rmSync(castFile, { force: true });
  return (kept === undefined ? undefined : await castAgain(context, kept)) ?? (await makeCast(context, world));
}

/** Keeps a cast for the next specs on the same cluster. */
export function keepCast({ castFile }: Context, cast: Cast): void {
  writeFileSync(castFile, JSON.stringify(cast));
}

/** Returns a cast that was kept, if all of it is there as it was made; what earlier specs left beside it is deleted. */
async function castAgain({ kubeconfig, timeoutFactor }: Context, kept: Cast): Promise<Cast | undefined> {
  using api = new KubernetesApi(kubeconfig);
  const { deletion, podsReady: patience } = timeouts(timeoutFactor);
  const namespaces = [kept.namespace, kept.otherNamespace];
  const identity = ({ metadata }: V1Pod) => JSON.stringify([metadata?.uid, metadata?.labels]);
  const there = new Set((await podsOf(api, namespaces)).map(identity));
  if (!kept.pods.every((pod) => there.has(identity(pod)))) return undefined;
  const [pods] = await Promise.all([
    podsReady(api, namespaces, kept.pods.length, patience),
    ...strikeLeftovers(api, deletion),
  ]);
  return { ...kept, pods };
}

/** Returns what this run is about. @throws Error where this process is part of none */
export function readRun(): { context: Context; world: World } {
  const context = readContext();
  return { context, world: World.parse(JSON.parse(readFileSync(join(context.out, "world.json"), "utf8"))) };
}

/**
 * Makes the cast of fixtures/workloads/cast.yaml in two new namespaces and waits until its pods are ready and its
 * Services answer on all nodes; where those do not in time, that is for the claims to find out.
 *
 * @throws NotInTime naming the pods that are not ready and why
 */
async function makeCast(context: Context, world: World): Promise<Cast> {
  if (world.proxyFailure !== undefined) throw new Error(`kube-proxy does not start: ${world.proxyFailure}`);
  using api = new KubernetesApi(context.kubeconfig);
  const waits = timeouts(context.timeoutFactor);
  const suffix = randomBytes(2).toString("hex");
  const namespace = `cast-${suffix}`;
  const otherNamespace = `elsewhere-${suffix}`;
  await strikeEarlierCasts(api, waits.deletion);
  for (const name of [namespace, otherNamespace])
    await api.create({
      apiVersion: "v1",
      kind: "Namespace",
      metadata: { name, labels: namespaceLabels(context.run) },
    });
  const [worker1, worker2] = workersOf(world);
  const objects = readManifest("cast.yaml", {
    namespace,
    otherNamespace,
    worker1: worker1.name,
    worker2: worker2.name,
    controlPlane: controlPlaneOf(world).name,
    readiness: String(Math.ceil(waits.readiness / 1000)),
    ...imageValues(context),
  });
  // A pod is refused until its namespace's default ServiceAccount is there.
  await until(
    "the default ServiceAccounts",
    waits.propagation,
    async () =>
      Promise.all(
        [namespace, otherNamespace].map(
          async (name) => (await api.request("GET", `/api/v1/namespaces/${name}/serviceaccounts/default`)).code,
        ),
      ),
    (codes) => codes.every((code) => code === 200),
  );
  // Services first: a container's variables for them are fixed when it starts.
  const services: V1Service[] = [];
  for (const object of objects.filter(({ kind }) => kind === "Service")) services.push(await api.create(object));
  const wanted = objects.filter(({ kind }) => kind === "Pod");
  await Promise.all(wanted.map((object) => api.create(object)));
  const pods = await podsReady(api, [namespace, otherNamespace], wanted.length, waits.podsReady);
  await Promise.all([servicesAnswer(context, world, services, waits.propagation), giveKubeconfig(context)]);
  return { namespace, otherNamespace, pods, services };
}

async function servicesAnswer(
  { engine }: Context,
  { nodes }: World,
  services: readonly V1Service[],
  milliseconds: number,
): Promise<void> {
  const urls = services.flatMap(({ spec }) =>
    spec?.clusterIP === undefined ? [] : [`http://${hostPort(spec.clusterIP, spec.ports?.[0]?.port ?? 80)}/hostname`],
  );
  const containers = containerNodes(engine);
  const ask = async () =>
    Promise.all(
      nodes.map(({ name }) => containers.run(name, ["curl", "--silent", "--fail-early", "--max-time", "1", ...urls])),
    );
  await eventually(milliseconds, ask, (results) => results.every(({ failed }) => !failed));
}

/** The outsider is also where a reader of the article types kubectl: the node image that it runs has the right one. */
async function giveKubeconfig({ engine, controlPlane, outsider }: Context): Promise<void> {
  const containers = containerNodes(engine);
  const { stdout } = await containers.run(controlPlane, ["cat", "/etc/kubernetes/admin.conf"]);
  // As input: a command's words are seen by others on the machine, and kept.
  const script = "mkdir -p /root/.kube && cat > /root/.kube/config";
  await containers.run(outsider, ["sh", "-c", script], { input: stdout });
}

/**
 * A cluster that is used again may have the cast of a run that was ended by force, or of an article before, and what followed an
 * article there: names and ports that this one needs. A fresh one is used again too, where controls are tried.
 */
async function strikeEarlierCasts(api: KubernetesApi, milliseconds: number): Promise<void> {
  await Promise.all([...strikeLeftovers(api, milliseconds), strikeNamespaces(api, milliseconds)]);
}

/**
 * Deletes the namespaces that are the suite's, and waits for the pods that they have: the namespaces take several seconds more. Those that
 * an earlier run has had deleted are in nobody's way.
 */
async function strikeNamespaces(api: KubernetesApi, milliseconds: number): Promise<void> {
  const selected = `labelSelector=${namespaceLabel}&fieldSelector=status.phase%3DActive`;
  const strikeOne = async (name: string) => {
    const pods = podsPath(name);
    const ending = await named(api, pods);
    // A pod that has a grace is there until its kubelet has ended it, and nothing listens on ports of its node any more.
    await api.request("DELETE", pods, { gracePeriodSeconds: 1 });
    await eventually(
      milliseconds,
      async () => named(api, pods),
      (there) => !ending.some((pod) => there.includes(pod)),
    );
    await api.requestDeletion({ apiVersion: "v1", kind: "Namespace", metadata: { name } });
  };
  await Promise.all((await named(api, `/api/v1/namespaces?${selected}`)).map(strikeOne));
}

/** Returns the names of the objects in a list. */
async function named(api: KubernetesApi, path: string): Promise<string[]> {
  return (await api.get<{ items: { metadata: { name: string } }[] }>(path)).items.map(({ metadata }) => metadata.name);
}

/** Deletes what followed an article in the namespace default. */
function strikeLeftovers(api: KubernetesApi, milliseconds: number): Promise<void>[] {
  return [
    strike(api, milliseconds, "apps/v1", "Deployment", "default"),
    strike(api, milliseconds, "v1", "Service", "default"),
    strike(api, milliseconds, "v1", "Pod", "default"),
  ];
}

/** Deletes objects of a kind. Only what has the suite's label is deleted: others have the article's names too. */
async function strike(
  api: KubernetesApi,
  milliseconds: number,
  apiVersion: string,
  kind: string,
  namespace: string,
): Promise<void> {
  const object = (name: string) => ({ apiVersion, kind, metadata: { name, namespace } });
  const names = await named(api, `${collectionPath(object(""))}?labelSelector=${namespaceLabel}`);
  await Promise.all(names.map((name) => api.delete(object(name), milliseconds)));
}

/** Returns two nodes that take pods, different ones where there are two. */
export function workersOf({ nodes }: World): [WorldNode, WorldNode] {
  const workers = nodes.filter(({ role }) => role === "worker");
  const [first = nodes[0], second = first] = workers;
  if (first === undefined || second === undefined) throw new Error("the cluster has no nodes");
  return [first, second];
}

/** Returns the node that is the control plane. @throws Error where the cluster shows none */
export function controlPlaneOf({ nodes }: World): WorldNode {
  const node = nodes.find(({ role }) => role === "control-plane");
  if (node === undefined) throw new Error("the cluster shows no control plane");
  return node;
}

/** Returns the images of the run as manifests name them. */
export function imageValues(context: Pick<Context, "images">): Record<string, string> {
  return Object.fromEntries(
    Object.entries(context.images).map(([name, { reference }]) => [`image.${name}`, reference]),
  );
}

/**
 * Waits until the cast is ready, and returns its pods.
 *
 * @param count of its pods, of which one is never ready
 */
async function podsReady(
  api: KubernetesApi,
  namespaces: readonly string[],
  count: number,
  milliseconds: number,
): Promise<V1Pod[]> {
  let pods: V1Pod[] = [];
  const ready = new Set<string | undefined>();
  const all = ({ object }: WatchEvent<V1Pod>) => {
    if (isReady(object)) ready.add(object.metadata?.name);
    else ready.delete(object.metadata?.name);
    return ready.size >= count - 1;
  };
  const wakes = namespaces.map((namespace) => podWatch(api, namespace).wake(all));
  await until(
    "the cast's pods to be ready",
    milliseconds,
    async () => {
      pods = await podsOf(api, namespaces);
      return pods
        .filter((pod) => pod.metadata?.name !== "never-ready" && !isReady(pod))
        .map((pod) => `${pod.metadata?.name}: ${whyNotReady(pod)}`);
    },
    (waiting) => waiting.length === 0,
    undefined,
    async (signal) => Promise.race(wakes.map((wake) => wake(signal))),
  );
  return pods;
}

async function podsOf(api: KubernetesApi, namespaces: readonly string[]): Promise<V1Pod[]> {
  const lists = namespaces.map((name) => api.get<{ items: V1Pod[] }>(podsPath(name)));
  return (await Promise.all(lists)).flatMap(({ items }) => items);
}

function podsPath(namespace: string): string {
  return `/api/v1/namespaces/${namespace}/pods`;
}

/** Returns a watch of a namespace's pods. */
export function podWatch(api: KubernetesApi, namespace: string): Watch<V1Pod> {
  return new Watch(api, podsPath(namespace));
}

/** Returns whether a pod's containers are all ready, as the kubelet reports. */
export function isReady(pod: V1Pod): boolean {
  return pod.status?.conditions?.some(({ type, status }) => type === "Ready" && status === "True") ?? false;
}

function whyNotReady(pod: V1Pod): string {
  const waiting = pod.status?.containerStatuses?.flatMap(({ state }) => state?.waiting ?? [])[0];
  return waiting === undefined ? (pod.status?.phase ?? "unknown") : `${waiting.reason}: ${waiting.message ?? ""}`;
}
