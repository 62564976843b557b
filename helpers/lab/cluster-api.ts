import type {
  CoreV1Event,
  V1ConfigMap,
  V1DaemonSet,
  V1Deployment,
  V1EndpointSlice,
  V1Endpoints,
  V1Namespace,
  V1NetworkPolicy,
  V1Node,
  V1Pod,
  V1Service,
} from "@kubernetes/client-node";
import { shellCommand } from "../claim/evidence.ts";
import {
  type ApiAnswer,
  collectionPath,
  type KubernetesObject,
  type Method,
  refusalOf,
  type WatchEvent,
} from "../probe/api.ts";
import type { Session } from "./session.ts";

/** What checks look at, by its kind. */
interface Kinds {
  ConfigMap: V1ConfigMap;
  DaemonSet: V1DaemonSet;
  Deployment: V1Deployment;
  Endpoints: V1Endpoints;
  EndpointSlice: V1EndpointSlice;
  Event: CoreV1Event;
  Namespace: V1Namespace;
  NetworkPolicy: V1NetworkPolicy;
  Node: V1Node;
  Pod: V1Pod;
  Service: V1Service;
}

/** The version of the API that each is read in, where it is not `v1`. */
const apiVersions: Partial<Readonly<Record<keyof Kinds, string>>> = {
  DaemonSet: "apps/v1",
  Deployment: "apps/v1",
  EndpointSlice: "discovery.k8s.io/v1",
  NetworkPolicy: "networking.k8s.io/v1",
};

/** Which objects of a kind are listed; all of them where nothing is said. */
interface Selection {
  readonly namespace?: string;
  /** Labels or fields that they have, by name. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly fields?: Readonly<Record<string, string>>;
}

/** Returns the API path of the objects of a kind that are selected. */
export function listPath(kind: keyof Kinds, { namespace, labels = {}, fields = {} }: Selection): string {
  const metadata = { name: "", ...(namespace === undefined ? {} : { namespace }) };
  const path = collectionPath({ apiVersion: apiVersions[kind] ?? "v1", kind, metadata });
  const selectors = Object.entries({ labelSelector: labels, fieldSelector: fields }).flatMap(([name, wanted]) => {
    const each = Object.entries(wanted).map(([key, value]) =>
      // An empty value asks for whoever has the label at all.
      value === "" ? encode(key) : `${encode(key)}%3D${encode(value)}`,
    );
    return each.length === 0 ? [] : [`${name}=${each.join(",")}`];
  });
  return selectors.length === 0 ? path : `${path}?${selectors.join("&")}`;
}

/** As evidence shows it best: of what labels may have, a query needs nothing encoded. */
function encode(text: string): string {
  return encodeURIComponent(text).replaceAll("%2F", "/");
}

/** The Kubernetes API as a check asks it: each answer is kept as evidence, and what is created is deleted when the check ends. */
export class ClusterApi {
  readonly #session: Session;
  readonly #namespace: string;

  /** @param namespace where an object is looked for unless another is named */
  constructor(session: Session, namespace: string) {
    this.#session = session;
    this.#namespace = namespace;
  }

  get #api() {
    return this.#session.stage.api;
  }

  /** Returns an object as it is stored. @throws ApiError if it is not there */
  async get<Kind extends keyof Kinds>(
    title: string,
    kind: Kind,
    name: string,
    namespace = this.#namespace,
  ): Promise<Kinds[Kind]> {
    return this.read<Kinds[Kind]>(title, `${listPath(kind, { namespace })}/${name}`);
  }

  /** Returns the objects of a kind: all of the cluster's, or those that are selected. */
  async list<Kind extends keyof Kinds>(title: string, kind: Kind, selection: Selection = {}): Promise<Kinds[Kind][]> {
    return (await this.read<{ items: Kinds[Kind][] }>(title, listPath(kind, selection))).items;
  }

  /**
   * Calls `tell` for each event of a watch of the objects of a kind that are selected; it returns when the signal ends it.
   *
   * @throws ApiUnreachable if the server ends it before
   */
  async watch<Kind extends keyof Kinds>(
    title: string,
    kind: Kind,
    selection: Selection,
    tell: (event: WatchEvent<Kinds[Kind]>) => void,
    signal: AbortSignal,
  ): Promise<void> {
    const path = listPath(kind, selection);
    const events: string[] = [];
    const told = (event: WatchEvent<Kinds[Kind]>) => {
      events.push(`${event.type} ${event.object.metadata?.name}`);
      tell(event);
    };
    try {
      await this.#api.watch<Kinds[Kind]>(path, told, AbortSignal.any([signal, this.#session.signal]));
    } finally {
      const command = `kubectl get --raw '${path}${path.includes("?") ? "&" : "?"}watch=true'`;
      this.#session.evidence.add(title, command, events.join("\n"));
    }
  }

  /** Returns whatever the API has at a path. */
  async read<T>(title: string, path: string): Promise<T> {
    const value = await this.#api.get<T>(path);
    this.#session.keep(title, `kubectl get --raw ${path}`, value);
    return value;
  }

  /** Returns what `kubectl get` prints for an object: the server's own columns (Accept: as=Table). */
  async columns(
    title: string,
    kind: keyof Kinds,
    name: string,
    namespace = this.#namespace,
  ): Promise<Record<string, string>> {
    const path = `${listPath(kind, { namespace })}/${name}`;
    const answer = await this.#api.request("GET", path, undefined, {
      accept: "application/json;as=Table;g=meta.k8s.io;v=v1",
    });
    const table = answer.body as { columnDefinitions: { name: string }[]; rows: { cells: unknown[] }[] };
    const cells = Object.fromEntries(
      table.columnDefinitions.map(({ name }, index) => [name.toUpperCase(), String(table.rows[0]?.cells[index])]),
    );
    this.#session.evidence.add(
      title,
      `kubectl get ${path.split("/").slice(-2).join("/")} -o wide`,
      Object.entries(cells)
        .map(([name, value]) => `${name}: ${value}`)
        .join("\n"),
    );
    return cells;
  }

  /**
   * Creates an object and returns it as the server stored it.
   *
   * @param options.silent the caller keeps what is worth keeping
   * @throws ApiError if the server refuses
   */
  async create<T>(title: string, object: KubernetesObject, { silent = false } = {}): Promise<T> {
    const created = await this.#api.create<T>(object);
    this.#session.deleteAfterwards(object);
    if (!silent) this.#session.keep(title, `kubectl create -f - <<< '${JSON.stringify(object)}'`, created);
    return created;
  }

  /** Returns the server's answer to an attempt to create an object, or with `dryRun` to the question whether it would. */
  async tryCreate(title: string, object: KubernetesObject, { dryRun = false } = {}): Promise<ApiAnswer> {
    const answer = await this.#session.eventually(
      () => this.#api.tryCreate(object, { dryRun }),
      // A dry run asks the allocator of any range, even of one that is being deleted (kubernetes, MetaAllocator.DryRun).
      (tried) => !(dryRun && refusalOf(tried).includes("allocator not ready")),
    );
    if (answer.code < 300 && !dryRun) this.#session.deleteAfterwards(object);
    const warnings = answer.warnings.map((text) => `Warning: ${text}\n`).join("");
    this.#session.evidence.add(
      title,
      `kubectl create${dryRun ? " --dry-run=server --validate=strict" : ""} -f - <<< '${JSON.stringify(object)}'`,
      `HTTP ${answer.code}\n${warnings}${JSON.stringify(answer.body, undefined, 2)}`,
    );
    return answer;
  }

  /** Changes an object by a merge patch (RFC 7386) and returns the server's answer. */
  async patch(title: string, object: KubernetesObject, changes: unknown): Promise<ApiAnswer> {
    const answer = await this.#api.patch(object, changes);
    this.#session.evidence.add(
      title,
      `kubectl patch ${object.kind.toLowerCase()} ${object.metadata.name} --type merge -p '${JSON.stringify(changes)}'`,
      `HTTP ${answer.code}\n${JSON.stringify(answer.body, undefined, 2)}`,
    );
    return answer;
  }

  /**
   * Returns the API server's answer to any request, whatever its status.
   *
   * @param options.as a user in whose place it is asked (impersonation)
   * @param options.type of the body, where it is not `application/json`
   * @param options.silent the caller keeps what is worth keeping
   */
  async request(
    title: string,
    method: Method,
    path: string,
    { body, type, as, silent = false }: { body?: unknown; type?: string; as?: string; silent?: boolean } = {},
  ): Promise<ApiAnswer> {
    const headers = {
      ...(type === undefined ? {} : { "content-type": type }),
      ...(as === undefined ? {} : { "impersonate-user": as }),
    };
    const answer = await this.#api.request(method, path, body, headers);
    if (silent) return answer;
    const options = [
      ...Object.entries(headers).flatMap(([name, value]) => ["--header", `${name}: ${value}`]),
      ...(body === undefined ? [] : ["--data", JSON.stringify(body)]),
    ];
    const command =
      method === "GET"
        ? ["kubectl", "get", "--raw", path, ...(as === undefined ? [] : ["--as", as])]
        : // By `kubectl proxy`, which leaves who asks to the kubeconfig.
          ["curl", ...(method === "HEAD" ? ["--head"] : ["--request", method]), ...options, `localhost:8001${path}`];
    const text = typeof answer.body === "string" ? answer.body : JSON.stringify(answer.body, undefined, 2);
    this.#session.evidence.add(title, shellCommand(command), `HTTP ${answer.code}\n${text}`);
    return answer;
  }

  /** Deletes an object now, a pod without its grace period, and waits until it is gone. */
  async delete(title: string, object: KubernetesObject): Promise<void> {
    await this.#api.delete(object, this.#session.stage.timeouts.deletion);
    const command = `kubectl delete ${object.kind.toLowerCase()} ${object.metadata.name}`;
    this.#session.evidence.add(title, command, "deleted");
  }

  /** Asks for an object to be deleted and waits for nothing; a pod with `grace` has as long to end as it says itself. */
  async requestDeletion(title: string, object: KubernetesObject, { grace = false } = {}): Promise<void> {
    await this.#api.requestDeletion(object, "Background", { grace });
    const command = `kubectl delete --wait=false ${grace ? "" : "--force "}${object.kind.toLowerCase()} ${object.metadata.name}`;
    this.#session.evidence.add(title, command, "asked");
  }
}
