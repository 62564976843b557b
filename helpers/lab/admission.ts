import { randomBytes } from "node:crypto";
import { type KubernetesObject, refusalOf } from "../probe/api.ts";
import { patch } from "./json-patch.ts";
import type { Lab } from "./lab.ts";

/** Which objects the API server is to treat otherwise. */
interface Affected {
  readonly kind: "Deployment" | "Ingress" | "Pod" | "Service";
  /** Their name, as CEL compares it; others are left alone. */
  readonly name: string;
  /** Where the others of that name are left alone. */
  readonly namespace?: string;
  readonly operations?: readonly ("CREATE" | "UPDATE")[];
}

const mark = "kind-network-conformance/changed";

const specimenNamespace = "kube-public";

/** What may be asked of the API server without anything coming of it, to see whether a policy is in force. */
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
};

/** Where the API has objects of a kind. */
const resources: Readonly<Record<Affected["kind"], readonly [group: string, resource: string]>> = {
  Deployment: ["apps", "deployments"],
  Ingress: ["networking.k8s.io", "ingresses"],
  Pod: ["", "pods"],
  Service: ["", "services"],
};

function matching({ kind, name, namespace, operations = ["CREATE"] }: Affected) {
  const named = `has(object.metadata.name) && object.metadata.name == '${name}'`;
  // The specimen by which it is seen to be in force is in another.
  const there = namespace === undefined ? "" : ` && request.namespace in ['${namespace}', '${specimenNamespace}']`;
  const [group, resource] = resources[kind];
  return {
    matchConstraints: {
      resourceRules: [{ apiGroups: [group], apiVersions: ["*"], operations, resources: [resource] }],
    },
    matchConditions: [{ name: "named", expression: `${named}${there}` }],
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
 * Has the API server forward no port of a pod, whoever asks, and waits until it does not (Kubernetes ≥ 1.30): RBAC does not
 * bind administrators, a policy does.
 */
export async function forbidPortForward(lab: Lab, pod: string): Promise<void> {
  const message = "this pod's ports are not forwarded";
  const resourceRules = [
    { apiGroups: [""], apiVersions: ["v1"], operations: ["CONNECT"], resources: ["pods/portforward"] },
  ];
  const path = `/api/v1/namespaces/${lab.namespace}/pods/${pod}/portforward?ports=8080`;
  // Allowed, it is refused for another reason: no upgrade to a stream was asked for.
  const forbidden = async () =>
    (await lab.outsider.run("may its ports be forwarded", ["kubectl", "get", "--raw", path])).stderr.includes(message);
  const spec = {
    matchConstraints: { resourceRules },
    matchConditions: [{ name: "named", expression: `request.name == '${pod}'` }],
    validations: [{ expression: "false", message }],
  };
  await putInForce(lab, "Validating", `forwarding ports of ${pod}`, spec, forbidden);
}

/**
 * Returns why a policy of a change failed itself, where an answer of the API server's says so: what it says then is nothing that
 * the check could see. A mutating policy denies nothing but what it cannot change; a validating one names its own error.
 */
export function failureOfPolicy(text: string): string | undefined {
  return (
    /\bpolicy 'knc-[0-9a-f]{8}' with binding '[^']*' denied request: (.*)/.exec(text)?.[1] ??
    /'knc-[0-9a-f]{8}' denied request: (expression .* resulted in error.*)/.exec(text)?.[1]
  );
}

async function enforce(
  lab: Lab,
  verb: "Mutating" | "Validating",
  objects: Affected,
  policy: Readonly<Record<string, unknown>>,
): Promise<void> {
  const specimen = specimens[objects.kind](objects.name);
  const inForce = async () => {
    const answer = await lab.api.tryCreate("is it in force", specimen, { dryRun: true });
    const { metadata } = answer.body as { metadata?: { annotations?: Record<string, string> } };
    // A patch may fit the check's own object and not the specimen; one that fails there too proves nothing (claim/proofs.ts).
    const unfit = failureOfPolicy(refusalOf(answer)) !== undefined;
    return answer.code === 422 || unfit || metadata?.annotations?.[mark] !== undefined;
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
