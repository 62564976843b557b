import { once } from "node:events";
import { Agent as PlainAgent, request as requestPlain } from "node:http";
import { Agent, type RequestOptions, request } from "node:https";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import type { KubeConfig } from "@kubernetes/client-node";
import { entered } from "../host/ledger.ts";
import { readKubeconfig } from "./kubeconfig.ts";
import { until } from "./until.ts";

/** An answer of the API server, whatever its status. */
export interface ApiAnswer {
  readonly code: number;
  readonly body: unknown;
  /** What it warns of beside, as `kubectl` prints it after `Warning:`. */
  readonly warnings: readonly string[];
}

/** What a watch tells of one object. */
export interface WatchEvent<T> {
  readonly type: "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK" | "ERROR";
  readonly object: T;
}

/** Thrown when the API server refuses; the message is its own, with the status code. */
export class ApiError extends Error {
  override name = "ApiError";
  readonly code: number;

  constructor(code: number, message: string) {
    super(`${message} (HTTP ${code})`);
    this.code = code;
  }
}

/** Thrown when the API server could not be asked at all. */
export class ApiUnreachable extends Error {
  override name = "ApiUnreachable";
}

/** An object as far as every one is alike. */
export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: { readonly name: string; readonly namespace?: string; readonly [key: string]: unknown };
  readonly [key: string]: unknown;
}

/** How the API server, or whom it leads requests to, can be asked. */
export type Method = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS";

/** What a request is sent with, so that either side knows the other. */
type Credentials = Omit<RequestOptions, "headers"> & { headers?: Record<string, string> };

/** Plural resource names, for the kinds that manifests of the suite use. */
const resources: Readonly<Record<string, string>> = {
  ClusterRole: "clusterroles",
  ClusterRoleBinding: "clusterrolebindings",
  ConfigMap: "configmaps",
  CustomResourceDefinition: "customresourcedefinitions",
  DaemonSet: "daemonsets",
  Deployment: "deployments",
  EndpointSlice: "endpointslices",
  Endpoints: "endpoints",
  Event: "events",
  IPAddress: "ipaddresses",
  IPAddressPool: "ipaddresspools",
  Ingress: "ingresses",
  IngressClass: "ingressclasses",
  L2Advertisement: "l2advertisements",
  MutatingAdmissionPolicy: "mutatingadmissionpolicies",
  MutatingAdmissionPolicyBinding: "mutatingadmissionpolicybindings",
  Namespace: "namespaces",
  NetworkPolicy: "networkpolicies",
  Node: "nodes",
  Pod: "pods",
  Role: "roles",
  RoleBinding: "rolebindings",
  Secret: "secrets",
  Service: "services",
  ServiceAccount: "serviceaccounts",
  ServiceCIDR: "servicecidrs",
  SubjectAccessReview: "subjectaccessreviews",
  ValidatingAdmissionPolicy: "validatingadmissionpolicies",
  ValidatingAdmissionPolicyBinding: "validatingadmissionpolicybindings",
};

/** Returns the API path of an object's collection. @throws RangeError for a kind that the suite does not use */
export function collectionPath({ apiVersion, kind, metadata }: KubernetesObject): string {
  const resource = resources[kind];
  if (resource === undefined) throw new RangeError(`no API path is known for kind ${kind}`);
  const group = apiVersion.includes("/") ? `/apis/${apiVersion}` : `/api/${apiVersion}`;
  return metadata.namespace === undefined
    ? `${group}/${resource}`
    : `${group}/namespaces/${metadata.namespace}/${resource}`;
}

/**
 * The Kubernetes API as JSON goes over the wire. Typed clients drop fields they do not know, in both directions, which
 * would hide what claims about defaults and validation are about.
 */
export class KubernetesApi implements Disposable {
  readonly config: KubeConfig;
  readonly #server: string;
  readonly #agent: Agent | PlainAgent;
  readonly #send: typeof requestPlain;

  constructor(kubeconfig: string) {
    this.config = readKubeconfig(kubeconfig);
    this.#server = this.config.getCurrentCluster()?.server ?? "";
    const plain = this.#server.startsWith("http:");
    this.#agent = plain ? new PlainAgent({ keepAlive: true }) : new Agent({ keepAlive: true });
    this.#send = plain ? requestPlain : request;
  }

  /** Returns the server's answer to a request, whatever its status. @throws ApiUnreachable where there is none */
  async request(
    method: Method,
    path: string,
    body?: unknown,
    headers: Readonly<Record<string, string>> = {},
  ): Promise<ApiAnswer> {
    const pods = method === "POST" && !path.includes("dryRun=") ? podsOf(body) : 0;
    return entered("request", `${method} ${path}`, () => this.#request(method, path, body, headers), {
      ...(pods === 0 ? {} : { pods }),
    });
  }

  async #request(
    method: Method,
    path: string,
    body: unknown,
    headers: Readonly<Record<string, string>>,
  ): Promise<ApiAnswer> {
    const content = body === undefined ? undefined : JSON.stringify(body);
    const credentials = await this.#credentials();
    const { promise, resolve, reject } = Promise.withResolvers<ApiAnswer>();
    const sent = this.#send(
      new URL(`${this.#server.replace(/\/$/, "")}${path}`),
      {
        ...credentials,
        method,
        timeout: 30_000,
        headers: {
          ...credentials.headers,
          accept: "application/json",
          ...(content === undefined
            ? {}
            : { "content-type": "application/json", "content-length": Buffer.byteLength(content) }),
          ...headers,
        },
      },
      (response) => {
        const warnings = (response.headersDistinct["warning"] ?? []).map(warningOf);
        text(response).then(
          (answer) => resolve({ code: response.statusCode ?? 0, body: parse(answer), warnings }),
          reject,
        );
      },
    );
    sent.on("error", reject);
    sent.on("timeout", () => sent.destroy(new Error("no answer within 30 s")));
    sent.end(content);
    try {
      return await promise;
    } catch (error) {
      // The server ended an idle connection in the moment in which it was taken again (Node.js, ClientRequest.reusedSocket).
      if (sent.reusedSocket && (error as NodeJS.ErrnoException).code === "ECONNRESET")
        return this.request(method, path, body, headers);
      throw new ApiUnreachable(`${method} ${path}: ${(error as Error).message}`, { cause: error });
    }
  }

  /**
   * Calls `tell` for each event of a watch, the objects that are there already first, until the signal ends it.
   *
   * @param path of a list
   * @param options.hold whether this process goes on until then, rather than ending it
   * @throws ApiUnreachable if the server ends it, ApiError if it refuses
   */
  async watch<T>(
    path: string,
    tell: (event: WatchEvent<T>) => void,
    signal: AbortSignal,
    { hold = true }: { readonly hold?: boolean } = {},
  ): Promise<void> {
    const credentials = await this.#credentials();
    const url = new URL(`${this.#server.replace(/\/$/, "")}${path}${path.includes("?") ? "&" : "?"}watch=true`);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const sent = this.#send(url, { ...credentials, signal }, (response) => {
      if (response.statusCode !== 200) {
        text(response).then(
          (answer) => reject(new ApiError(response.statusCode ?? 0, messageOf(parse(answer)))),
          reject,
        );
        return;
      }
      createInterface({ input: response })
        .on("line", (line) => tell(JSON.parse(line) as WatchEvent<T>))
        .on("error", reject)
        .on("close", () => reject(new ApiUnreachable(`the server ended the watch of ${path}`)));
      response.on("error", reject);
    });
    sent.on("error", reject);
    // It has been asked when the answer begins; an error is told above.
    entered("request", `WATCH ${path}`, () => once(sent, "response")).catch(() => {});
    signal.addEventListener("abort", () => resolve());
    if (!hold) sent.on("socket", (socket) => socket.unref());
    sent.end();
    return promise;
  }

  /** Returns what tells the server who asks, and this side who answers. A plugin gives new ones where the old ones have expired. */
  async #credentials(): Promise<Credentials> {
    const options: Credentials = {};
    try {
      await this.config.applyToHTTPSOptions(options);
    } catch (error) {
      throw new ApiUnreachable(`no credentials: ${(error as Error).message.trim()}`, { cause: error });
    }
    // client-node's own agent opens a connection for each request, but it knows the way by a proxy of the kubeconfig's.
    return this.config.getCurrentCluster()?.proxyUrl === undefined ? { ...options, agent: this.#agent } : options;
  }

  /** Returns an object or list. @throws ApiError where the server refuses */
  async get<T>(path: string): Promise<T> {
    return (await this.#must("GET", path)) as T;
  }

  /** Creates an object and returns it as the server stored it. @throws ApiError where the server refuses */
  async create<T>(object: KubernetesObject): Promise<T> {
    return (await this.#must("POST", collectionPath(object), object)) as T;
  }

  /** Returns the server's answer to an attempt to create an object, or with `dryRun` to the question whether it would. */
  async tryCreate(object: KubernetesObject, { dryRun = false } = {}): Promise<ApiAnswer> {
    return this.request(
      "POST",
      `${collectionPath(object)}${dryRun ? "?dryRun=All&fieldValidation=Strict" : ""}`,
      object,
    );
  }

  /** Changes an object (RFC 7386, a null takes a field away) and returns the server's answer. */
  async patch(object: KubernetesObject, changes: unknown): Promise<ApiAnswer> {
    const path = `${collectionPath(object)}/${object.metadata.name}`;
    return this.request("PATCH", path, changes, { "content-type": "application/merge-patch+json" });
  }

  /** Asks for an object to be deleted, without the grace that it has unless that is asked for; one that is gone already is fine. */
  async requestDeletion(
    object: KubernetesObject,
    propagationPolicy: "Background" | "Foreground" = "Background",
    { grace = false } = {},
  ): Promise<void> {
    const path = `${collectionPath(object)}/${object.metadata.name}`;
    const options = { ...(grace ? {} : { gracePeriodSeconds: 0 }), propagationPolicy };
    const answer = await this.request("DELETE", path, options);
    if (answer.code >= 300 && answer.code !== 404) throw new ApiError(answer.code, messageOf(answer.body));
  }

  /** Deletes an object without grace and waits until it is gone, a workload with its pods; one that is gone already is fine. */
  async delete(object: KubernetesObject, milliseconds: number): Promise<void> {
    await this.requestDeletion(object, object.apiVersion === "apps/v1" ? "Foreground" : "Background");
    const path = `${collectionPath(object)}/${object.metadata.name}`;
    await until(
      `${object.kind} ${object.metadata.name} to be gone`,
      milliseconds,
      async () => (await this.request("GET", path)).code,
      (code) => code === 404,
    );
  }

  async #must(method: "GET" | "POST", path: string, body?: unknown): Promise<unknown> {
    const answer = await this.request(method, path, body);
    if (answer.code >= 300) throw new ApiError(answer.code, messageOf(answer.body));
    return answer.body;
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

/** Returns how many pods come of an object that is created; a DaemonSet counts as one. */
function podsOf(body: unknown): number {
  const { kind, spec } = (body ?? {}) as { kind?: string; spec?: { replicas?: number } };
  if (kind === "Pod") return 1;
  return ["DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"].includes(kind ?? "") ? (spec?.replicas ?? 1) : 0;
}

function parse(answer: string): unknown {
  try {
    return JSON.parse(answer);
  } catch {
    return answer;
  }
}

/** Returns the text of a header `Warning` (RFC 7234, section 5.5): code and agent precede it, in quotes it stands. */
function warningOf(header: string): string {
  const [, quoted = header] = /^\d{3} \S+ "((?:[^"\\]|\\.)*)"/.exec(header) ?? [];
  return quoted.replaceAll(/\\(.)/g, "$1");
}

/** Returns what the server says of a request that it refused, and nothing of any other. */
export function refusalOf({ body }: ApiAnswer): string {
  return (body as { message?: string }).message ?? "";
}

function messageOf(body: unknown): string {
  return typeof body === "object" && body !== null && "message" in body ? String(body.message) : String(body);
}
