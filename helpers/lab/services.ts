import type { V1EndpointSlice, V1Service, V1ServiceSpec, V1ServiceStatus } from "@kubernetes/client-node";
import type { KubernetesObject } from "../probe/api.ts";
import { hostPort } from "../probe/http.ts";
import { ProbeFailed } from "../probe/peer.ts";
import type { ClusterApi } from "./cluster-api.ts";
import type { Objects } from "./objects.ts";
import type { AddressedPeer } from "./peers.ts";

/** A Service as the API server stored it. */
export class Service {
  readonly name: string;
  readonly namespace: string;
  /** With the defaults that the API server has filled in. */
  readonly spec: V1ServiceSpec;
  readonly status: V1ServiceStatus;

  constructor({ metadata = {}, spec = {}, status = {} }: V1Service) {
    this.name = metadata.name ?? "";
    this.namespace = metadata.namespace ?? "";
    this.spec = spec;
    this.status = status;
  }

  /** Its first address. @throws ProbeFailed if it has none, as a headless one or an ExternalName Service */
  get clusterIP(): string {
    const { clusterIP = "" } = this.spec;
    if (clusterIP === "" || clusterIP === "None") throw new ProbeFailed(`the Service ${this.name} has no clusterIP`);
    return clusterIP;
  }

  /** The node ports that it has, in the order of its ports. */
  get nodePorts(): number[] {
    return (this.spec.ports ?? []).flatMap(({ nodePort }) => nodePort ?? []);
  }

  /** Its first node port. @throws ProbeFailed if it has none */
  get nodePort(): number {
    const [nodePort] = this.nodePorts;
    if (nodePort === undefined) throw new ProbeFailed(`the Service ${this.name} has no node port`);
    return nodePort;
  }

  /** Returns its clusterIP with that port, as a URL has them. @throws ProbeFailed if it has no clusterIP */
  on(port: number): string {
    return hostPort(this.clusterIP, port);
  }

  /** Returns a node's address with its node port, as a URL has them. @throws ProbeFailed if it has no node port */
  at(node: Pick<AddressedPeer, "on">): string {
    return node.on(this.nodePort);
  }
}

/** Services, as a check creates them and looks at them. */
export class Services {
  readonly #api: ClusterApi;
  readonly #objects: Objects;
  readonly #namespace: string;

  constructor(api: ClusterApi, objects: Objects, namespace: string) {
    this.#api = api;
    this.#objects = objects;
    this.#namespace = namespace;
  }

  /** Creates a Service, in the cast's namespace unless another is named; it is deleted when the check ends. */
  async create(name: string, spec: Readonly<Record<string, unknown>>, namespace?: string): Promise<Service> {
    return this.createFrom(`create the Service ${name}`, this.#objects.service(name, spec, namespace));
  }

  /** Creates a Service that is written down already; it is deleted when the check ends. */
  async createFrom(title: string, object: KubernetesObject): Promise<Service> {
    return new Service(await this.#api.create<V1Service>(title, object));
  }

  /** Returns a Service as it is stored, one of the cast's namespace unless another is named. */
  async get(name: string, { title = `the Service ${name}`, namespace }: { title?: string; namespace?: string } = {}) {
    return new Service(await this.#api.get(title, "Service", name, namespace));
  }

  /** Returns the EndpointSlices of a Service. */
  async slicesOf(name: string, namespace = this.#namespace): Promise<V1EndpointSlice[]> {
    const labels = { "kubernetes.io/service-name": name };
    return this.#api.list(`EndpointSlices of ${name}`, "EndpointSlice", { namespace, labels });
  }

  /** Returns the addresses in the EndpointSlices of a Service, ready or not. */
  async endpointsOf(name: string, namespace?: string): Promise<string[]> {
    const slices = await this.slicesOf(name, namespace);
    return slices.flatMap(({ endpoints }) => (endpoints ?? []).flatMap(({ addresses }) => addresses));
  }
}
