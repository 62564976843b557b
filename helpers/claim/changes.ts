import { randomBytes } from "node:crypto";
import type { KubernetesObject } from "../probe/api.ts";
import { outputOf, type Peer } from "../probe/peer.ts";
import type { WorldNode } from "../world/world.ts";
import type { Lab } from "./lab.ts";

/** Which objects the API server is to treat otherwise. */
export interface Objects {
  readonly kind: "Deployment" | "Pod" | "Service";
  /** Their name, as CEL compares it; others are left alone. */
  readonly name: string;
  readonly operations?: readonly ("CREATE" | "UPDATE")[];
}

const mark = "kind-network-conformance/changed";

/** What may be asked of the API server without anything coming of it, to see whether a policy is in force. */
const specimens: Readonly<Record<Objects["kind"], (name: string) => KubernetesObject>> = {
  Service: (name) => ({
    ...{ apiVersion: "v1", kind: "Service", metadata: { name, namespace: "kube-public" } },
    spec: { ports: [{ port: 80 }] },
  }),
  Pod: (name) => ({
    ...{ apiVersion: "v1", kind: "Pod", metadata: { name, namespace: "kube-public" } },
    spec: { containers: [{ name: "c", image: "c" }] },
  }),
  Deployment: (name) => ({
    ...{ apiVersion: "apps/v1", kind: "Deployment", metadata: { name, namespace: "kube-public" } },
    spec: {
      selector: { matchLabels: { app: "c" } },
      template: { metadata: { labels: { app: "c" } }, spec: { containers: [{ name: "c", image: "c" }] } },
    },
  }),
};

function matching({ kind, name, operations = ["CREATE"] }: Objects) {
  return {
    matchConstraints: {
      resourceRules: [
        {
          apiGroups: [kind === "Deployment" ? "apps" : ""],
          apiVersions: ["*"],
          operations,
          resources: [`${kind.toLowerCase()}s`],
        },
      ],
    },
    matchConditions: [{ name: "named", expression: `object.metadata.name == '${name}'` }],
  };
}

/**
 * Has the API server store another object than the one that is sent, by a MutatingAdmissionPolicy, and waits until it
 * does (Kubernetes ≥ 1.36).
 *
 * @param patches CEL expressions, each a `JSONPatch{op: …, path: …, value: …}`
 */
export async function storeOtherwise(lab: Lab, objects: Objects, ...patches: readonly string[]): Promise<void> {
  const annotations = `Object{metadata: Object.metadata{annotations: {'${mark}': 'yes'}}}`;
  await enforce(lab, "Mutating", objects, {
    failurePolicy: "Fail",
    reinvocationPolicy: "Never",
    mutations: [
      { patchType: "ApplyConfiguration", applyConfiguration: { expression: annotations } },
      { patchType: "JSONPatch", jsonPatch: { expression: `[${patches.join(", ")}]` } },
    ],
  });
}

/** Has the API server refuse objects with HTTP 422, by a ValidatingAdmissionPolicy, and waits until it does (Kubernetes ≥ 1.30). */
export async function refuse(lab: Lab, objects: Objects, message: string, unless = "false"): Promise<void> {
  await enforce(
    lab,
    "Validating",
    objects,
    { failurePolicy: "Fail", validations: [{ expression: unless, message, reason: "Invalid" }] },
    { validationActions: ["Deny"] },
  );
}

async function enforce(
  lab: Lab,
  verb: "Mutating" | "Validating",
  objects: Objects,
  policy: Readonly<Record<string, unknown>>,
  binding: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const name = `knc-${randomBytes(4).toString("hex")}`;
  const apiVersion = "admissionregistration.k8s.io/v1";
  const kind = `${verb}AdmissionPolicy`;
  const specimen = specimens[objects.kind](objects.name);
  const inForce = async () => {
    const { code, body } = await lab.tryCreate("is it in force", specimen, { dryRun: true });
    const { metadata } = body as { metadata?: { annotations?: Record<string, string> } };
    return code >= 400 || metadata?.annotations?.[mark] !== undefined;
  };
  const objectsMade = [
    { apiVersion, kind, metadata: { name }, spec: { ...matching(objects), ...policy } },
    { apiVersion, kind: `${kind}Binding`, metadata: { name }, spec: { policyName: name, ...binding } },
  ];
  lab.afterwards(async () => {
    for (const object of objectsMade) await lab.requestDeletion("no longer", object);
    await lab.until("the policy to be out of force", inForce, (yes) => !yes);
  });
  for (const object of objectsMade) await lab.create(`${object.kind} for ${objects.kind} ${objects.name}`, object);
  await lab.until("the policy to be in force", inForce, Boolean);
}

/** Puts a rule in front of a chain of iptables on a node, until the change ends. */
export async function iptablesRule(
  lab: Lab,
  node: WorldNode,
  table: "filter" | "mangle" | "nat" | "raw",
  chain: string,
  ...rule: readonly string[]
): Promise<void> {
  const peer = lab.node(node);
  const command = (action: "-I" | "-D") => ["iptables", "-w", "-t", table, action, chain, ...rule];
  lab.afterwards(async () => void (await outputOf(peer, "take the rule away", command("-D"))));
  await outputOf(peer, `a rule in ${table} ${chain}`, command("-I"));
}

/** Moves a file on a node, until the change ends. */
export async function moveFile(lab: Lab, peer: Peer, from: string, to: string): Promise<void> {
  lab.afterwards(async () => void (await outputOf(peer, `${to} is ${from} again`, ["mv", to, from])));
  await outputOf(peer, `${from} becomes ${to}`, ["mv", from, to]);
}

/** Rewrites a file on a node or in a pod, until the change ends. */
export async function editFile(lab: Lab, peer: Peer, path: string, edit: (text: string) => string): Promise<void> {
  const text = await outputOf(peer, `${path} as it is`, ["cat", path]);
  const write = (title: string, content: string) =>
    // Written in place: a file that replaces another would be another one to whoever watches it.
    outputOf(peer, title, ["sh", "-c", 'printf %s "$1" > "$0"', path, content]);
  lab.afterwards(async () => void (await write(`${path} as it was`, text)));
  await write(`${path} as it is to be`, edit(text));
}
