import type { V1Pod } from "@kubernetes/client-node";
import type { KubernetesObject } from "../probe/api.ts";
import { ProbeFailed } from "../probe/peer.ts";
import { isReady } from "./cast.ts";
import { type ClusterApi, listPath } from "./cluster-api.ts";
import { type PodPeer, type PodPeerOptions, podPeer } from "./peers.ts";
import type { Session } from "./session.ts";

/** Pods, as a check starts them and waits for them; they are of the cast's namespace unless another is named. */
export class Pods {
  readonly #session: Session;
  readonly #api: ClusterApi;
  readonly #namespace: string;

  constructor(session: Session, api: ClusterApi, namespace: string) {
    this.#session = session;
    this.#api = api;
    this.#namespace = namespace;
  }

  /** Creates a pod, waits until it is ready, and returns it as a place to send probes from and to. */
  async start(pod: KubernetesObject, options: PodPeerOptions = {}): Promise<PodPeer> {
    await this.#api.create(`the pod ${pod.metadata.name}`, pod);
    return this.ready(pod.metadata.name, pod.metadata.namespace, options);
  }

  /** Waits until a pod is ready, and returns it as a place to send probes from and to. */
  async ready(name: string, namespace = this.#namespace, options: PodPeerOptions = {}): Promise<PodPeer> {
    const { api, timeouts, podsIn } = this.#session.stage;
    const path = `${listPath("Pod", { namespace })}/${name}`;
    const found = await this.#session.until(
      `${name} to be ready`,
      async () => api.get<V1Pod>(path),
      staysReady,
      timeouts.podsReady,
      podsIn(namespace).wake(({ object }) => nameOf(object) === name && staysReady(object)),
    );
    this.#session.keep(`${name} is ready`, `kubectl get --raw ${path}`, found);
    return podPeer(this.#session, found, options);
  }

  /** Waits until the container of a pod has ended and is ready again; a start that its runtime failed at counts as a restart too. */
  async restarted(name: string, namespace = this.#namespace): Promise<V1Pod> {
    return this.#session.until(
      `${name} to run again`,
      () => this.#api.get(`the pod ${name}`, "Pod", name, namespace),
      runsAgain,
      this.#session.stage.timeouts.podsReady,
      this.#session.stage.podsIn(namespace).wake(({ object }) => nameOf(object) === name && runsAgain(object)),
    );
  }

  /** Waits until so many pods with these labels are ready, and returns them; they are ordered by name. */
  async severalReady(
    count: number,
    labels: Readonly<Record<string, string>>,
    namespace = this.#namespace,
  ): Promise<V1Pod[]> {
    const { api, timeouts, podsIn } = this.#session.stage;
    const path = listPath("Pod", { namespace, labels });
    const hasLabels = ({ metadata }: V1Pod) =>
      Object.entries(labels).every(([name, value]) => {
        const has = metadata?.labels?.[name];
        return value === "" ? has !== undefined : has === value;
      });
    const list = await this.#session.until(
      `${count} ready pods at ${path}`,
      async () => (await api.get<{ items: V1Pod[] }>(path)).items.filter(staysReady),
      (pods) => pods.length === count,
      timeouts.podsReady,
      podsIn(namespace).wake(({ object }) => hasLabels(object)),
    );
    this.#session.keep("pods that are ready", `kubectl get --raw ${path}`, list);
    return list.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1));
  }

  /** Returns what the container of a pod has printed. */
  async log(title: string, name: string, namespace = this.#namespace): Promise<string> {
    return this.#api.read(title, `${listPath("Pod", { namespace })}/${name}/log`);
  }

  /** Changes labels of a pod of the cast's namespace. @throws ProbeFailed if the server refuses */
  async relabel(name: string, labels: Readonly<Record<string, string>>): Promise<void> {
    const pod = { apiVersion: "v1", kind: "Pod", metadata: { name, namespace: this.#namespace } };
    const answer = await this.#api.patch(`change labels of ${name}`, pod, { metadata: { labels } });
    if (answer.code !== 200) throw new ProbeFailed(`labels of ${name} could not be changed: HTTP ${answer.code}`);
  }

  /** Waits until none of these pods exists: the kubelet lets go of one that has a grace period after its network. */
  async gone(names: readonly string[], namespace = this.#namespace): Promise<void> {
    await this.#session.until(
      `${names.join(" and ")} to be gone`,
      async () => (await this.#api.list("the pods there", "Pod", { namespace })).map(nameOf),
      (there) => !there.some((name) => names.includes(name)),
      this.#session.stage.timeouts.deletion,
      this.#session.stage
        .podsIn(namespace)
        .wake(({ type, object }) => type === "DELETED" && names.includes(nameOf(object))),
    );
  }
}

function runsAgain(pod: V1Pod): boolean {
  return isReady(pod) && (pod.status?.containerStatuses?.[0]?.restartCount ?? 0) > 0;
}

function staysReady(pod: V1Pod): boolean {
  return isReady(pod) && pod.metadata?.deletionTimestamp === undefined;
}

/** Returns the name that every object has once it is stored. */
export function nameOf({ metadata }: { readonly metadata?: { readonly name?: string } }): string {
  return metadata?.name ?? "";
}
