import { randomBytes } from "node:crypto";
import type { V1EndpointSlice, V1Pod, V1Service } from "@kubernetes/client-node";
import { type Attachment, type Evidence, shellCommand } from "../claim/evidence.ts";
import type { World, WorldNode } from "../claim/world.ts";
import { pastProxies } from "../cluster/nodes.ts";
import { outsiderLabel } from "../cluster/outsider.ts";
import { engineCommand, removeContainers } from "../engine/engine.ts";
import type { CommandResult } from "../host/command.ts";
import type { ApiAnswer, KubernetesObject } from "../probe/api.ts";
import { execInPod, type PodShells } from "../probe/exec.ts";
import { httpFromHere } from "../probe/here.ts";
import type { Request } from "../probe/http.ts";
import { hostPrefix, type IpFamily, ipFamilyOf } from "../probe/ip.ts";
import { readManifest } from "../probe/manifest.ts";
import { outputOf, type Peer, ProbeFailed, startingTime } from "../probe/peer.ts";
import type { Timeouts } from "../probe/timeouts.ts";
import { eventually, until } from "../probe/until.ts";
import { controlPlaneOf, imageValues, isReady, namespaceLabels, workersOf } from "./cast.ts";
import type { Stage } from "./stage.ts";

/** A pod as a place to send probes from and to. */
export type PodPeer = Peer & {
  readonly address: string;
  /** One of each family on a dual-stack cluster, the first family first. */
  readonly addresses: readonly string[];
};

/** How a pod is used as a place to send probes from. */
interface PeerOptions {
  /** The first one where absent. */
  readonly container?: string | undefined;
  /** The caller keeps what is worth keeping. */
  readonly silent?: boolean;
  /** The check ends its container, and a shell that stays would end with it. */
  readonly ends?: boolean;
}

/** Returns the API path of the pods of a namespace that have these labels. */
export function podsPath(labels: Readonly<Record<string, string>>, namespace: string): string {
  const selector = Object.entries(labels).map((label) => label.map(encodeURIComponent).join("%3D"));
  return `/api/v1/namespaces/${namespace}/pods?labelSelector=${selector.join(",")}`;
}

/** What `observe` works with: the stage, with everything done on it kept as evidence of one claim. */
export class Lab {
  readonly world: World;
  readonly timeouts: Timeouts;
  readonly namespace: string;
  readonly otherNamespace: string;
  readonly #stage: Stage;
  readonly #evidence: Evidence;
  #signal: AbortSignal;
  readonly #undo: (() => Promise<void>)[] = [];
  readonly #created: KubernetesObject[] = [];

  constructor(stage: Stage, evidence: Evidence, signal: AbortSignal) {
    this.world = stage.world;
    this.timeouts = stage.timeouts;
    this.namespace = stage.namespace;
    this.otherNamespace = stage.otherNamespace;
    this.#stage = stage;
    this.#evidence = evidence;
    this.#signal = signal;
  }

  /** The node at the given place among the workers, or the control plane. */
  worker(index: 0 | 1): WorldNode {
    return workersOf(this.world)[index];
  }

  get controlPlane(): WorldNode {
    return controlPlaneOf(this.world);
  }

  /** Returns a pod of the cast as a place to send probes from. */
  pod(name: string, options: PeerOptions = {}): PodPeer {
    const pod = this.#stage.pods.get(name);
    if (pod === undefined) throw new Error(`no pod ${name} in the cast`);
    return this.#peer(pod, options);
  }

  /** Creates a pod, waits until it is ready, and returns it as a place to send probes from and to. */
  async start(pod: KubernetesObject, options: PeerOptions = {}): Promise<PodPeer> {
    await this.create(`the pod ${pod.metadata.name}`, pod);
    return this.ready(pod.metadata.name, pod.metadata.namespace, options);
  }

  /** Waits until a pod is ready, and returns it as a place to send probes from and to. */
  async ready(name: string, namespace = this.namespace, options: PeerOptions = {}): Promise<PodPeer> {
    const path = `/api/v1/namespaces/${namespace}/pods/${name}`;
    const found = await until(
      `${name} to be ready`,
      this.timeouts.podsReady,
      async () => this.#stage.api.get<V1Pod>(path),
      (pod) => isReady(pod) && pod.metadata?.deletionTimestamp === undefined,
      this.#signal,
    );
    this.#evidence.add(`${name} is ready`, `kubectl get --raw ${path}`, JSON.stringify(found, undefined, 2));
    return this.#peer(found, options);
  }

  /** Waits until the container of a pod has ended and is ready again; a start that its runtime failed at counts as a restart too. */
  async restarted(name: string, namespace = this.namespace): Promise<V1Pod> {
    const path = `/api/v1/namespaces/${namespace}/pods/${name}`;
    return this.until(
      `${name} to run again`,
      () => this.get<V1Pod>(`the pod ${name}`, path),
      (pod) => isReady(pod) && (pod.status?.containerStatuses?.[0]?.restartCount ?? 0) > 0,
      this.timeouts.podsReady,
    );
  }

  /** Waits until so many pods with these labels are ready, and returns them; they are ordered by name. */
  async readyPods(
    count: number,
    labels: Readonly<Record<string, string>>,
    namespace = this.namespace,
  ): Promise<V1Pod[]> {
    const path = podsPath(labels, namespace);
    const list = await until(
      `${count} ready pods at ${path}`,
      this.timeouts.podsReady,
      async () => {
        const { items } = await this.#stage.api.get<{ items: V1Pod[] }>(path);
        return items.filter((pod) => isReady(pod) && pod.metadata?.deletionTimestamp === undefined);
      },
      (pods) => pods.length === count,
      this.#signal,
    );
    this.#evidence.add("pods that are ready", `kubectl get --raw ${path}`, JSON.stringify(list, undefined, 2));
    return list.toSorted((a, b) => ((a.metadata?.name ?? "") < (b.metadata?.name ?? "") ? -1 : 1));
  }

  /** Waits until none of these pods exists: the kubelet lets go of one that has a grace period after its network. */
  async podsGone(names: readonly string[], namespace = this.namespace): Promise<void> {
    await this.until(
      `${names.join(" and ")} to be gone`,
      () => this.get<{ items: V1Pod[] }>("the pods there", `/api/v1/namespaces/${namespace}/pods`),
      ({ items }) => !items.some(({ metadata }) => names.includes(metadata?.name ?? "")),
      this.timeouts.deletion,
    );
  }

  #peer(
    pod: V1Pod,
    { container = pod.spec?.containers[0]?.name ?? "", silent = false, ends = false }: PeerOptions,
  ): PodPeer {
    const { api, podShells } = this.#stage;
    const { name = "", namespace = "", uid } = pod.metadata ?? {};
    const run: PodShells = ends ? (...command) => execInPod(api.config, ...command) : podShells;
    const address = pod.status?.podIP;
    if (address === undefined) throw new Error(`the pod ${name} has no address`);
    return {
      address,
      addresses: pod.status?.podIPs?.flatMap(({ ip }) => ip ?? []) ?? [address],
      label: `${name} (${address})`,
      run: (title, command, timeout = this.timeouts.answer + startingTime) =>
        this.#recorded(
          title,
          ["kubectl", "exec", "-n", namespace, name, "-c", container, "--", ...command],
          () =>
            run(
              { namespace, pod: name, uid, container },
              command,
              AbortSignal.any([this.#signal, AbortSignal.timeout(timeout)]),
            ),
          silent,
        ),
    };
  }

  /** Returns a node as a place to run commands on, in its own namespaces; `silent` where the caller keeps what is worth keeping. */
  node({ name, addresses }: WorldNode, { silent = false } = {}): Peer {
    const { containers, context } = this.#stage;
    return {
      label: `${name} (${addresses[0]})`,
      run: (title, command, timeout = this.timeouts.answer + startingTime) =>
        this.#recorded(
          title,
          [context.engine.cli, "exec", name, ...command],
          () => containers.run(name, command, { signal: this.#signal, timeout }),
          silent,
        ),
    };
  }

  /** The client outside the cluster, on the cluster's own container network. */
  get outsider(): Peer {
    const { outsider, containers, context } = this.#stage;
    return {
      label: `outsider (${outsider.addresses[0]})`,
      run: (title, command, timeout = this.timeouts.answer + startingTime) =>
        this.#recorded(title, [context.engine.cli, "exec", outsider.name, ...command], () =>
          containers.run(outsider.name, command, { signal: this.#signal, timeout }),
        ),
    };
  }

  /** Checks are carried out again on this stage. */
  get again(): boolean {
    return this.#stage.again;
  }

  /** The family of addresses that the cluster has, or the first where it has both. */
  get family(): IpFamily {
    return this.world.ipFamilies[0] ?? "ipv4";
  }

  /** The type of DNS records that have such addresses (RFC 1035, RFC 3596). */
  get addressRecord(): "A" | "AAAA" {
    return this.family === "ipv6" ? "AAAA" : "A";
  }

  /** The program for netfilter's rules of that family; `-save` and `-restore` may follow. */
  get iptables(): "iptables" | "ip6tables" {
    return this.family === "ipv6" ? "ip6tables" : "iptables";
  }

  /** The node port of the cast's own NodePort Service. */
  get nodePort(): number {
    return this.#stage.services.get("web-nodeport")?.spec?.ports?.[0]?.nodePort ?? 0;
  }

  /**
   * Returns what an experiment showed that several checks look at: the first of them carries it out, and each has its
   * evidence; of one that only has to come first (`mention`) it has the name.
   */
  async together<T>(name: string, experiment: () => Promise<T>, { mention = false } = {}): Promise<T> {
    const { experiments } = this.#stage;
    const earlier = experiments.get(name);
    if (earlier !== undefined) {
      const { observation, evidence, standIns } = await earlier;
      for (const standIn of standIns) this.#evidence.standIns.add(standIn);
      if (mention)
        this.note(`before: ${name}`, "done once for all checks that follow it; what came of it stands with its own");
      else
        for (const { title, command, text, attachments } of evidence)
          this.#evidence.add(title, command, text, attachments);
      return observation as T;
    }
    const from = this.#evidence.items.length;
    const done = experiment().then((observation) => ({
      observation,
      evidence: this.#evidence.items.slice(from),
      standIns: [...this.#evidence.standIns],
    }));
    experiments.set(name, done);
    return (await done).observation;
  }

  /** Creates a namespace for this check alone; it is deleted, with all that is in it, when the check ends. */
  async ownNamespace(name: string): Promise<string> {
    const unique = `${name}-${randomBytes(2).toString("hex")}`;
    const metadata = { name: unique, labels: namespaceLabels(this.#stage.context.run) };
    await this.create("a namespace", { apiVersion: "v1", kind: "Namespace", metadata });
    await this.until(
      "its default ServiceAccount",
      async () => (await this.#stage.api.request("GET", `/api/v1/namespaces/${unique}/serviceaccounts/default`)).code,
      (code) => code === 200,
    );
    return unique;
  }

  /** Gives the outsider a route to one address, in its own namespace only; it is forgotten when the check ends. */
  async routeOutsider(title: string, address: string, ...way: readonly string[]): Promise<void> {
    const { outsider } = this;
    await outputOf(outsider, title, ["ip", "route", "replace", hostPrefix(address), ...way]);
    this.#undo.push(async () => void (await outsider.run("forget it", ["ip", "route", "del", hostPrefix(address)])));
  }

  /** The outsider's addresses on the cluster's container network, IPv4 first. */
  get outsiderAddresses(): readonly string[] {
    return this.#stage.outsider.addresses;
  }

  /** Its address of the cluster's family. */
  get outsiderAddress(): string {
    return this.outsiderAddresses.find((address) => ipFamilyOf(address) === this.family) ?? "";
  }

  /** The container engine's own client, which may be given something to read. */
  get containerEngine(): Peer & {
    run(title: string, words: readonly string[], timeout?: number, input?: string): Promise<CommandResult>;
  } {
    const { engine } = this.#stage.context;
    return {
      label: "the container engine's client",
      run: (title, words, timeout = 20_000, input?: string) =>
        this.#recorded(title, [engine.cli, ...words], () =>
          engineCommand(engine, words, { signal: this.#signal, timeout, ...(input === undefined ? {} : { input }) }),
        ),
    };
  }

  /** Starts a container that sleeps, from the nodes' own image, on the engine's default network; it ends with the check. */
  async container(title: string, ...options: readonly string[]): Promise<string> {
    const { engine, outsider } = this.#stage.context;
    const image = await outputOf(this.containerEngine, "the nodes' image", [
      "inspect",
      "--format",
      "{{.Config.Image}}",
      outsider,
    ]);
    const id = (
      await outputOf(this.containerEngine, title, [
        "run",
        "--detach",
        "--label",
        outsiderLabel(this.#stage.context.run),
        ...pastProxies,
        ...options,
        "--entrypoint",
        "sleep",
        image.trim(),
        "infinity",
      ])
    ).trim();
    this.#undo.push(() => removeContainers(engine, [id]));
    return id;
  }

  /** Makes a bridge network of the engine's; it goes with the check. */
  async network(title: string): Promise<string> {
    const name = `knc-${randomBytes(4).toString("hex")}`;
    const label = outsiderLabel(this.#stage.context.run);
    await outputOf(this.containerEngine, title, ["network", "create", "--label", label, name]);
    this.#undo.push(async () => void (await this.containerEngine.run("remove it", ["network", "rm", name])));
    return name;
  }

  /** Returns how a request from the host itself ended: the machine on which the containers run. */
  async fromHost(url: string): Promise<Request> {
    const request = await httpFromHere(url, this.timeouts.answer);
    this.#evidence.add(
      `the host → ${url}`,
      `curl ${url}`,
      `${request.outcome}${request.status === undefined ? "" : ` with HTTP ${request.status}`}\n${request.body}`,
    );
    return request;
  }

  /** Returns an object or list from the API; kept as evidence. */
  async get<T>(title: string, path: string): Promise<T> {
    const value = await this.#stage.api.get<T>(path);
    this.#evidence.add(title, `kubectl get --raw ${path}`, JSON.stringify(value, undefined, 2));
    return value;
  }

  /** Returns whether that user may do a thing, as the API server's own authorizer says (SubjectAccessReview). */
  async review(title: string, user: string, attributes: Readonly<Record<string, string>>): Promise<boolean> {
    const object = {
      apiVersion: "authorization.k8s.io/v1",
      kind: "SubjectAccessReview",
      metadata: { name: "" },
      spec: { user, resourceAttributes: attributes },
    };
    const { status } = await this.#stage.api.create<{ status: { allowed: boolean } }>(object);
    this.#evidence.add(
      title,
      `kubectl auth can-i ${attributes["verb"]} ${attributes["resource"]} --as ${user}`,
      status.allowed ? "yes" : "no",
    );
    return status.allowed;
  }

  /** Returns what `kubectl get` prints for an object: the server's own columns (Accept: as=Table). */
  async columns(title: string, path: string): Promise<Record<string, string>> {
    const answer = await this.#stage.api.request("GET", path, undefined, {
      accept: "application/json;as=Table;g=meta.k8s.io;v=v1",
    });
    const table = answer.body as { columnDefinitions: { name: string }[]; rows: { cells: unknown[] }[] };
    const cells = Object.fromEntries(
      table.columnDefinitions.map(({ name }, index) => [name.toUpperCase(), String(table.rows[0]?.cells[index])]),
    );
    this.#evidence.add(
      title,
      `kubectl get ${path.split("/").slice(-2).join("/")} -o wide`,
      Object.entries(cells)
        .map(([name, value]) => `${name}: ${value}`)
        .join("\n"),
    );
    return cells;
  }

  /** Creates an object for this check; it is deleted when the check ends. */
  async create<T>(title: string, object: KubernetesObject): Promise<T> {
    const created = await this.#stage.api.create<T>(object);
    this.#created.push(object);
    this.#evidence.add(
      title,
      `kubectl create -f - <<< '${JSON.stringify(object)}'`,
      JSON.stringify(created, undefined, 2),
    );
    return created;
  }

  /** Returns the API's answer to an attempt to create an object; it is deleted when the check ends where it was created. */
  async tryCreate(title: string, object: KubernetesObject, { dryRun = false } = {}): Promise<ApiAnswer> {
    const answer = await this.#stage.api.tryCreate(object, { dryRun });
    if (answer.code < 300 && !dryRun) this.#created.push(object);
    this.#evidence.add(
      title,
      `kubectl create${dryRun ? " --dry-run=server --validate=strict" : ""} -f - <<< '${JSON.stringify(object)}'`,
      `HTTP ${answer.code}\n${JSON.stringify(answer.body, undefined, 2)}`,
    );
    return answer;
  }

  /** Asks for an object to be deleted and waits for nothing. */
  async requestDeletion(title: string, object: KubernetesObject): Promise<void> {
    await this.#stage.api.requestDeletion(object);
    this.#evidence.add(
      title,
      `kubectl delete --wait=false ${object.kind.toLowerCase()} ${object.metadata.name}`,
      "asked",
    );
  }

  /** Deletes an object now and waits until it is gone. */
  async delete(title: string, object: KubernetesObject): Promise<void> {
    await this.#stage.api.delete(object, this.timeouts.deletion);
    this.#evidence.add(title, `kubectl delete ${object.kind.toLowerCase()} ${object.metadata.name}`, "deleted");
  }

  /** Creates a Service, in the cast's namespace unless another is named. */
  async service(name: string, spec: Readonly<Record<string, unknown>>, namespace = this.namespace): Promise<V1Service> {
    return this.create<V1Service>(`create the Service ${name}`, this.serviceObject(name, spec, namespace));
  }

  /** Returns a Service as it would be created. */
  serviceObject(name: string, spec: Readonly<Record<string, unknown>>, namespace = this.namespace): KubernetesObject {
    return { apiVersion: "v1", kind: "Service", metadata: { name, namespace }, spec };
  }

  /** A container that tells who it is and who asks on port 8080. */
  get serverContainer() {
    const args = ["netexec", "--http-port=8080", "--udp-port=8081"];
    return { name: "server", image: this.image("agnhost"), args };
  }

  /** A container with curl, dig, ping and tcpdump. */
  get clientContainer() {
    return { name: "client", image: this.image("probe"), command: ["sleep", "infinity"] };
  }

  /** Returns a pod that tells who it is and who asks on port 8080, as it would be created. */
  serverPod(
    name: string,
    labels: Readonly<Record<string, string>>,
    spec: Readonly<Record<string, unknown>> = {},
    namespace = this.namespace,
  ): KubernetesObject {
    return this.#podObject(name, namespace, labels, { containers: [this.serverContainer], ...spec });
  }

  /** Returns a pod with curl, dig, ping and tcpdump, as it would be created. */
  clientPod(name: string, spec: Readonly<Record<string, unknown>> = {}, namespace = this.namespace): KubernetesObject {
    return this.#podObject(name, namespace, {}, { containers: [this.clientContainer], ...spec });
  }

  #podObject(
    name: string,
    namespace: string,
    labels: Readonly<Record<string, string>>,
    spec: Readonly<Record<string, unknown>>,
  ): KubernetesObject {
    // No taint keeps it away from a node that takes pods, nor does it come to another for that.
    const nodes = spec["nodeName"] === undefined ? { affinity: { nodeAffinity: this.#nodesForPods } } : {};
    const metadata = { name, namespace, labels };
    return {
      apiVersion: "v1",
      kind: "Pod",
      metadata,
      spec: {
        terminationGracePeriodSeconds: 0,
        // None of them asks the API server, so that none needs a volume for a token.
        automountServiceAccountToken: false,
        tolerations: [{ operator: "Exists" }],
        ...nodes,
        ...spec,
      },
    };
  }

  /** The workers, or all nodes where there are none; a term may name only one. */
  get #nodesForPods() {
    const workers = this.world.nodes.filter(({ role }) => role === "worker");
    const nodeSelectorTerms = (workers.length === 0 ? this.world.nodes : workers).map(({ name }) => ({
      matchFields: [{ key: "metadata.name", operator: "In", values: [name] }],
    }));
    return { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms } };
  }

  /** Returns a Deployment of such servers, as it would be created: ready only once they answer. */
  serverDeployment(
    name: string,
    replicas: number,
    labels: Readonly<Record<string, string>>,
    spec: Readonly<Record<string, unknown>> = {},
    namespace = this.namespace,
  ): KubernetesObject {
    const { metadata, spec: pod } = this.serverPod(name, labels, spec, namespace);
    return {
      apiVersion: "apps/v1",
      kind: "Deployment",
      metadata: { name, namespace },
      spec: {
        replicas,
        selector: { matchLabels: labels },
        template: { metadata: { labels: metadata["labels"] }, spec: pod },
      },
    };
  }

  /** Changes labels of a pod of the cast's namespace. */
  async relabel(pod: string, labels: Readonly<Record<string, string>>): Promise<void> {
    const object = { apiVersion: "v1", kind: "Pod", metadata: { name: pod, namespace: this.namespace } };
    const answer = await this.patch(`change labels of ${pod}`, object, { metadata: { labels } });
    if (answer.code !== 200) throw new ProbeFailed(`labels of ${pod} could not be changed: HTTP ${answer.code}`);
  }

  /** Changes an object by a merge patch (RFC 7386) and returns the API's answer. */
  async patch(title: string, object: KubernetesObject, changes: unknown): Promise<ApiAnswer> {
    const answer = await this.#stage.api.patch(object, changes);
    this.#evidence.add(
      title,
      `kubectl patch ${object.kind.toLowerCase()} ${object.metadata.name} --type merge -p '${JSON.stringify(changes)}'`,
      `HTTP ${answer.code}\n${JSON.stringify(answer.body, undefined, 2)}`,
    );
    return answer;
  }

  /** Returns the addresses in the EndpointSlices of a Service. */
  async endpointsOf(service: string, namespace = this.namespace): Promise<string[]> {
    const path = `/apis/discovery.k8s.io/v1/namespaces/${namespace}/endpointslices?labelSelector=kubernetes.io/service-name%3D${service}`;
    const { items } = await this.get<{ items: V1EndpointSlice[] }>(`EndpointSlices of ${service}`, path);
    return items.flatMap(({ endpoints }) => (endpoints ?? []).flatMap(({ addresses }) => addresses));
  }

  /** Returns the labels of a pod of the cast. */
  labelsOf(name: string): Record<string, string> {
    return { ...this.#stage.pods.get(name)?.metadata?.labels };
  }

  /** Returns a Service of the cast. */
  async serviceOfCast(name: string): Promise<V1Service> {
    return this.get<V1Service>(`the Service ${name}`, `/api/v1/namespaces/${this.namespace}/services/${name}`);
  }

  /** Returns the objects of a manifest in fixtures/workloads, with the images and the given values filled in. */
  manifest(file: string, values: Readonly<Record<string, string>>): KubernetesObject[] {
    return readManifest(file, { ...imageValues(this.#stage.context), ...values });
  }

  /** Runs `undo` when the check ends, however it ends. */
  afterwards(undo: () => Promise<void>): void {
    this.#undo.push(undo);
  }

  /** The name of a workload image, for objects that a check creates. */
  image(name: string): string {
    const image = this.#stage.context.images[name];
    if (image === undefined) throw new RangeError(`no image ${name} in the image lock`);
    return image.reference;
  }

  /** Tells that something stands in for what the article speaks of; the report and the results say so with the verdict. */
  standIn(text: string): void {
    this.#evidence.standIns.add(text);
  }

  /** Keeps something that is neither a command nor an object, such as a distribution that was counted or a picture. */
  note(title: string, text: string, attachments: readonly Attachment[] = []): void {
    this.#evidence.add(title, "", text, attachments);
  }

  /** Returns the first value of `look` that is `done`. @throws NotInTime after the propagation time-out */
  async until<T>(
    what: string,
    look: () => Promise<T>,
    done: (value: T) => boolean,
    milliseconds = this.timeouts.propagation,
  ): Promise<T> {
    return until(what, milliseconds, look, done, this.#signal);
  }

  /**
   * Returns the first value of `look` that is `done`, or the last one seen after a while: for what the claim says will
   * come about. A judge decides by it, beside a positive control.
   */
  async eventually<T>(
    look: () => Promise<T>,
    done: (value: T) => boolean,
    milliseconds = this.timeouts.claimed,
  ): Promise<T> {
    return eventually(milliseconds, look, done, this.#signal);
  }

  /** Undoes what the check did, the last thing first, and has what it created deleted; nothing waits for that unless the stage is used again. @throws AggregateError of what failed */
  async close(): Promise<void> {
    const errors: unknown[] = [];
    // What a check did is undone after its time, too, when the signal that ended it would end every command at once.
    this.#signal = AbortSignal.timeout(this.timeouts.podsReady);
    for (const undo of this.#undo.splice(0).toReversed()) await undo().catch((error: unknown) => errors.push(error));
    const deleted = await Promise.allSettled(
      this.#created.splice(0).map((object) =>
        // The next one has a namespace of its own: only what has a name of its own is in its way.
        this.#stage.again && object.kind !== "Namespace"
          ? this.#stage.api.delete(object, this.timeouts.deletion)
          : this.#stage.api.requestDeletion(object),
      ),
    );
    errors.push(...deleted.flatMap((end) => (end.status === "rejected" ? [end.reason as unknown] : [])));
    if (errors.length > 0)
      throw new AggregateError(errors, `could not undo: ${errors.map((error) => (error as Error).message).join("; ")}`);
  }

  async #recorded(
    title: string,
    words: readonly string[],
    run: () => Promise<CommandResult>,
    silent = false,
  ): Promise<CommandResult> {
    if (silent) return run();
    const command = shellCommand(words);
    try {
      const result = await run();
      this.#evidence.add(
        title,
        command,
        `${result.stdout}${result.stderr === "" ? "" : `\n[stderr] ${result.stderr}`}\n[exit ${result.exitCode} after ${Math.round(result.durationMs)} ms]`,
      );
      return result;
    } catch (error) {
      this.#evidence.add(title, command, `[did not run] ${(error as Error).message}`);
      throw error;
    }
  }
}
