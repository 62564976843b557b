import type { V1Pod } from "@kubernetes/client-node";
import type { Lab } from "../lab/lab.ts";
import type { NodePeer } from "../lab/peers.ts";
import { nameOf } from "../lab/pods.ts";
import { hostPrefix } from "../probe/ip.ts";
import { interfaceTowards } from "../probe/links.ts";
import { outputOf, type Peer } from "../probe/peer.ts";
import { rulesNaming } from "../probe/rules.ts";

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
 * Puts a shell script in the place of a program on a node, on the outsider or in a pod, until the change ends.
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
  const wrap =
    'mkdir -p "${1%/*}" && cp -p "$0" "$1" && printf %s "$2" > "$1.new" && chmod +x "$1.new" && mv "$1.new" "$0"';
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
  const { data } = await lab.api.get(`${name} as it is`, "ConfigMap", name, namespace);
  const text = data?.[key] ?? "";
  const edited = edit(text);
  if (edited === text) throw new Error(`nothing to change in ${key} of the ConfigMap ${name}: ${text}`);
  const apply = async (title: string, content: string) => {
    await lab.api.patch(title, object, { data: { [key]: content } });
    await settle(await replacePods(lab, pods, namespace));
  };
  lab.afterwards(() => apply(`${name} as it was`, text));
  await apply(`${name} as it is to be`, edited);
}

/** Has a node lead to a pod of the cast by another one's link too, in vain: behind the first route, so that no packet takes it. */
export async function secondRouteTo(lab: Lab, pod: string, other: string): Promise<void> {
  // Both on the first worker, and of the cast: others come and go, and their links with them.
  const node = lab.worker(0);
  const link = await interfaceTowards(node, lab.family, lab.pod(other).address);
  const route = [hostPrefix(lab.pod(pod).address), "dev", link, "metric", "500"];
  lab.afterwards(async () => void (await outputOf(node, "one way again", ["ip", "route", "del", ...route])));
  await outputOf(node, "another way to the pod", ["ip", "route", "add", ...route]);
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
  const pods = await lab.api.list("the pods to be replaced", "Pod", { namespace, labels });
  await Promise.all(
    pods.map((pod) =>
      lab.api.delete("the pod", { apiVersion: "v1", kind: "Pod", metadata: { name: nameOf(pod), namespace } }),
    ),
  );
  return lab.pods.severalReady(pods.length, labels, namespace);
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
  const targets = async (node: NodePeer) => {
    const rules = await rulesNaming(node, "kube-system/kube-dns:dns");
    return rules.flatMap((rule) => /DNAT --to-destination (\S+)/.exec(rule)?.[1] ?? []).toSorted();
  };
  await lab.until(
    `every node to lead queries to ${wanted.join(" and ")}`,
    () => Promise.all(lab.nodes.map(targets)),
    (found) => found.every((each) => each.join() === wanted.join()),
  );
}
