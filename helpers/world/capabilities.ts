import semver from "semver";
import { defaults, ownCni, type World } from "../claim/world.ts";

type Probe = (world: World) => string | undefined;

/** Whether the range has a node port, and no Service of others; the capability is named `node-port-31000`, for instance. */
function nodePort(port: number): Probe {
  return ({ nodePortRange, takenNodePorts }) => {
    const [first = 0, last = 0] = nodePortRange.split("-").map(Number);
    const owner = takenNodePorts[port];
    if (port < first || port > last)
      return `a cluster whose range of node ports has ${port}: this one's is ${nodePortRange} (--service-node-port-range)`;
    return owner === undefined
      ? undefined
      : `a cluster in which node port ${port} is free: here the Service ${owner} has it, which is not this suite's`;
  };
}

function nodePortNamed(name: string): Probe | undefined {
  const [, port] = /^node-port-(\d+)$/.exec(name) ?? [];
  return port === undefined ? undefined : nodePort(Number(port));
}

/** What a claim can need of its world: each tells why the world lacks it, or nothing where it has it. */
const capabilities: Readonly<Record<string, Probe>> = {
  "default-cni": ({ cni }) =>
    cni === ownCni
      ? undefined
      : `kind's own CNI plugin kindnet, of which the check looks at files or links: this one has ${cni}`,
  "default-proxy-mode": ({ otherwise, proxyMode, madeBy }) =>
    otherwise.includes("proxyMode")
      ? `a cluster with kind's default mode of kube-proxy: this one was made with ${proxyMode}`
      : madeBy === "user" && proxyMode !== "iptables"
        ? `a cluster of which is known that it was made with kind's default mode of kube-proxy: this one has ${proxyMode}, and somebody else made it`
        : undefined,
  "default-node-port-range": ({ nodePortRange }) =>
    nodePortRange === defaults.nodePortRange
      ? undefined
      : `a cluster with the default range of node ports: this one's API server was started with --service-node-port-range=${nodePortRange}`,
  "default-dns-domain": ({ dnsDomain }) =>
    dnsDomain === defaults.dnsDomain
      ? undefined
      : `a cluster with the default DNS domain ${defaults.dnsDomain}: this one's is ${dnsDomain}`,
  "default-port-mappings": ({ publishedPorts }) =>
    publishedPorts.length === 0
      ? undefined
      : `a cluster of which only the API server's port is published, as kind does when told nothing: this one publishes ${publishedPorts.join(", ")}`,
  "kube-proxy": ({ proxyMode }) =>
    proxyMode === "none" ? "kube-proxy on the nodes: this cluster runs none, whatever its rules are" : undefined,
  "sources-that-services-keep": ({ masqueradesAll }) =>
    masqueradesAll === undefined
      ? undefined
      : "a kube-proxy that was not told to change the source of all that goes to Services (masqueradeAll)",
  "rules-that-name-services": ({ proxyMode }) =>
    proxyMode === "ipvs"
      ? "a mode of kube-proxy in which rules name Services: in ipvs mode the kernel's IPVS has their addresses instead"
      : undefined,
  "addresses-for-load-balancers": ({ poolRefusal }) =>
    poolRefusal === undefined
      ? undefined
      : `a provider of load balancers that has addresses: this cluster's MetalLB has none, and lets nobody add any: ${poolRefusal}`,
  "default-network": ({ network }) =>
    network === "kind"
      ? undefined
      : `nodes on the network kind, as kind puts them when told nothing: these are on ${network}`,
  eth0: ({ nodeLink }) =>
    nodeLink === "eth0" ? undefined : `a control plane that has its address on eth0: on this one it is on ${nodeLink}`,
  "free-lab-names": ({ taken }) =>
    taken.length === 0
      ? undefined
      : `the namespace default as the article's lab finds it: here it already has ${taken.join(", ")}, not this suite's, and nothing is changed there`,
  "nginx-1-21": ({ images }) =>
    images["nginx"]?.endsWith("nginx:1.21") === true
      ? undefined
      : `the image nginx:1.21: here ${images["nginx"]} stands in for it`,
  "host-reaches-nodes": ({ features }) =>
    features.hostReachesNodes
      ? undefined
      : "a machine that reaches its nodes' addresses, as Linux with a local engine does: this one does not (Docker Desktop, or a rootless or remote engine)",
  docker: ({ engine }) =>
    engine.name === "docker" ? undefined : `the statement is about Docker, and the nodes run on ${engine.name}`,
  "default-bridge": ({ engine }) =>
    engine.bridge === "none"
      ? "a Docker engine that has its default network, the bridge: this one was started without"
      : undefined,
  "open-default-bridge": ({ engine }) =>
    engine.bridge === "open"
      ? undefined
      : `a Docker engine whose default bridge is as Docker makes it when told nothing: this one was started ${engine.bridge === "none" ? "without a bridge" : "with icc=false, which keeps containers on it apart"}`,
  "other-cni": ({ cni }) =>
    cni === ownCni
      ? "a cluster with another CNI plugin than kind's own, made with networking.disableDefaultCNI: this one's nodes use kindnet"
      : undefined,
  flannel: ({ cni }) =>
    cni === "flannel" ? undefined : `a cluster that runs Flannel: what configures CNI on this one's nodes is ${cni}'s`,
  "flannel-vxlan": ({ flannelBackend }) =>
    flannelBackend === undefined || flannelBackend === "vxlan"
      ? undefined
      : `a Flannel with the backend of its published manifest, vxlan: this one's is ${flannelBackend}`,
  "network-policies": ({ cni, features }) =>
    features.networkPolicies
      ? undefined
      : cni === ownCni
        ? "a CNI plugin that enforces network policies: this one's kindnet knows none, as before kind 0.24"
        : `a CNI plugin of which is known that it enforces network policies, as kindnet does since kind 0.24: this cluster has ${cni}`,
  // A kindnetd that knows no policies needs none.
  "network-queue": ({ features }) =>
    features.networkQueue || !features.networkPolicies
      ? undefined
      : !features.nft
        ? "nft on the nodes, to find out whether their kernel has NFT_QUEUE: their image does not have it"
        : "a kernel with NFT_QUEUE, by which kindnet enforces policies: on this one's nodes nft refuses such a rule, and kindnet lets everything pass",
  "ingress-controller": ({ images }) =>
    images["skipper"] === undefined
      ? "an Ingress controller's image: no registry has the suite's own, and Go to build it from its module is not on PATH"
      : undefined,
  tcpdump: ({ features }) =>
    features.tcpdump ? undefined : "tcpdump on the nodes: they do not have it, and no way to install it",
  "engines-name-server": ({ dnsForwardsTo }) =>
    dnsForwardsTo === defaults.dnsForwardsTo
      ? undefined
      : `a cluster whose DNS asks its nodes' name server about names outside, which knows the engine's containers: this one's asks ${dnsForwardsTo}`,
  "ipv4-name-server": ({ ipFamilies }) =>
    ipFamilies.includes("ipv4")
      ? undefined
      : "a name server outside that the cluster's can ask: the engine's has an IPv4 address, and pods of this cluster have IPv6 alone",
  "routed-links": ({ cni }) =>
    cni === ownCni
      ? undefined
      : `pods' links that the node routes between, as kindnet makes them, so that a packet is known at every hop: ${cni} may have bridges and tunnels in between`,
  "one-ip-family": ({ ipFamilies }) =>
    ipFamilies.length === 1
      ? undefined
      : "a cluster with one family of addresses: this one has both (networking.ipFamily: dual)",
  packages: ({ features }) =>
    features.packages
      ? undefined
      : "nodes that can install packages of their distribution: these have no way out of their network",
  uplink: ({ features }) =>
    features.uplink ? undefined : "nodes that reach an image registry: these have no way out of their network",
  // KEP-2885: server-side field validation, beta and on in 1.25.
  "strict-fields": ({ kubernetes }) =>
    semver.gte(kubernetes, "1.25.0")
      ? undefined
      : "an API server that refuses fields which it does not know, when asked to: that is Kubernetes 1.25 or later",
  "several-nodes-for-pods": ({ nodes }) => {
    const count = nodes.filter(({ takesPods }) => takesPods).length;
    return count >= 2
      ? undefined
      : `two nodes on which the scheduler may put pods: this cluster has ${count}, the others are cordoned or tainted`;
  },
  "several-nodes": ({ nodes }) =>
    nodes.length >= 2 ? undefined : "two nodes are needed to compare, and this cluster has one",
  "several-workers": ({ nodes }) =>
    nodes.filter(({ role }) => role === "worker").length >= 2
      ? undefined
      : "two nodes that take pods are needed, and this cluster has one",
};

export const capabilityNames: readonly string[] = Object.keys(capabilities);

/**
 * Returns why the world lacks the first of the needed capabilities that it lacks; where kube-proxy does not run, everything.
 *
 * @throws RangeError for an unknown name
 */
export function missingCapability(needs: readonly string[], world: World): string | undefined {
  if (world.proxyFailure !== undefined)
    return `a machine on which kube-proxy starts in ${world.proxyMode} mode; on this one it ends with: ${world.proxyFailure}`;
  for (const name of needs) {
    const probe = capabilities[name] ?? nodePortNamed(name);
    if (probe === undefined) throw new RangeError(`no capability ${name}`);
    const missing = probe(world);
    if (missing !== undefined) return missing;
  }
  return undefined;
}
