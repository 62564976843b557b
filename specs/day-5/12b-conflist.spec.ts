import { randomInt } from "node:crypto";
import { basename } from "node:path";
import { expect } from "vitest";
import { editFile, moveFile } from "../../helpers/changes/nodes.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { answered } from "../../helpers/lab/ask.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import type { NodePeer } from "../../helpers/lab/peers.ts";
import { live } from "../../helpers/lab/spec.ts";
import { request } from "../../helpers/probe/http.ts";
import { contains } from "../../helpers/probe/ip.ts";
import { claim, printed } from "./article.ts";
import { type Conflist, configurationsOf, conflistPath, readConflist } from "./conflist.ts";

claim("conflist-path", {
  observe: async (lab) =>
    Promise.all(
      lab.nodes.map(async (node) => ({
        node: node.name,
        files: await configurationsOf(node),
      })),
    ),
  judge: (nodes) => {
    for (const { node, files } of nodes)
      expect(files, `CNI configurations of ${node}`).toContain(basename(conflistPath));
  },
  control: live(
    "the control plane's configuration has another name",
    (lab) => moveFile(lab, lab.controlPlane, conflistPath, conflistPath.replace("kindnet", "moved")),
    { lane: "conflist" },
  ),
});

/** The configuration that the article prints. */
const sample = JSON.parse(printed.sample("kindnet's configuration").text) as Conflist;

claim("conflist-sample-is-complete", {
  observe: async (lab) => {
    const printed = keyPaths(sample);
    return (await conflists(lab)).map(({ node, conflist }) => {
      const found = keyPaths(conflist);
      const without = (some: string[], others: string[]) => [...new Set(some)].filter((path) => !others.includes(path));
      return { node, missing: without(printed, found), besides: without(found, printed) };
    });
  },
  judge: (nodes) => {
    for (const { node, missing } of nodes) expect(missing, `fields of the sample that ${node} lacks`).toEqual([]);
  },
  control: withConflist(
    "the control plane's configuration does not say whether ptp masquerades",
    ({ nodes }) => nodes.slice(0, 1),
    withPtp((ptp) => ({ ...ptp, ipMasq: undefined })),
  ),
});

async function conflists(lab: Lab): Promise<{ node: string; podCIDRs: readonly string[]; conflist: Conflist }[]> {
  return Promise.all(
    lab.nodes.map(async (node) => ({
      node: node.name,
      podCIDRs: node.podCIDRs,
      conflist: await readConflist(node),
    })),
  );
}

type Edit = (conflist: Conflist) => unknown;
type Plugin = Conflist["plugins"][number];

/** Returns an edit of the first plugin, ptp. */
function withPtp(edit: (ptp: Plugin) => unknown): Edit {
  return ({ plugins: [ptp, ...others], ...conflist }) => ({
    ...conflist,
    plugins: [...(ptp === undefined ? [] : [edit(ptp)]), ...others],
  });
}

/** A control that edits the configuration of some nodes; kindnetd writes it only when the node's subnets change. */
function withConflist(name: string, nodes: (lab: Lab) => readonly NodePeer[], edit: Edit, { alone = false } = {}) {
  return live(
    name,
    async (lab) => {
      for (const node of nodes(lab)) await editConflist(lab, node, edit);
    },
    { alone, lane: "conflist" },
  );
}

async function editConflist(lab: Lab, node: NodePeer, edit: Edit): Promise<void> {
  await editFile(lab, node, conflistPath, (text) => JSON.stringify(edit(JSON.parse(text) as Conflist)));
}

/** Every path of keys in a JSON value; list entries count as one. */
function keyPaths(value: unknown, prefix = ""): string[] {
  if (Array.isArray(value)) return value.flatMap((entry) => keyPaths(entry, `${prefix}[]`));
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => [`${prefix}.${key}`, ...keyPaths(inner, `${prefix}.${key}`)]);
}

claim("conflist-cni-version", {
  observe: conflists,
  judge: (nodes) => {
    for (const { node, conflist } of nodes)
      expect(conflist.cniVersion, `cniVersion on ${node}`).toBe(sample.cniVersion);
  },
  control: withConflist(
    "the control plane's configuration says another version",
    ({ nodes }) => nodes.slice(0, 1),
    (conflist) => ({ ...conflist, cniVersion: "1.0.0" }),
  ),
});

claim("conflist-name", {
  observe: conflists,
  judge: (nodes) => {
    for (const { node, conflist } of nodes) expect(conflist.name, `name on ${node}`).toBe(sample.name);
  },
  control: withConflist(
    "the control plane's configuration has another name in it",
    ({ nodes }) => nodes.slice(0, 1),
    (conflist) => ({ ...conflist, name: "another" }),
  ),
});

claim("conflist-structure", {
  observe: conflists,
  judge: (nodes) => {
    for (const { node, conflist } of nodes) {
      expect(Object.keys(conflist), `fields on ${node}`).toEqual(expect.arrayContaining(Object.keys(sample)));
      expect(
        conflist.plugins.map(({ type }) => type),
        `plugins on ${node}, in their order`,
      ).toEqual(sample.plugins.map(({ type }) => type));
    }
  },
  control: withConflist(
    "portmap comes first in the control plane's configuration",
    ({ nodes }) => nodes.slice(0, 1),
    (conflist) => ({ ...conflist, plugins: conflist.plugins.toReversed() }),
  ),
});

claim("conflist-ipmasq-is-false", {
  observe: conflists,
  judge: (nodes) => {
    for (const { node, conflist } of nodes)
      expect(conflist.plugins[0]?.ipMasq, `ipMasq of ptp on ${node}`).toBe(sample.plugins[0]?.ipMasq);
  },
  control: withConflist(
    "the control plane's ptp masquerades",
    ({ nodes }) => nodes.slice(0, 1),
    withPtp((ptp) => ({ ...ptp, ipMasq: true })),
  ),
});

claim("conflist-data-dir", {
  observe: async (lab) => {
    const conflist = await readConflist(lab.worker(0));
    const dataDir = conflist.plugins[0]?.ipam?.dataDir ?? null;
    const listed = await lab.worker(0).run("what is kept there", ["ls", `${dataDir}/${conflist.name}`]);
    return { dataDir, kept: listed.stdout.split("\n").filter(Boolean), podOnThatNode: lab.pod("client-1").address };
  },
  judge: ({ dataDir, kept, podOnThatNode }) => {
    expect(dataDir, "dataDir of host-local").toBe(sample.plugins[0]?.ipam?.dataDir);
    expect(kept, "files in it").toContain(podOnThatNode);
  },
  control: withConflist(
    "a worker's host-local keeps its leases elsewhere",
    ({ nodes }) => nodes.filter(({ role }) => role === "worker").slice(0, 1),
    withIpam((ipam) => ({ ...ipam, dataDir: "/run/elsewhere" })),
    { alone: true },
  ),
});

/** Returns an edit of how ptp manages addresses. */
function withIpam(edit: (ipam: Plugin["ipam"]) => unknown): Edit {
  return withPtp((ptp) => ({ ...ptp, ipam: edit(ptp.ipam) }));
}

const sampleIpam = sample.plugins[0]?.ipam;

claim("conflist-routes", {
  observe: conflists,
  judge: (nodes) => {
    for (const { node, conflist } of nodes)
      expect(conflist.plugins[0]?.ipam?.routes, `routes that pods of ${node} get`).toEqual(
        sample.plugins[0]?.ipam?.routes,
      );
  },
  corrected: (nodes, words) => {
    positiveControl(nodes.length > 0, "configurations were read");
    for (const { node, conflist } of nodes) {
      const routes = conflist.plugins[0]?.ipam?.routes ?? [];
      expect(routes.map(({ dst }) => `{ "dst": "${dst}" }`).join(", "), `routes that pods of ${node} get`).toBe(words);
    }
  },
  control: withConflist(
    "pods get the routes that the article prints",
    ({ nodes }) => nodes,
    withIpam((ipam) => ({ ...ipam, routes: sampleIpam?.routes })),
    { alone: true },
  ),
});

claim("conflist-range-is-the-node-subnet", {
  observe: conflists,
  judge: (nodes) => {
    for (const { node, podCIDRs, conflist } of nodes)
      expect(conflist.plugins[0]?.ipam?.ranges, `ranges on ${node}: one for each of its subnets`).toEqual(
        podCIDRs.map((subnet) => [{ subnet }]),
      );
  },
  control: withConflist(
    "the control plane gives out addresses of another subnet",
    ({ nodes }) => nodes.slice(0, 1),
    withIpam((ipam) => ({ ...ipam, ranges: [[{ subnet: "10.244.200.0/24" }]] })),
  ),
});

claim("conflist-subnet-of-the-control-plane", {
  observe: async (lab) => ({
    node: lab.controlPlane.name,
    podSubnets: lab.world.podSubnets,
    subnets: (await readConflist(lab.controlPlane)).plugins[0]?.ipam?.ranges?.flat().map(({ subnet }) => subnet) ?? [],
  }),
  judge: ({ node, podSubnets, subnets }) => {
    expect(subnets.length, `subnets in the configuration of ${node}, the node that the article enters`).toBeGreaterThan(
      0,
    );
    for (const subnet of subnets)
      expect(
        contains(podSubnets, subnet.replace(/\/.*/, "")),
        `${subnet} in the configuration of ${node}, inside ${podSubnets.join(", ")} as the printed one is`,
      ).toBe(true);
  },
  control: withConflist(
    "the control plane gives out addresses that are none of the cluster's pods'",
    ({ nodes }) => nodes.slice(0, 1),
    withIpam((ipam) => ({ ...ipam, ranges: [[{ subnet: "198.51.100.0/24" }]] })),
  ),
});

claim("conflist-chains-portmap", {
  observe: async (lab) => {
    const lists = await conflists(lab);
    const name = "host-port";
    // Above node ports and the ports that the kernel gives out (32768-60999), so that hardly anything has it.
    const port = 61_000 + randomInt(4_000);
    const containers = [{ ...lab.objects.serverContainer, ports: [{ containerPort: 8080, hostPort: port }] }];
    const pod = lab.objects.serverPod(name, {}, { nodeName: lab.worker(0).name, containers });
    const url = `http://${lab.worker(0).on(port)}/hostname`;
    const without = await lab.eventually(
      () => request(lab.outsider, url, lab.timeouts.silence),
      ({ outcome }) => outcome !== "answered",
    );
    await lab.pods.start(pod);
    const withPod = await lab.eventually(() => request(lab.outsider, url, lab.timeouts.attempt), answered);
    return { plugins: lists.map(({ node, conflist }) => ({ node, last: conflist.plugins.at(-1) })), without, withPod };
  },
  judge: ({ plugins, without, withPod }) => {
    positiveControl(!answered(without), "nothing answers on that port of the node without the pod");
    for (const { node, last } of plugins) expect(last, `the last plugin on ${node}`).toEqual(sample.plugins.at(-1));
    expect(withPod.body, "who answered on the node's port").toBe("host-port");
  },
  control: withConflist(
    "portmap is not in the control plane's configuration",
    ({ nodes }) => nodes.slice(0, 1),
    (conflist) => ({ ...conflist, plugins: conflist.plugins.slice(0, 1) }),
  ),
});

claim("pods-get-addresses-of-the-node-subnet", {
  observe: async (lab) => {
    const pods = await lab.api.list("all pods of the cluster", "Pod");
    const subnets = Object.fromEntries(lab.nodes.map(({ name, podCIDRs }) => [name, podCIDRs]));
    return pods
      .filter(({ spec, status }) => spec?.hostNetwork !== true && status?.phase === "Running")
      .flatMap(({ metadata, spec, status }) =>
        (status?.podIPs ?? []).map(({ ip }) => ({
          pod: `${metadata?.namespace}/${metadata?.name}`,
          ip,
          node: spec?.nodeName ?? "",
          subnets: subnets[spec?.nodeName ?? ""] ?? [],
        })),
      );
  },
  judge: (pods) => {
    positiveControl(new Set(pods.map(({ node }) => node)).size >= 2, "there are pods on several nodes");
    for (const { pod, ip, node, subnets } of pods)
      expect(contains(subnets, ip), `${pod} has ${ip}, inside ${subnets.join(", ")} of ${node}`).toBe(true);
  },
  control: live(
    "a pod of the control plane gets an address of another subnet",
    async (lab) => {
      await editConflist(
        lab,
        lab.controlPlane,
        withIpam((ipam) => ({ ...ipam, ranges: [[{ subnet: "10.244.200.0/24" }]] })),
      );
      await lab.pods.start(
        lab.objects.clientPod("misplaced", { nodeName: lab.controlPlane.name, tolerations: [{ operator: "Exists" }] }),
      );
    },
    { lane: "conflist" },
  ),
});
