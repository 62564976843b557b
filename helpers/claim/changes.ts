import { randomBytes } from "node:crypto";
import type { V1ConfigMap, V1Pod } from "@kubernetes/client-node";
import type { KubernetesObject } from "../probe/api.ts";
import { outputOf, type Peer } from "../probe/peer.ts";
import type { WorldNode } from "../world/world.ts";
import { isReady } from "./cast.ts";
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
    matchConditions: [{ name: "named", expression: `has(object.metadata.name) && object.metadata.name == '${name}'` }],
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

/**
 * Puts a shell script in the place of a program on a node, until the change ends.
 *
 * @param script given where the program itself is meanwhile, to hand on to it what it does not meddle with
 */
export async function wrapProgram(
  lab: Lab,
  node: WorldNode,
  program: string,
  script: (aside: string) => readonly string[],
): Promise<void> {
  const peer = lab.node(node);
  const path = (await outputOf(peer, `where ${program} is`, ["which", program])).trim();
  const aside = `/opt/aside-${path.replaceAll("/", "-")}`;
  // Both ways in one step: it is called all the time.
  const wrap = 'cp -p "$0" "$1" && printf %s "$2" > "$1.new" && chmod +x "$1.new" && mv "$1.new" "$0"';
  const text = ["#!/bin/sh", ...script(aside), ""].join("\n");
  await outputOf(peer, `a script in place of ${program}`, ["sh", "-c", wrap, path, aside, text]);
  lab.afterwards(async () => void (await outputOf(peer, `${program} as it was`, ["mv", aside, path])));
}

/**
 * Rewrites a text in a ConfigMap of kube-system and has pods that read it when they start replaced, until the change ends.
 *
 * @param pods label selector of the pods, in kube-system
 */
export async function configure(
  lab: Lab,
  name: string,
  key: string,
  pods: string,
  edit: (text: string) => string,
): Promise<void> {
  const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace: "kube-system" } };
  const { data } = await lab.get<V1ConfigMap>(`${name} as it is`, `/api/v1/namespaces/kube-system/configmaps/${name}`);
  const text = data?.[key] ?? "";
  const edited = edit(text);
  if (edited === text) throw new Error(`nothing to change in ${key} of the ConfigMap ${name}: ${text}`);
  const apply = async (title: string, content: string) => {
    await lab.patch(title, object, { data: { [key]: content } });
    await replacePods(lab, pods);
  };
  lab.afterwards(() => apply(`${name} as it was`, text));
  await apply(`${name} as it is to be`, edited);
}

/**
 * Does something once there is occasion for it while a check is carried out.
 *
 * @param what the occasion, as a wait names it
 * @param act returns whether there was occasion; it is called until then
 */
export function meanwhile(lab: Lab, what: string, act: () => Promise<boolean>): void {
  const over = new AbortController();
  const done = lab.until(what, async () => over.signal.aborted || act(), Boolean, lab.timeouts.podsReady);
  // Told when the change ends.
  done.catch(() => {});
  lab.afterwards(async () => {
    over.abort();
    await done;
  });
}

/** Deletes pods of kube-system, and waits until as many others are ready. */
async function replacePods(lab: Lab, selector: string): Promise<void> {
  const path = `/api/v1/namespaces/kube-system/pods?labelSelector=${encodeURIComponent(selector)}`;
  const pods = async () => (await lab.get<{ items: V1Pod[] }>(`pods with ${selector}`, path)).items;
  const old = await pods();
  const uids = new Set(old.map(({ metadata }) => metadata?.uid));
  for (const { metadata } of old)
    await lab.requestDeletion("to be replaced", {
      ...{ apiVersion: "v1", kind: "Pod" },
      metadata: { name: metadata?.name ?? "", namespace: "kube-system" },
    });
  await lab.until(
    `${old.length} other pods with ${selector} to be ready`,
    pods,
    (now) => now.length === old.length && now.every((pod) => isReady(pod) && !uids.has(pod.metadata?.uid)),
    lab.timeouts.podsReady,
  );
}
