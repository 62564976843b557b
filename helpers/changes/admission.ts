import { randomBytes } from "node:crypto";
import type { Lab } from "../lab/lab.ts";
import { failureOfPolicy } from "../lab/policy-failure.ts";
import { type KubernetesObject, refusalOf } from "../probe/api.ts";
import { patch } from "./json-patch.ts";

/** Where the API has objects of a kind. */
const resources = {
  Deployment: ["apps", "deployments"],
  EndpointSlice: ["discovery.k8s.io", "endpointslices"],
  Endpoints: ["", "endpoints"],
  IPAddress: ["networking.k8s.io", "ipaddresses"],
  Ingress: ["networking.k8s.io", "ingresses"],
  IngressClass: ["networking.k8s.io", "ingressclasses"],
  NetworkPolicy: ["networking.k8s.io", "networkpolicies"],
  Pod: ["", "pods"],
  Service: ["", "services"],
  ServiceCIDR: ["networking.k8s.io", "servicecidrs"],
} as const satisfies Readonly<Record<string, readonly [group: string, resource: string]>>;

/** Which objects the API server is to treat otherwise. */
interface Affected {
  readonly kind: keyof typeof resources;
  /** Their name, as it is; others are left alone. */
  readonly name: string;
  /** Where the others of that name are left alone. */
  readonly namespace?: string;
  /** `DELETECOLLECTION`: with others, by a label. */
  readonly operations?: readonly ("CREATE" | "UPDATE" | "DELETECOLLECTION")[];
  /** What of them is written, where it is not the objects themselves. */
  readonly subresource?: "status";
}

const mark = "kind-network-conformance/changed";

const specimenNamespace = "kube-public";
const specimenMark = "kind-network-conformance/specimen";

/** What may be asked of the API server without anything coming of it, to see whether a policy is in force; it is marked as such. */
const specimens: Readonly<Record<Affected["kind"], (name: string) => KubernetesObject>> = {
  Service: (name) => ({
    ...{ apiVersion: "v1", kind: "Service", metadata: { name, namespace: specimenNamespace } },
    spec: { ports: [{ port: 80 }] },
  }),
  Pod: (name) => ({
    ...{ apiVersion: "v1", kind: "Pod", metadata: { name, namespace: specimenNamespace } },
    spec: { containers: [{ name: "c", image: "c" }] },
  }),
  Ingress: (name) => ({
    ...{ apiVersion: "networking.k8s.io/v1", kind: "Ingress", metadata: { name, namespace: specimenNamespace } },
    spec: {
      rules: ["one.example.test", "two.example.test"].map((host) => ({
        host,
        http: {
          paths: ["/", "/c"].map((path) => ({
            ...{ path, pathType: "Prefix" },
            backend: { service: { name: "c", port: { number: 80 } } },
          })),
        },
      })),
    },
  }),
  Deployment: (name) => ({
    ...{ apiVersion: "apps/v1", kind: "Deployment", metadata: { name, namespace: specimenNamespace } },
    spec: {
      selector: { matchLabels: { app: "c" } },
      template: { metadata: { labels: { app: "c" } }, spec: { containers: [{ name: "c", image: "c" }] } },
    },
  }),
  EndpointSlice: (name) => ({
    ...{ apiVersion: "discovery.k8s.io/v1", kind: "EndpointSlice", metadata: { name, namespace: specimenNamespace } },
    ...{ addressType: "IPv4", endpoints: [] },
  }),
  Endpoints: (name) => ({ apiVersion: "v1", kind: "Endpoints", metadata: { name, namespace: specimenNamespace } }),
  IPAddress: (name) => ({
    ...{ apiVersion: "networking.k8s.io/v1", kind: "IPAddress", metadata: { name } },
    spec: { parentRef: { resource: "c", name: "c" } },
  }),
  IngressClass: (name) => ({
    ...{ apiVersion: "networking.k8s.io/v1", kind: "IngressClass", metadata: { name } },
    spec: { controller: "example.test/c" },
  }),
  NetworkPolicy: (name) => ({
    ...{ apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: { name, namespace: specimenNamespace } },
    spec: { podSelector: {} },
  }),
  ServiceCIDR: (name) => ({
    ...{ apiVersion: "networking.k8s.io/v1", kind: "ServiceCIDR", metadata: { name } },
    spec: { cidrs: ["192.0.2.1/32"] },
  }),
};

/** Returns which requests a policy is for: those that mean the objects, and those with a specimen. */
export function matching({ kind, name, namespace, operations = ["CREATE"], subresource }: Affected) {
  const [group, resource] = resources[kind];
  const rule = (operation: string, of: string) => ({
    ...{ apiGroups: [group], apiVersions: ["*"], operations: [operation], resources: [of] },
  });
  const verbs = operations.map((operation) => (operation === "DELETECOLLECTION" ? "DELETE" : operation));
  const there = namespace === undefined ? "" : ` && request.namespace == '${namespace}'`;
  const meant = `request.operation in [${verbs.map((verb) => `'${verb}'`).join(", ")}]${there}`;
  // A request to delete one object names it; one for many leaves it to the label.
  const inCollection = `oldObject.metadata.name == '${name}' && (!has(request.name) || request.name == '')`;
  const named = `has(object.metadata.name) && object.metadata.name == '${name}'`;
  const specimen = `has(object.metadata.annotations) && '${specimenMark}' in object.metadata.annotations`;
  const expression = `request.operation == 'DELETE' ? ${inCollection} && ${meant} : ${named} && (${specimen} || ${meant})`;
  const path = subresource === undefined ? resource : `${resource}/${subresource}`;
  return {
    matchConstraints: {
      // The specimen by which it is seen to be in force is created.
      resourceRules: [rule("CREATE", resource), ...verbs.map((verb) => rule(verb, path))],
    },
    matchConditions: [{ name: "named", expression }],
  };
}

/**
 * Has the API server store another object than the one that is sent, by a MutatingAdmissionPolicy, and waits until it
 * does (Kubernetes ≥ 1.36).
 *
 * @param patches CEL expressions, each a `JSONPatch{op: …, path: …, value: …}`, as {@link patch} makes them
 */
export async function storeOtherwise(lab: Lab, objects: Affected, ...patches: readonly string[]): Promise<void> {
  const annotations = `Object{metadata: Object.metadata{annotations: {'${mark}': 'yes'}}}`;
  await enforce(lab, "Mutating", objects, {
    reinvocationPolicy: "Never",
    mutations: [
      { patchType: "ApplyConfiguration", applyConfiguration: { expression: annotations } },
      { patchType: "JSONPatch", jsonPatch: { expression: `[${patches.join(", ")}]` } },
    ],
  });
}

/**
 * Has the API server store objects of that name otherwise than they are sent, until the change ends, and waits until it does
 * (Kubernetes ≥ 1.36); `patches` are made by {@link patch}.
 */
export const mutate = {
  /** A Deployment that is created is changed so. */
  deployment: (lab: Lab, name: string, ...patches: readonly string[]) =>
    storeOtherwise(lab, { kind: "Deployment", name }, ...patches),
  /** An Ingress that is created is changed so. */
  ingress: (lab: Lab, name: string, ...patches: readonly string[]) =>
    storeOtherwise(lab, { kind: "Ingress", name }, ...patches),
  /** A pod that is created is changed so. */
  pod: (lab: Lab, name: string, ...patches: readonly string[]) =>
    storeOtherwise(lab, { kind: "Pod", name }, ...patches),
  /** A Service that is created is changed so. */
  service: (lab: Lab, name: string, ...patches: readonly string[]) =>
    storeOtherwise(lab, { kind: "Service", name }, ...patches),
  /** The Service selects pods with these labels, whatever it asks for. */
  selector: (lab: Lab, service: string, labels: Readonly<Record<string, string>>) =>
    mutate.service(lab, service, patch.add("/spec/selector", labels)),
  /** The Service aims at that port of its pods, whatever it asks for. */
  targetPort: (lab: Lab, service: string, port: number) =>
    mutate.service(lab, service, patch.replace("/spec/ports/0/targetPort", port)),
};

/**
 * Has the API server refuse objects with HTTP 422, by a ValidatingAdmissionPolicy, until the change ends, and waits until it does
 * (Kubernetes ≥ 1.30).
 *
 * @param unless an expression in CEL: those for which it is true are let pass
 */
export async function refuse(lab: Lab, objects: Affected, message: string, unless = "false"): Promise<void> {
  await enforce(lab, "Validating", objects, { validations: [{ expression: unless, message, reason: "Invalid" }] });
}

/**
 * Has the API server lead nobody to pods and Services with a name, whoever asks, and waits until it does not (Kubernetes ≥ 1.30).
 */
export async function forbidProxy(lab: Lab, name: string): Promise<void> {
  const path = `/api/v1/namespaces/${lab.namespace}/services/${name}/proxy/`;
  await forbidConnect(lab, `requests led to ${name}`, {
    resources: ["pods/proxy", "services/proxy"],
    // With a scheme and a port, as in `https:web:443`, they are part of the name.
    named: `'${name}' in request.name.split(':')`,
    message: "nobody is led there",
    answer: async () => refusalOf(await lab.api.request("does the API server lead there", "GET", path)),
  });
}

/** Has the API server forward no port of a pod, whoever asks, and waits until it does not (Kubernetes ≥ 1.30). */
export async function forbidPortForward(lab: Lab, pod: string): Promise<void> {
  const path = `/api/v1/namespaces/${lab.namespace}/pods/${pod}/portforward?ports=8080`;
  await forbidConnect(lab, `forwarding ports of ${pod}`, {
    resources: ["pods/portforward"],
    named: `request.name == '${pod}'`,
    message: "this pod's ports are not forwarded",
    // Allowed, it is refused for another reason: no upgrade to a stream was asked for.
    answer: async () =>
      (await lab.outsider.run("may its ports be forwarded", ["kubectl", "get", "--raw", path])).stderr,
  });
}

interface Forbidden {
  readonly resources: readonly string[];
  /** In CEL: whether a request means what is forbidden. */
  readonly named: string;
  readonly message: string;
  /** What such a request is told. */
  readonly answer: () => Promise<string>;
}

/** Has the API server connect nobody: RBAC does not bind administrators, a policy does. */
async function forbidConnect(
  lab: Lab,
  subject: string,
  { resources, named, message, answer }: Forbidden,
): Promise<void> {
  const rule = { apiGroups: [""], apiVersions: ["v1"], operations: ["CONNECT"], resources };
  const spec = {
    matchConstraints: { resourceRules: [rule] },
    matchConditions: [{ name: "named", expression: named }],
    validations: [{ expression: "false", message }],
  };
  await putInForce(lab, "Validating", subject, spec, async () => (await answer()).includes(message));
}

async function enforce(
  lab: Lab,
  verb: "Mutating" | "Validating",
  objects: Affected,
  policy: Readonly<Record<string, unknown>>,
): Promise<void> {
  const { metadata: named, ...rest } = specimens[objects.kind](objects.name);
  const specimen = { ...rest, metadata: { ...named, annotations: { [specimenMark]: "yes" } } };
  const ask = () => lab.api.tryCreate("is it in force", specimen, { dryRun: true });
  // One with a name that no object may have is refused by itself.
  const refused = (await ask()).code === 422;
  const inForce = async () => {
    const answer = await ask();
    const { metadata } = answer.body as { metadata?: { annotations?: Record<string, string> } };
    // A patch may fit the check's own object and not the specimen; one that fails there too proves nothing (claim/proofs.ts).
    const unfit = failureOfPolicy(refusalOf(answer)) !== undefined;
    return (answer.code === 422 && !refused) || unfit || metadata?.annotations?.[mark] !== undefined;
  };
  await putInForce(lab, verb, `${objects.kind} ${objects.name}`, { ...matching(objects), ...policy }, inForce);
}

/** Creates an admission policy with its binding, and waits until it is in force and, when the change ends, until it is not. */
async function putInForce(
  lab: Lab,
  verb: "Mutating" | "Validating",
  subject: string,
  policy: Readonly<Record<string, unknown>>,
  inForce: () => Promise<boolean>,
): Promise<void> {
  const metadata = { name: `knc-${randomBytes(4).toString("hex")}` };
  const apiVersion = "admissionregistration.k8s.io/v1";
  const kind = `${verb}AdmissionPolicy`;
  const binding = { policyName: metadata.name, ...(verb === "Validating" ? { validationActions: ["Deny"] } : {}) };
  const objects = [
    { apiVersion, kind, metadata, spec: { failurePolicy: "Fail", ...policy } },
    { apiVersion, kind: `${kind}Binding`, metadata, spec: binding },
  ];
  lab.afterwards(async () => {
    for (const object of objects) await lab.api.requestDeletion("no longer", object);
    await lab.until("the policy to be out of force", inForce, (yes) => !yes);
  });
  for (const object of objects) await lab.api.create(`${object.kind} for ${subject}`, object);
  await lab.until("the policy to be in force", inForce, Boolean);
}

/** Has a pod start without the variables that tell of Services. */
export async function withoutServiceLinks(lab: Lab, pod: string): Promise<void> {
  await mutate.pod(lab, pod, patch.add("/spec/enableServiceLinks", false));
}
