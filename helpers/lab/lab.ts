import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { Attachment, Evidence } from "../claim/evidence.ts";
import type { World } from "../claim/world.ts";
import { entered } from "../host/ledger.ts";
import { httpFromHere } from "../probe/here.ts";
import type { Request } from "../probe/http.ts";
import type { IpFamily } from "../probe/ip.ts";
import type { Timeouts } from "../probe/timeouts.ts";
import { controlPlaneOf, namespaceLabels, workersOf } from "./cast.ts";
import { ClusterApi } from "./cluster-api.ts";
import { Containers } from "./containers.ts";
import { together } from "./experiments.ts";
import { Objects } from "./objects.ts";
import { type NodePeer, nodePeer, Outsider, ofFamily, type PodPeer, type PodPeerOptions, podPeer } from "./peers.ts";
import { Pods } from "./pods.ts";
import { Service, Services } from "./services.ts";
import { Session } from "./session.ts";
import type { Stage } from "./stage.ts";

/**
 * What `observe` works with: the cluster and the fixed cast of pods on it. Whatever is done by it is kept as evidence of one
 * claim, and undone when the check ends.
 */
export class Lab {
  /** The cluster as it was found before the first claim. */
  readonly world: World;
  /** Milliseconds that this run waits for what. */
  readonly timeouts: Timeouts;
  /** Where the cast is, and what a check makes unless it names another. */
  readonly namespace: string;
  /** A second namespace of the cast. */
  readonly otherNamespace: string;
  /** All nodes, as places to send requests to and to run commands on. */
  readonly nodes: readonly NodePeer[];
  /** The client outside the cluster. */
  readonly outsider: Outsider;
  /** The container engine, beside the cluster. */
  readonly engine: Containers;
  /** The Kubernetes API, for what the others do not have. */
  readonly api: ClusterApi;
  /** Makes objects as they would be created. */
  readonly objects: Objects;
  /** Pods that a check starts, or waits for. */
  readonly pods: Pods;
  /** Services that a check creates, or looks at. */
  readonly services: Services;
  readonly #stage: Stage;
  readonly #session: Session;

  constructor(stage: Stage, evidence: Evidence, signal: AbortSignal) {
    const { world, timeouts, namespace, otherNamespace, context } = stage;
    this.world = world;
    this.timeouts = timeouts;
    this.namespace = namespace;
    this.otherNamespace = otherNamespace;
    this.#stage = stage;
    const session = new Session(stage, evidence, signal);
    this.#session = session;
    this.nodes = world.nodes.map((node) => nodePeer(session, node, false));
    this.outsider = new Outsider(session, this.family);
    this.engine = new Containers(session);
    this.api = new ClusterApi(session, namespace);
    this.objects = new Objects(context, world.nodes, namespace);
    this.pods = new Pods(session, this.api, namespace);
    this.services = new Services(this.api, this.objects, namespace);
  }

  /** Returns one of two nodes that take pods, different ones where there are two. */
  worker(index: 0 | 1): NodePeer {
    return this.#node(workersOf(this.world)[index].name);
  }

  /** The node that is the control plane. */
  get controlPlane(): NodePeer {
    return this.#node(controlPlaneOf(this.world).name);
  }

  #node(name: string): NodePeer {
    const node = this.nodes.find((each) => each.name === name);
    if (node === undefined) throw new RangeError(`no node ${name}`);
    return node;
  }

  /** Returns the same node, what is done on it being kept by the caller. */
  silently(node: NodePeer): NodePeer {
    return nodePeer(this.#session, node, true);
  }

  /** Returns a pod of the cast as a place to send probes from and to. */
  pod(name: string, options: PodPeerOptions = {}): PodPeer {
    const pod = this.#stage.pods.get(name);
    if (pod === undefined) throw new RangeError(`no pod ${name} in the cast`);
    return podPeer(this.#session, pod, options);
  }

  /** Returns a Service of the cast as it was created. */
  service(name: string): Service {
    const service = this.#stage.services.get(name);
    if (service === undefined) throw new RangeError(`no Service ${name} in the cast`);
    return new Service(service);
  }

  /** Whether checks are carried out again on the same cluster, as `npm run controls` does. */
  get again(): boolean {
    return this.#stage.again;
  }

  /** The family of addresses that the cluster has, or the first where it has both. */
  get family(): IpFamily {
    return this.world.ipFamilies[0] ?? "ipv4";
  }

  /** Returns the address or the subnet of the cluster's family. @throws ProbeFailed if there is none */
  ofFamily(candidates: readonly string[]): string {
    return ofFamily(this.family, candidates);
  }

  /** The type of DNS records that have such addresses (RFC 1035, RFC 3596). */
  get addressRecord(): "A" | "AAAA" {
    return this.family === "ipv6" ? "AAAA" : "A";
  }

  /** The program for netfilter's rules of that family; `-save` and `-restore` may follow. */
  get iptables(): "iptables" | "ip6tables" {
    return this.family === "ipv6" ? "ip6tables" : "iptables";
  }

  /** Creates a namespace for this check alone; it is deleted, with all that is in it, when the check ends. */
  async ownNamespace(name: string): Promise<string> {
    const unique = `${name}-${randomBytes(2).toString("hex")}`;
    const metadata = { name: unique, labels: namespaceLabels(this.#stage.context.run) };
    await this.api.create("a namespace", { apiVersion: "v1", kind: "Namespace", metadata });
    this.afterwards(async () => this.#stage.podsIn(unique)[Symbol.dispose]());
    await this.until(
      "its default ServiceAccount",
      async () => (await this.#stage.api.request("GET", `/api/v1/namespaces/${unique}/serviceaccounts/default`)).code,
      (code) => code === 200,
    );
    return unique;
  }

  /** Returns how a request from the host itself ended: the machine on which the containers run. */
  async fromHost(url: string): Promise<Request> {
    const request = await httpFromHere(url, this.timeouts.answer);
    this.#session.evidence.add(
      `the host → ${url}`,
      `curl ${url}`,
      `${request.outcome}${request.status === undefined ? "" : ` with HTTP ${request.status}`}\n${request.body}`,
    );
    return request;
  }

  /**
   * Returns what an experiment showed that several checks look at: the first of them carries it out, and each has its evidence.
   *
   * @param mention of it, the check has only the experiment's name, since it has only to come after it
   */
  async together<T>(name: string, experiment: () => Promise<T>, { mention = false } = {}): Promise<T> {
    return together(this.#session, name, experiment, mention);
  }

  /** Runs `undo` when the check ends, however it ends. */
  afterwards(undo: () => Promise<void>): void {
    this.#session.afterwards(undo);
  }

  /** Tells that something stands in for what the article speaks of; the report and the results say so with the verdict. */
  standIn(text: string): void {
    this.#session.evidence.standIns.add(text);
  }

  /** Keeps something that is neither a command nor an object, such as a distribution that was counted or a picture. */
  note(title: string, text: string, attachments: readonly Attachment[] = []): void {
    this.#session.note(title, text, attachments);
  }

  /** Returns the first value of `look` that is `done`. @throws NotInTime after the propagation time-out */
  async until<T>(
    what: string,
    look: () => Promise<T>,
    done: (value: T) => boolean,
    milliseconds = this.timeouts.propagation,
  ): Promise<T> {
    return this.#session.until(what, look, done, milliseconds);
  }

  /**
   * Returns the first value of `look` that is `done`, or the last one seen after `timeouts.claimed` unless another time is given: for what the claim says will
   * come about. A judge decides by it, beside a positive control.
   */
  async eventually<T>(
    look: () => Promise<T>,
    done: (value: T) => boolean,
    milliseconds = this.timeouts.claimed,
  ): Promise<T> {
    return this.#session.eventually(look, done, milliseconds);
  }

  /** Lets the time pass in which something that should not come about would have. */
  async window(what: string): Promise<void> {
    await entered("wait", what, () => delay(this.timeouts.window, undefined, { signal: this.#session.signal }));
  }

  /** Undoes what the check did; the suite calls it when the check ends. */
  async close(): Promise<void> {
    await this.#session.close();
  }
}
