import { randomBytes } from "node:crypto";
import type { V1ConfigMap, V1Pod } from "@kubernetes/client-node";
import type { WorldNode } from "../claim/world.ts";
import type { KubernetesObject } from "../probe/api.ts";
import { outputOf, type Peer } from "../probe/peer.ts";
import { rulesNaming } from "../probe/rules.ts";
import { type Lab, podsPath } from "./lab.ts";

/** Which objects the API server is to treat otherwise. */
export interface Objects {
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
const specimens: Readonly<Record<Objects["kind"], (name: string) => KubernetesObject>> = {
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
const resources: Readonly<Record<Objects["kind"], readonly [group: string, resource: string]>> = {
  Deployment: ["apps", "deployments"],
  Ingress: ["networking.k8s.io", "ingresses"],
  Pod: ["", "pods"],
  Service: ["", "services"],
};

function matching({ kind, name, namespace, operations = ["CREATE"] }: Objects) {
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
 * @param patches CEL expressions, each a `JSONPatch{op: …, path: …, value: …}`
 */
export async function storeOtherwise(lab: Lab, objects: Objects, ...patches: readonly string[]): Promise<void> {
  const annotations = `Object{metadata: Object.metadata{annotations: {'${mark}': 'yes'}}}`;
  await enforce(lab, "Mutating", objects, {
    reinvocationPolicy: "Never",
    mutations: [
      { patchType: "ApplyConfiguration", applyConfiguration: { expression: annotations } },
      { patchType: "JSONPatch", jsonPatch: { expression: `[${patches.join(", ")}]` } },
    ],
  });
}

/** Has the API server refuse objects with HTTP 422, by a ValidatingAdmissionPolicy, and waits until it does (Kubernetes ≥ 1.30). */
export async function refuse(lab: Lab, objects: Objects, message: string, unless = "false"): Promise<void> {
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
  objects: Objects,
  policy: Readonly<Record<string, unknown>>,
): Promise<void> {
  const specimen = specimens[objects.kind](objects.name);
  const inForce = async () => {
    const { code, body } = await lab.tryCreate("is it in force", specimen, { dryRun: true });
    const { metadata } = body as { metadata?: { annotations?: Record<string, string> } };
    // A patch may fit the check's own object and not the specimen; one that fails there too proves nothing (claim/proofs.ts).
    const unfit = failureOfPolicy((body as { message?: string }).message ?? "") !== undefined;
    return code === 422 || unfit || metadata?.annotations?.[mark] !== undefined;
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
    for (const object of objects) await lab.requestDeletion("no longer", object);
    await lab.until("the policy to be out of force", inForce, (yes) => !yes);
  });
  for (const object of objects) await lab.create(`${object.kind} for ${subject}`, object);
  await lab.until("the policy to be in force", inForce, Boolean);
}

/** Has a pod start without the variables that tell of Services. */
export async function withoutServiceLinks(lab: Lab, pod: string): Promise<void> {
  const patch = "JSONPatch{op: 'add', path: '/spec/enableServiceLinks', value: false}";
  await storeOtherwise(lab, { kind: "Pod", name: pod }, patch);
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
  const command = (action: "-I" | "-D") => [lab.iptables, "-w", "-t", table, action, chain, ...rule];
  lab.afterwards(async () => void (await outputOf(peer, "take the rule away", command("-D"))));
  await outputOf(peer, `a rule in ${table} ${chain}`, command("-I"));
}

/**
 * Stops a process on a node or in a pod, and returns its state once all its threads have heard of it (proc_pid_status(5): `T`).
 *
 * @throws NotInTime where it does not stand still
 */
export async function stopProcess(lab: Lab, peer: Peer, title: string, pid: string): Promise<string> {
  await outputOf(peer, title, ["kill", "-STOP", pid]);
  return lab.until(
    "the process to stand still",
    async () => (await outputOf(peer, "what it does", ["sed", "-n", "s/^State:\\s*//p", `/proc/${pid}/status`])).trim(),
    (state) => state.startsWith("T"),
  );
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
 * Puts a shell script in the place of a program on a node or on the outsider, until the change ends.
 *
 * @param script given where the program itself is meanwhile, to hand on to it what it does not meddle with
 */
export async function wrapProgram(
  lab: Lab,
  peer: Peer,
  program: string,
  script: (aside: string) => readonly string[],
): Promise<void> {
  const path = (await outputOf(peer, `where ${program} is`, ["which", program])).trim();
  const aside = `/opt/aside-${path.replaceAll("/", "-")}`;
  // Both ways in one step: it is called all the time.
  const wrap = 'cp -p "$0" "$1" && printf %s "$2" > "$1.new" && chmod +x "$1.new" && mv "$1.new" "$0"';
  const text = ["#!/bin/sh", ...script(aside), ""].join("\n");
  await outputOf(peer, `a script in place of ${program}`, ["sh", "-c", wrap, path, aside, text]);
  lab.afterwards(async () => void (await outputOf(peer, `${program} as it was`, ["mv", aside, path])));
}

/**
 * Rewrites a text in a ConfigMap and has pods that read it when they start replaced, until the change ends.
 *
 * @param pods labels of the pods, in the same namespace
 * @param settle waits until the rest of the cluster knows the pods that are there now
 */
export async function configure(
  lab: Lab,
  name: string,
  key: string,
  pods: Readonly<Record<string, string>>,
  edit: (text: string) => string,
  settle: (pods: readonly V1Pod[]) => Promise<void> = async () => {},
  namespace = "kube-system",
): Promise<void> {
  const object = { apiVersion: "v1", kind: "ConfigMap", metadata: { name, namespace } };
  const { data } = await lab.get<V1ConfigMap>(`${name} as it is`, `/api/v1/namespaces/${namespace}/configmaps/${name}`);
  const text = data?.[key] ?? "";
  const edited = edit(text);
  if (edited === text) throw new Error(`nothing to change in ${key} of the ConfigMap ${name}: ${text}`);
  const apply = async (title: string, content: string) => {
    await lab.patch(title, object, { data: { [key]: content } });
    await settle(await replacePods(lab, pods, namespace));
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

/** Deletes pods, waits until as many others are ready, and returns these. */
async function replacePods(lab: Lab, labels: Readonly<Record<string, string>>, namespace: string): Promise<V1Pod[]> {
  const { items } = await lab.get<{ items: V1Pod[] }>("the pods to be replaced", podsPath(labels, namespace));
  await Promise.all(
    items.map(({ metadata }) =>
      lab.delete("the pod", { apiVersion: "v1", kind: "Pod", metadata: { name: metadata?.name ?? "", namespace } }),
    ),
  );
  return lab.readyPods(items.length, labels, namespace);
}

/**
 * Has CoreDNS answer every question about Services of these names with an address at which nobody answers, whatever their
 * namespace, until the change ends.
 *
 * @param services names, or regular expressions of them
 */
export async function answerWithAddress(lab: Lab, ...services: readonly string[]): Promise<void> {
  await answerFor(lab, lab.world.dnsDomain, `^(${services.join("|")})[.]`);
}

/** Has CoreDNS answer every question about the name of an address with an address, until the change ends. */
export async function answerReverseWithAddress(lab: Lab): Promise<void> {
  await answerFor(lab, "in-addr.arpa ip6.arpa", ".");
}

async function answerFor(lab: Lab, zones: string, names: string): Promise<void> {
  // CoreDNS looks into its templates before it looks into the cluster's Services.
  const template = `$&    template IN ANY ${zones} {
      match "${names}"
      answer "{{ .Name }} 5 IN A 127.0.0.1"
      fallthrough
    }
`;
  const edit = (corefile: string) => corefile.replace(".:53 {\n", template);
  await configure(lab, "coredns", "Corefile", { "k8s-app": "kube-dns" }, edit, (pods) => nodesLeadTo(lab, pods));
}

/** Waits until the rules of every node lead queries to these pods, and to no other. */
async function nodesLeadTo(lab: Lab, pods: readonly V1Pod[]): Promise<void> {
  const wanted = pods.map(({ status }) => `${status?.podIP}:53`).toSorted();
  const targets = async (node: WorldNode) => {
    const rules = await rulesNaming(lab.node(node), "kube-system/kube-dns:dns");
    return rules.flatMap((rule) => /DNAT --to-destination (\S+)/.exec(rule)?.[1] ?? []).toSorted();
  };
  await lab.until(
    `every node to lead queries to ${wanted.join(" and ")}`,
    () => Promise.all(lab.world.nodes.map(targets)),
    (found) => found.every((each) => each.join() === wanted.join()),
  );
}
