import { setTimeout as delay } from "node:timers/promises";
import { parse } from "yaml";
import { z } from "zod";
import type { Lab } from "../article/article.ts";
import { defaults, ownLabel, ProxyMode, World, type WorldNode } from "../claim/world.ts";
import { kubectlOnNode, type NodeAccess } from "../cluster/nodes.ts";
import { lastLine } from "../host/command.ts";
import { UserError } from "../host/errors.ts";
import { ipFamilyOf } from "../probe/ip.ts";
import { inTheWay, Objects, takenNodePorts } from "./taken.ts";

const Nodes = z.object({
  items: z.array(
    z.object({
      metadata: z.object({
        name: z.string(),
        labels: z.record(z.string(), z.string()),
        annotations: z.record(z.string(), z.string()).default({}),
      }),
      spec: z.object({
        podCIDRs: z.array(z.string()).default([]),
        unschedulable: z.boolean().default(false),
        taints: z.array(z.object({ key: z.string(), effect: z.string() })).default([]),
      }),
      status: z.object({
        addresses: z.array(z.object({ type: z.string(), address: z.string() })),
        nodeInfo: z.object({
          kubeletVersion: z.string(),
          containerRuntimeVersion: z.string(),
          kernelVersion: z.string(),
          osImage: z.string(),
        }),
      }),
    }),
  ),
});
const DaemonSets = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string() }),
      status: z.object({ desiredNumberScheduled: z.int().default(0), observedGeneration: z.int().optional() }),
    }),
  ),
});
const ConfigMap = z.object({ data: z.object({ ClusterConfiguration: z.string() }) });
const ClusterConfiguration = z.object({
  kubernetesVersion: z.string(),
  networking: z.object({
    podSubnet: z.string(),
    serviceSubnet: z.string(),
    dnsDomain: z.string().default("cluster.local"),
  }),
});

const ProxyPods = z.object({
  items: z.array(
    z.object({
      metadata: z.object({ name: z.string() }),
      status: z.object({
        containerStatuses: z
          .array(
            z.object({
              ready: z.boolean(),
              restartCount: z.int(),
              state: z.object({ waiting: z.object({ reason: z.string().optional() }).optional() }).default({}),
            }),
          )
          .default([]),
      }),
    }),
  ),
});
const ProxyConfigMap = z.object({ data: z.object({ "config.conf": z.string() }) });
const Data = z.record(z.string(), z.string());
type Data = z.infer<typeof Data>;
/** kubectl makes a list of several, even if only one of them is there. */
const ConfigMaps = z.object({
  items: z.array(z.object({ metadata: z.object({ name: z.string() }), data: Data.default({}) })),
});
const Masquerading = z.object({ masqueradeAll: z.boolean().default(false) }).optional();
const ProxyConfiguration = z.object({
  /** An empty one is the default one. */
  mode: z.string().transform((mode) => ProxyMode.parse(mode || "iptables")),
  /** ipvs mode heeds it too (kube-proxy reference, KubeProxyConfiguration). */
  iptables: Masquerading,
  nftables: Masquerading,
});

/** Asks the cluster through its control plane about kube-system. */
type Kubectl = (...words: string[]) => Promise<string>;

/** What the cluster's maker knows of the world and the cluster itself cannot tell. */
export type Given = Pick<
  World,
  | "cluster"
  | "fresh"
  | "madeBy"
  | "kind"
  | "otherwise"
  | "mayNotStart"
  | "network"
  | "publishedPorts"
  | "engine"
  | "images"
  | "provenance"
  | "adaptations"
>;

/** Returns whether this machine reaches the API server of a cluster, known by its authority's certificate, at a node's own address. */
export type Reaches = (address: string, authority: string) => Promise<boolean>;

/**
 * Returns the world as the cluster shows it, asked through its control plane and each node.
 *
 * @throws UserError where a node does not answer, or where the nodes differ in what has to be the same
 */
export async function detectWorld(
  nodes: NodeAccess,
  controlPlane: string,
  given: Given,
  reaches: Reaches,
  lab?: Lab,
): Promise<World> {
  const kubectl: Kubectl = async (...words) =>
    output(nodes, controlPlane, [...kubectlOnNode, "--namespace=kube-system", ...words]);
  const [found, map, daemonSets, inDefault, services, ownNamespaces] = await Promise.all([
    get(kubectl, Nodes, "nodes"),
    get(kubectl, ConfigMap, "configmap", "kubeadm-config"),
    get(kubectl, DaemonSets, "daemonsets"),
    get(
      kubectl,
      Objects,
      "deployments,replicasets,services,pods,networkpolicies,resourcequotas,limitranges",
      "--namespace=default",
    ),
    get(kubectl, Objects, "services", "--all-namespaces"),
    get(kubectl, Objects, "namespaces", `--selector=${ownLabel}`),
  ]);
  // One that nobody has looked at yet wants no pods yet.
  const hasKubeProxy = daemonSets.items.some(
    ({ metadata, status }) =>
      metadata.name === "kube-proxy" && (status.observedGeneration === undefined || status.desiredNumberScheduled > 0),
  );
  const { kubernetesVersion, networking } = ClusterConfiguration.parse(parse(map.data.ClusterConfiguration));
  const told: { failure?: string } = {};
  const described = await Promise.all(
    found.items.map(async ({ metadata, spec, status }) => {
      const { mode, failure }: Proxy = hasKubeProxy
        ? await proxyOn(nodes, metadata.name, kubectl, told)
        : { mode: "none" };
      const node: WorldNode = {
        name: metadata.name,
        role: "node-role.kubernetes.io/control-plane" in metadata.labels ? "control-plane" : "worker",
        addresses: status.addresses.filter(({ type }) => type === "InternalIP").map(({ address }) => address),
        podCIDRs: spec.podCIDRs,
        kubelet: status.nodeInfo.kubeletVersion,
        runtime: status.nodeInfo.containerRuntimeVersion,
        kernel: status.nodeInfo.kernelVersion,
        os: status.nodeInfo.osImage,
        proxyMode: mode,
        takesPods: takesPods(spec),
      };
      return { node, failure };
    }),
  );
  const worldNodes = described.map(({ node }) => node);
  const [address = ""] = worldNodes.find(({ name }) => name === controlPlane)?.addresses ?? [];
  const manifest = "/etc/kubernetes/manifests/kube-apiserver.yaml";
  const [links, cni, apiServer, poolRefusal, configured, authority, ofNodes] = await Promise.all([
    output(nodes, controlPlane, ["ip", "-oneline", "address"]),
    cniOn(nodes, controlPlane),
    output(nodes, controlPlane, ["cat", manifest]),
    poolRefusalOn(nodes, controlPlane),
    configMaps(kubectl, "coredns", "kube-proxy"),
    output(nodes, controlPlane, ["cat", "/etc/kubernetes/pki/ca.crt"]),
    detectFeatures(nodes, controlPlane, given.engine.owner === "user"),
  ]);
  const hostReachesNodes = await reaches(address, authority);
  const corefile = configured.get("coredns")?.["Corefile"] ?? "";
  const proxyConfig = hasKubeProxy ? configured.get("kube-proxy")?.["config.conf"] : undefined;
  const masqueradesAll = proxyConfig !== undefined && masquerades(proxyConfig, same(worldNodes, "proxyMode"));
  const nodeLink =
    links
      .split("\n")
      .find((line) => line.includes(` ${address}/`))
      ?.split(/\s+/)[1] ?? "none";
  const proxyFailure = described.find(({ failure }) => failure !== undefined)?.failure;
  // flannel, pkg/subnet/kube/annotations.go; not there yet while Flannel starts.
  const flannelBackend = found.items
    .map(({ metadata }) => metadata.annotations["flannel.alpha.coreos.com/backend-type"])
    .find(Boolean);
  const nodePortRange = /--service-node-port-range=(\d+-\d+)/.exec(apiServer)?.[1] ?? defaults.nodePortRange;
  const podSubnets = networking.podSubnet.split(",");
  return World.parse({
    ...given,
    kubernetes: kubernetesVersion,
    proxyMode: same(worldNodes, "proxyMode"),
    ...(proxyFailure === undefined ? {} : { proxyFailure }),
    ipFamilies: podSubnets.map(ipFamilyOf),
    ...{ cni, podSubnets },
    ...(cni === "flannel" && flannelBackend !== undefined ? { flannelBackend } : {}),
    serviceSubnets: networking.serviceSubnet.split(","),
    dnsDomain: networking.dnsDomain,
    ...{ nodePortRange, nodeLink },
    taken: inTheWay(inDefault, lab),
    takenNodePorts: takenNodePorts(services, ownNamespaces),
    ...(poolRefusal === undefined ? {} : { poolRefusal }),
    ...(masqueradesAll ? { masqueradesAll } : {}),
    dnsForwardsTo: forwardedTo(corefile),
    features: { ...ofNodes, hostReachesNodes },
    nodes: worldNodes.sort((a, b) =>
      a.role === b.role ? a.name.localeCompare(b.name) : a.role === "control-plane" ? -1 : 1,
    ),
  } satisfies World);
}

/** Returns whom CoreDNS asks about all other names; other blocks of a Corefile are for single domains. */
export function forwardedTo(corefile: string): string {
  const whole = /^\.(?::53)?\s*\{.*/ms.exec(corefile)?.[0] ?? "";
  return /^\s*forward\s+\.\s+([^{#\n]+)/m.exec(whole)?.[1]?.trim() ?? defaults.dnsForwardsTo;
}

/**
 * Returns whether a kernel has NFT_QUEUE and IP_VS; the first is undefined where nft does not work at all.
 *
 * @param works runs a shell's script where that kernel is, and returns whether it ended well
 */
export async function kernelFeatures(
  works: (script: string) => Promise<boolean>,
): Promise<{ readonly networkQueue: boolean | undefined; readonly ipvs: boolean }> {
  const nft = (rule: string) =>
    works(
      `unshare --net nft 'add table inet t; add chain inet t c { type filter hook input priority 0; }; add rule inet t c ${rule}'`,
    );
  const [nftables, queue, ipvs] = await Promise.all([
    nft("counter"),
    nft("queue num 0 bypass"),
    works("test -e /proc/net/ip_vs || modprobe --dry-run --quiet ip_vs"),
  ]);
  return { networkQueue: nftables ? queue : undefined, ipvs };
}

/**
 * Returns whether the scheduler may put pods on a node. Taints by which Kubernetes tells of a node's condition come and go, and a
 * node that has joined a moment ago has one (Kubernetes docs, "Taints and Tolerations", taint-based evictions).
 */
export function takesPods({
  unschedulable,
  taints,
}: {
  readonly unschedulable: boolean;
  readonly taints: readonly { readonly key: string; readonly effect: string }[];
}): boolean {
  return (
    !unschedulable &&
    taints.every(({ key, effect }) => effect === "PreferNoSchedule" || key.startsWith("node.kubernetes.io/"))
  );
}

/** What nodes can do is tried, in a network namespace of its own where it would change anything. */
async function detectFeatures(
  nodes: NodeAccess,
  node: string,
  mayHaveUplink: boolean,
): Promise<Omit<World["features"], "hostReachesNodes">> {
  const works = async (script: string) => !(await nodes.run(node, ["sh", "-c", script], { timeout: 20_000 })).failed;
  const [{ networkQueue, ipvs }, nft, networkPolicies, tcpdump, packages, uplink] = await Promise.all([
    kernelFeatures(works),
    works("command -v nft"),
    // The library by which kindnetd enforces policies is named in the program itself; an image's tag may be another's.
    works("grep -qs kube-network-policies $(grep -slx kindnetd /proc/[0-9]*/comm | sed 's/comm$/exe/') /dev/null"),
    works("command -v tcpdump"),
    // A node image that was built here brings them; see fixtures/images/recipe.yaml.
    works("test -s /opt/debian/Packages"),
    // The suite's own engine has none by its making. Whatever a registry answers, it can be asked, by a proxy too.
    mayHaveUplink &&
      works("unset no_proxy NO_PROXY; curl --silent --max-time 5 --output /dev/null https://registry-1.docker.io/v2/"),
  ]);
  return {
    // Without nft nothing tells; the capability says so.
    networkQueue: networkQueue ?? false,
    nft,
    ...{ ipvs, networkPolicies, tcpdump: tcpdump || packages || uplink, packages: packages || uplink, uplink },
  };
}

/** The first configuration counts (containerd's CRI, max_conf_num); plugins name theirs after themselves, behind a number. */
async function cniOn(nodes: NodeAccess, node: string): Promise<string> {
  const found = await output(nodes, node, ["ls", "/etc/cni/net.d"]);
  const name = /^(?:\d+-)?(\w+)[\w-]*\.(?:conf|conflist|json)$/m.exec(found)?.[1];
  if (name === undefined)
    throw new UserError(
      `${node} has no CNI configuration in /etc/cni/net.d, so that no pod gets a network`,
      "install a CNI plugin in the cluster",
    );
  return name;
}

/** A MetalLB that is there and has addresses can be used; one that has none may refuse those of another, which is tried without creating any. */
async function poolRefusalOn(nodes: NodeAccess, node: string): Promise<string | undefined> {
  const kubectl = kubectlOnNode.join(" ");
  const metadata = { name: "pool", namespace: "default" };
  const pool = {
    apiVersion: "metallb.io/v1beta1",
    kind: "IPAddressPool",
    metadata,
    spec: { addresses: ["192.0.2.1/32"] },
  };
  const script = `pools=$(${kubectl} get ipaddresspools.metallb.io --all-namespaces --output=name 2>/dev/null) || exit 0
[ -n "$pools" ] || printf %s "$0" | ${kubectl} create --dry-run=server --filename=-`;
  const { failed, stderr } = await nodes.run(node, ["sh", "-c", script, JSON.stringify(pool)], { timeout: 30_000 });
  return failed ? stderr.trim() : undefined;
}

/** What kube-proxy does on a node: the mode it is in, or the one it was told to be in and its last words. */
interface Proxy {
  readonly mode: WorldNode["proxyMode"];
  readonly failure?: string;
}

/** curl's exit codes where it asked and nobody answered, or not well (curl(1)); with others it was not even started. */
const unanswered: ReadonlySet<number | undefined> = new Set([7, 22, 28, 52, 56]);

function unreachable(node: string, words: string): UserError {
  return new UserError(
    `the node ${node} cannot be asked: ${lastLine(words) || "no answer"}`,
    "check that all nodes of the cluster run on this engine",
  );
}

/**
 * kube-proxy tells its mode on every node (kube-proxy --metrics-bind-address, path /proxyMode), unless it does not start.
 *
 * @param told its last words on the first node on which it does not: then no other is waited for
 */
async function proxyOn(nodes: NodeAccess, node: string, kubectl: Kubectl, told: { failure?: string }): Promise<Proxy> {
  const deadline = Date.now() + 60_000;
  const address = "http://localhost:10249/proxyMode";
  for (;;) {
    const words = ["curl", "--silent", "--show-error", "--fail", "--max-time", "2", address];
    const result = await nodes.run(node, words, { timeout: 30_000 });
    if (!result.failed) return { mode: ProxyMode.parse(result.stdout.trim()) };
    if (!unanswered.has(result.exitCode)) throw unreachable(node, result.stderr);
    const failure = told.failure ?? (await failureOn(node, kubectl));
    if (failure !== undefined) {
      told.failure = failure;
      return { mode: await wantedMode(kubectl), failure };
    }
    if (Date.now() > deadline)
      throw new UserError(
        `kube-proxy on ${node} did not tell its mode within 60 s: ${result.stderr.trim()}`,
        "look at kubectl -n kube-system logs -l k8s-app=kube-proxy",
      );
    await delay(250);
  }
}

/** Returns kube-proxy's last words on a node where it has ended more than once, since it may start before the API server answers: the kubelet waits only then. */
async function failureOn(node: string, kubectl: Kubectl): Promise<string | undefined> {
  const ofNode = ["--selector=k8s-app=kube-proxy", `--field-selector=spec.nodeName=${node}`];
  const { items } = await get(kubectl, ProxyPods, "pods", ...ofNode);
  const ended = items.find(({ status }) =>
    status.containerStatuses.some(
      ({ ready, restartCount, state }) =>
        !ready && (restartCount >= 2 || (restartCount === 1 && state.waiting?.reason === "CrashLoopBackOff")),
    ),
  );
  if (ended === undefined) return undefined;
  // Between two attempts the kubelet may have the one container no more and the other not yet.
  const said = await kubectl("logs", "--tail=1", ended.metadata.name).catch(() => "");
  return said.trim() === "" || said.startsWith("unable to retrieve") ? undefined : said.trim();
}

/** Returns what the ConfigMaps of these names have, by their names; those that are not there are left out. */
async function configMaps(kubectl: Kubectl, ...names: [string, string, ...string[]]): Promise<Map<string, Data>> {
  const found = await kubectl("get", "configmaps", ...names, "--ignore-not-found", "--output=json");
  const items = found.trim() === "" ? [] : ConfigMaps.parse(JSON.parse(found)).items;
  return new Map(items.map(({ metadata, data }) => [metadata.name, data]));
}

/** Returns whether kube-proxy in that mode was told to masquerade all that goes to Services. */
function masquerades(config: string, mode: World["proxyMode"]): boolean {
  const { iptables, nftables } = ProxyConfiguration.parse(parse(config));
  return (mode === "nftables" ? nftables : iptables)?.masqueradeAll === true;
}

async function wantedMode(kubectl: Kubectl): Promise<Proxy["mode"]> {
  const { data } = await get(kubectl, ProxyConfigMap, "configmap", "kube-proxy");
  return ProxyConfiguration.parse(parse(data["config.conf"])).mode;
}

async function get<Schema extends z.ZodType>(
  kubectl: Kubectl,
  schema: Schema,
  ...words: string[]
): Promise<z.infer<Schema>> {
  return schema.parse(JSON.parse(await kubectl("get", "--output=json", ...words)));
}

async function output(nodes: NodeAccess, node: string, command: readonly string[]): Promise<string> {
  const result = await nodes.run(node, command, { timeout: 30_000 });
  if (result.failed)
    throw new UserError(
      `${command.join(" ")} failed on ${node}: ${lastLine(result.stderr) || "no answer"}`,
      "check that the cluster's nodes run, and that its API server answers",
    );
  return result.stdout;
}

function same(nodes: readonly WorldNode[], key: "proxyMode"): WorldNode["proxyMode"] {
  const values = new Set(nodes.map((node) => node[key]));
  const [value] = values;
  if (value === undefined || values.size > 1)
    throw new UserError(
      `the nodes differ in ${key}: ${nodes.map((node) => `${node.name} ${node[key]}`).join(", ")}`,
      "check a cluster whose nodes are alike",
    );
  return value;
}
