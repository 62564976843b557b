import { expect } from "vitest";
import { mutate } from "../../helpers/changes/admission.ts";
import { patch } from "../../helpers/changes/json-patch.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import type { NodePeer } from "../../helpers/lab/peers.ts";
import { live } from "../../helpers/lab/spec.ts";
import { outputOf, type Peer } from "../../helpers/probe/peer.ts";
import { claim } from "./article.ts";

/** Which name servers a pod asks, and which its node and other pods do. */
interface NameServers {
  readonly pod: string[];
  readonly node: string[];
  readonly cluster: string;
}

claim("dns-policy-default", {
  slow: true,
  observe: (lab) => nameServers(lab, "asks-as-its-node", { dnsPolicy: "Default" }),
  judge: asksAsItsNode,
  control: live("the pod is stored with the policy ClusterFirst", (lab) =>
    mutate.pod(lab, "asks-as-its-node", patch.add("/spec/dnsPolicy", "ClusterFirst")),
  ),
});

claim("host-network-asks-as-the-node", {
  slow: true,
  observe: (lab) => nameServers(lab, "host-asks-as-its-node", { hostNetwork: true }),
  judge: asksAsItsNode,
  control: live("the pod is stored with the policy ClusterFirstWithHostNet", (lab) =>
    mutate.pod(lab, "host-asks-as-its-node", patch.add("/spec/dnsPolicy", "ClusterFirstWithHostNet")),
  ),
});

async function nameServers(lab: Lab, name: string, spec: Readonly<Record<string, unknown>>): Promise<NameServers> {
  const node = lab.worker(0);
  const pod = await lab.pods.start(lab.objects.clientPod(name, { nodeName: node.name, ...spec }));
  const { clusterIP } = await lab.services.get("kube-dns", { namespace: "kube-system" });
  return {
    pod: await nameServersIn(pod, "/etc/resolv.conf"),
    // A kubelet hands on three (pkg/apis/core/validation: MaxDNSNameservers).
    node: (await nameServersIn(node, await fileOfKubelet(lab, node))).slice(0, 3),
    cluster: clusterIP,
  };
}

/** Returns the path of the file in which a node's kubelet reads what the node asks (KubeletConfiguration: resolvConf). */
async function fileOfKubelet(lab: Lab, node: NodePeer): Promise<string> {
  const { kubeletconfig } = await lab.api.read<{ kubeletconfig: { resolvConf?: string } }>(
    "the kubelet's configuration",
    `/api/v1/nodes/${node.name}/proxy/configz`,
  );
  return kubeletconfig.resolvConf ?? "/etc/resolv.conf";
}

async function nameServersIn(peer: Peer, file: string): Promise<string[]> {
  const text = await outputOf(peer, `${file} of ${peer.label}`, ["cat", file]);
  return [...text.matchAll(/^nameserver\s+(\S+)/gm)].flatMap(([, server]) => server ?? []);
}

function asksAsItsNode({ pod, node, cluster }: NameServers): void {
  positiveControl(node.length > 0, "the node asks a name server");
  positiveControl(!node.includes(cluster), "the node does not ask the cluster's DNS itself");
  expect(pod, "name servers that the pod asks").toEqual(node);
}
