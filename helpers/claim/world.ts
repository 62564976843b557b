import { z } from "zod";

/** kube-proxy's modes; `none` where there is no kube-proxy. */
export const ProxyMode = z.enum(["iptables", "ipvs", "nftables", "userspace", "none"]);

/** What Kubernetes and kind do when they are told nothing (kube-apiserver's and kubeadm's flags; kind, pkg/apis/config/defaults). */
export const defaults = {
  nodePortRange: "30000-32767",
  dnsDomain: "cluster.local",
  dnsForwardsTo: "/etc/resolv.conf",
} as const;

/** Label of what the suite makes in a cluster: whatever has it may be deleted, and nothing else. */
export const ownLabel = "kind-network-conformance";

/** The CNI plugin that kind installs when it is told nothing (kind, pkg/build/nodeimage). */
export const ownCni = "kindnet";

const Node = z.strictObject({
  name: z.string(),
  role: z.enum(["control-plane", "worker"]),
  addresses: z.array(z.string()).min(1).describe("InternalIPs, the first family first"),
  podCIDRs: z.array(z.string()),
  kubelet: z.string(),
  runtime: z.string(),
  kernel: z.string(),
  os: z.string(),
  proxyMode: ProxyMode,
  takesPods: z
    .boolean()
    .default(true)
    .describe("the scheduler may put any pod there: not cordoned, no taint forbids it"),
});
export type WorldNode = z.infer<typeof Node>;

/** The cluster as found: detected once per run, and the same on all nodes where it has to be. */
export const World = z.strictObject({
  cluster: z.string(),
  fresh: z.boolean().describe("made for this run, not kept from an earlier one"),
  kind: z.string(),
  kubernetes: z.string(),
  proxyMode: ProxyMode,
  proxyFailure: z.string().optional().describe("kube-proxy's last words where it does not start in that mode here"),
  mayNotStart: z
    .boolean()
    .optional()
    .describe("the matrix cell says that kube-proxy does not start in its mode on some machines"),
  ipFamilies: z.array(z.enum(["ipv4", "ipv6"])).min(1),
  cni: z.string().default(ownCni).describe("the CNI plugin, as its configuration file on the nodes is named"),
  flannelBackend: z.string().optional().describe("by what Flannel connects nodes, as it has noted on them"),
  podSubnets: z.array(z.string()).min(1),
  serviceSubnets: z.array(z.string()).min(1),
  dnsDomain: z.string(),
  dnsForwardsTo: z
    .string()
    .default(defaults.dnsForwardsTo)
    .describe("whom the cluster's DNS asks about names that are not the cluster's, as its Corefile has it"),
  nodePortRange: z.string().default(defaults.nodePortRange).describe("first and last node port that Services may have"),
  publishedPorts: z
    .array(z.string())
    .default([])
    .describe("ports of nodes that the machine publishes besides the API server's, as `worker 31000/tcp`"),
  masqueradesAll: z
    .literal(true)
    .optional()
    .describe("there where kube-proxy was told to masquerade all that goes to Services (masqueradeAll)"),
  poolRefusal: z
    .string()
    .optional()
    .describe("why somebody else's MetalLB, which has no addresses, lets nobody add any"),
  network: z.string().default("kind").describe("the engine's network that the nodes are on"),
  nodeLink: z.string().default("eth0").describe("the control plane's link that has its InternalIP"),
  taken: z
    .array(z.string())
    .default([])
    .describe("what is in the way of the article's lab in the namespace default, and is not the suite's"),
  takenNodePorts: z.record(z.string(), z.string()).default({}).describe("node port -> the Service that has it"),
  madeBy: z.enum(["suite", "user"]).default("suite").describe("user: nobody knows how the cluster was configured"),
  otherwise: z.array(z.string()).default([]).describe("settings of the cluster that are not kind's defaults"),
  nodes: z.array(Node).min(1),
  features: z
    .strictObject({
      networkQueue: z.boolean().describe("the kernel has NFT_QUEUE, by which kindnet enforces network policies"),
      networkPolicies: z.boolean().default(true).describe("the kindnetd that runs knows network policies (kind v0.24)"),
      ipvs: z.boolean().describe("the kernel has IP_VS"),
      nft: z.boolean().default(true).describe("nodes have nft, the program for nftables"),
      tcpdump: z.boolean().describe("nodes have tcpdump, or a way to install it"),
      packages: z.boolean().default(false).describe("nodes can install packages of their distribution"),
      uplink: z.boolean().describe("nodes reach an image registry and their distribution's packages"),
      hostReachesNodes: z
        .boolean()
        .default(true)
        .describe("the machine that checks reaches nodes at their own addresses"),
    })
    .describe("what the nodes, and the machine that checks them, were found to be able to do"),
  engine: z.strictObject({
    name: z.enum(["docker", "podman"]),
    version: z.string(),
    owner: z.enum(["user", "suite"]).describe("suite: the private engine"),
    cgroup: z.enum(["v1", "v2"]),
    bridge: z
      .enum(["open", "closed", "none"])
      .default("open")
      .describe("Docker's default bridge; closed: made with icc=false, its containers cannot talk"),
  }),
  images: z.record(z.string(), z.string()).describe("name in the image lock file -> reference used"),
  provenance: z.record(z.string(), z.string()).describe("part -> what it really is"),
  adaptations: z.array(z.string()).describe("what was changed from kind's defaults for this machine, and why"),
});
export type World = z.infer<typeof World>;

/** Returns what tells one world from another, in a line. */
export function worldInWords({ kubernetes, kind, proxyMode, ipFamilies, cni }: World): string {
  return `Kubernetes ${kubernetes}, kind ${kind}, kube-proxy ${proxyMode}, ${ipFamilies.join("+")}${cni === ownCni ? "" : `, ${cni}`}`;
}
