import { randomBytes } from "node:crypto";
import type { V1Pod } from "@kubernetes/client-node";
import { expect } from "vitest";
import { editFile, moveFile, wrapProgram } from "../../helpers/changes/nodes.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import type { NodePeer } from "../../helpers/lab/peers.ts";
import { live } from "../../helpers/lab/spec.ts";
import { jsonOf, outputOf, type Peer } from "../../helpers/probe/peer.ts";
import { claim } from "./article.ts";
import { type Conflist, pluginsOf, readConflist } from "./conflist.ts";

claim("cni-comes-with-kind", {
  observe: async (lab) => {
    // A container of the nodes' image that never was a node: nothing runs there, and nothing was pulled.
    const path = "/kind/manifests/default-cni.yaml";
    const manifest = await outputOf(lab.outsider, "the manifest in the node image", ["cat", path]);
    const [, image = ""] = /image:\s*["']?([^\s"']+)/.exec(manifest) ?? [];
    const names = await outputOf(lab.outsider, `how often containerd's database in the node image names ${image}`, [
      "sh",
      "-c",
      'grep -caF -- "$0" /var/lib/containerd/io.containerd.metadata.v1.bolt/meta.db || test $? = 1',
      image,
    ]);
    return { image, inTheNodeImage: Number(names) > 0 };
  },
  judge: ({ image, inTheNodeImage }) => {
    expect(image, "the image that the manifest in kind's node image asks for").not.toBe("");
    expect(inTheNodeImage, `${image}, which that manifest asks for, came with the node image`).toBe(true);
  },
  control: live(
    "the node image's manifest asks for another image",
    (lab) =>
      editFile(lab, lab.outsider, "/kind/manifests/default-cni.yaml", (text) => text.replaceAll("kindnetd:", "other:")),
    { lane: "kind's manifest" },
  ),
});

claim("kubernetes-uses-cni", {
  observe: async (lab) => {
    const node = lab.worker(0);
    const name = "needs-a-network";
    const { metadata } = await lab.api.create<V1Pod>(
      "a pod",
      lab.objects.clientPod(name, { nodeName: lab.worker(0).name }),
    );
    const look = async () => {
      const { status } = await lab.api.get("the pod", "Pod", name);
      const events = await lab.api.list("what is told of it", "Event", {
        namespace: lab.namespace,
        fields: { "involvedObject.uid": `${metadata?.uid}` },
      });
      const refusal = events.find(({ reason }) => reason === "FailedCreatePodSandBox")?.message ?? null;
      return { address: status?.podIP ?? null, refusal };
    };
    const first = await lab.until(
      "the pod to have an address, or none for a reason",
      look,
      ({ address, refusal }) => address !== null || refusal !== null,
      lab.timeouts.podsReady,
    );
    // Which may pass.
    const pod = first.address === null ? await lab.eventually(look, ({ address }) => address !== null) : first;
    return { pod, call: await callFor(node, lab.namespace, name) };
  },
  judge: ({ pod, call }) => {
    expect(
      call,
      `what the container runtime has of its call of CNI plugins for the pod${pod.refusal === null ? "" : ` (${pod.refusal})`}`,
    ).not.toBeNull();
    expect(call?.plugins.length, "plugins of the configuration with which it called").toBeGreaterThan(0);
    expect(call?.addresses, "addresses that the plugins gave the pod, its own among them").toContain(pod.address);
  },
  control: live(
    "a plugin that the configuration names is not there",
    (lab) => moveFile(lab, lab.worker(0), "/opt/cni/bin/portmap", "/opt/cni/portmap"),
    { alone: true },
  ),
});

/** What a container runtime keeps of a call of CNI plugins, for the call that undoes it (containernetworking/cni, libcni/api.go). */
interface Call {
  readonly ifName: string;
  readonly config: string;
  readonly cniArgs: readonly (readonly [name: string, value: string])[];
  readonly result: { readonly ips?: readonly { readonly address: string }[] };
}

/** Returns with which plugins a node's container runtime has made a pod's network, and the addresses that they gave it. */
async function callFor(
  node: Peer,
  namespace: string,
  pod: string,
): Promise<{ plugins: string[]; addresses: string[] } | null> {
  const kept = await node.run("calls that are kept", ["sh", "-c", 'grep -ls "$0" /var/lib/cni/results/*', `"${pod}"`]);
  for (const file of kept.stdout.split("\n").filter(Boolean)) {
    const call = await jsonOf<Call>(node, "the call", ["cat", file]);
    const told = new Map(call.cniArgs);
    const ofPod = told.get("K8S_POD_NAMESPACE") === namespace && told.get("K8S_POD_NAME") === pod;
    // Its loopback interface has a call of its own.
    if (!ofPod || call.ifName !== "eth0") continue;
    const { plugins } = JSON.parse(Buffer.from(call.config, "base64").toString()) as Pick<Conflist, "plugins">;
    return {
      plugins: plugins.map(({ type }) => type),
      addresses: (call.result.ips ?? []).flatMap(({ address }) => address.split("/")[0] ?? []),
    };
  }
  return null;
}

claim("cni-is-a-specification", {
  observe: async (lab) => {
    const node = lab.worker(0);
    const conflist = await readConflist(node);
    const ask = (plugin: string, command: string) =>
      node.run(`${plugin}: ${command}`, [
        "sh",
        "-c",
        'printf \'{"cniVersion":"0.3.1","name":"t","type":"t"}\' | CNI_COMMAND="$1" CNI_CONTAINERID=t CNI_NETNS=/t CNI_IFNAME=t CNI_PATH=/opt/cni/bin "$0"',
        plugin,
        command,
      ]);
    const plugins = await Promise.all(
      pluginsOf(conflist).map(async (plugin) => {
        const version = await ask(`/opt/cni/bin/${plugin}`, "VERSION");
        const nonsense = await ask(`/opt/cni/bin/${plugin}`, "NOPE");
        return {
          plugin,
          exitCode: version.exitCode,
          version: parsed(version.stdout),
          nonsense: parsed(nonsense.stdout),
        };
      }),
    );
    return { wanted: conflist.cniVersion, plugins, noPlugin: parsed((await ask("/bin/true", "VERSION")).stdout) };
  },
  judge: ({ wanted, plugins, noPlugin }) => {
    positiveControl(noPlugin === null, "a program that is no plugin does not answer as one");
    positiveControl(plugins.length > 0, "there are plugins");
    for (const { plugin, exitCode, version, nonsense } of plugins) {
      expect(exitCode, `${plugin}, asked for its versions`).toBe(0);
      expect(version?.supportedVersions ?? [], `versions of the specification that ${plugin} supports`).toContain(
        wanted,
      );
      expect(nonsense?.code, `${plugin}'s error code for a command that the specification does not have`).toBe(4);
    }
  },
  control: live("one of the plugins does not speak as one", (lab) =>
    wrapPlugin(lab, lab.worker(0), "portmap", "t", "exit 1"),
  ),
});

/** Has a plugin do something else where a network of that name is meant, until the change ends; pods' networks are served as ever. */
async function wrapPlugin(lab: Lab, node: NodePeer, plugin: string, network: string, instead: string): Promise<void> {
  await wrapProgram(lab, node, `/opt/cni/bin/${plugin}`, (aside) => [
    "conf=$(cat)",
    'case "$conf" in',
    `*'"name":"${network}'*) ${instead} ;;`,
    `*) printf %s "$conf" | ${aside} ;;`,
    "esac",
  ]);
}

/** Returns what a plugin printed, as far as the specification says (section 5: results and errors). */
function parsed(text: string): { supportedVersions?: string[]; code?: number; interfaces?: { name: string }[] } | null {
  try {
    return JSON.parse(text) as ReturnType<typeof parsed>;
  } catch {
    return null;
  }
}

claim("cni-configures-interfaces", {
  observe: async (lab) => {
    // Where no other check counts interfaces.
    const node = lab.controlPlane;
    const netns = `knc-${randomBytes(3).toString("hex")}`;
    const dataDir = `/run/${netns}`;
    // Nobody's addresses (RFC 5737): the node gets a route to the one that is given out.
    const ipam = { type: "host-local", dataDir, ranges: [[{ subnet: "198.51.100.0/24" }]] };
    const config = JSON.stringify({ cniVersion: "0.3.1", name: netns, type: "ptp", ipMasq: false, ipam });
    const plugin = (command: string) =>
      node.run(`ptp ${command}`, [
        "sh",
        "-c",
        'printf %s "$2" | CNI_COMMAND="$0" CNI_CONTAINERID="$1" CNI_NETNS="/run/netns/$1" CNI_IFNAME=eth0 CNI_PATH=/opt/cni/bin /opt/cni/bin/ptp',
        command,
        netns,
        config,
      ]);
    const links = async () =>
      (
        await jsonOf<{ ifname: string; addr_info: { local: string }[] }[]>(node, "interfaces in the namespace", [
          "ip",
          "-json",
          "-netns",
          netns,
          "address",
        ])
      ).map(({ ifname, addr_info }) => ({ ifname, addresses: addr_info.map(({ local }) => local) }));
    lab.afterwards(
      async () => void (await node.run("clear up", ["sh", "-c", `ip netns del ${netns}; rm -rf ${dataDir}`])),
    );
    await outputOf(node, "a network namespace without Kubernetes", ["ip", "netns", "add", netns]);
    const before = await links();
    const added = await plugin("ADD");
    const after = await links();
    const leases = (await node.run("addresses leased", ["ls", `${dataDir}/${netns}`])).stdout.split("\n");
    const deleted = await plugin("DEL");
    return {
      before,
      added: { exitCode: added.exitCode, result: parsed(added.stdout) },
      after,
      leases,
      deleted: deleted.exitCode,
      inTheEnd: await links(),
    };
  },
  judge: ({ before, added, after, leases, deleted, inTheEnd }) => {
    const names = (links: readonly { ifname: string }[]) => links.map(({ ifname }) => ifname);
    positiveControl(names(before).join() === "lo", "a new namespace has the interface lo only");
    expect(added.exitCode, "ptp ADD").toBe(0);
    const eth0 = after.find(({ ifname }) => ifname === "eth0");
    expect(eth0, "interface eth0 after ADD").toBeDefined();
    expect(leases, "leases, that of the address on eth0 among them").toContain(eth0?.addresses[0]);
    expect(deleted, "ptp DEL").toBe(0);
    expect(names(inTheEnd), "interfaces after DEL").toEqual(["lo"]);
  },
  control: live("the plugin says that it did what it is asked, and does not", (lab) =>
    wrapPlugin(lab, lab.controlPlane, "ptp", "knc-", `echo '{"cniVersion":"0.3.1"}'`),
  ),
});
