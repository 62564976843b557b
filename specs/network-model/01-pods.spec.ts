import { randomInt } from "node:crypto";
import { expect } from "vitest";
import { rules } from "../../helpers/changes/iptables.ts";
import { wrapProgram } from "../../helpers/changes/nodes.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { answered, whoAnswers, whoAnswersByUdp } from "../../helpers/lab/ask.ts";
import { follow } from "../../helpers/lab/follow.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import { nameOf } from "../../helpers/lab/pods.ts";
import { live } from "../../helpers/lab/spec.ts";
import { meet } from "../../helpers/probe/http.ts";
import { hostPrefix } from "../../helpers/probe/ip.ts";
import { wayTo } from "../../helpers/probe/links.ts";
import { outputOf } from "../../helpers/probe/peer.ts";
import { claim } from "./article.ts";

claim("pod-has-an-address-of-its-own", {
  observe: async (lab) => {
    const pods = await lab.api.list("all pods of the cluster", "Pod");
    return pods
      .filter(
        ({ spec, status, metadata }) =>
          spec?.hostNetwork !== true && status?.phase === "Running" && metadata?.deletionTimestamp === undefined,
      )
      .map((pod) => ({
        pod: `${pod.metadata?.namespace}/${nameOf(pod)}`,
        addresses: pod.status?.podIPs?.map(({ ip }) => ip) ?? [],
      }));
  },
  judge: (pods) => {
    positiveControl(pods.length >= 5, "several pods run");
    expect(
      pods.filter(({ addresses }) => addresses.length === 0),
      "pods that run without an address",
    ).toEqual([]);
    const all = pods.flatMap(({ addresses }) => addresses);
    expect(
      pods.filter(({ addresses }) => addresses.some((address) => all.indexOf(address) !== all.lastIndexOf(address))),
      "pods that have an address which another has, too",
    ).toEqual([]);
  },
  control: live("a pod tells that it runs at the address of another", async (lab) => {
    const name = "another-ones-address";
    // Nobody schedules it, so that no kubelet corrects its status.
    await lab.api.create(`the pod ${name}`, lab.objects.clientPod(name, { schedulerName: "nobody" }));
    const { address: podIP } = lab.pod("client-1");
    const status = JSON.stringify({ status: { phase: "Running", podIP, podIPs: [{ ip: podIP }] } });
    const words = ["--namespace", lab.namespace, "patch", "pod", name, "--subresource=status", "--type=merge"];
    await outputOf(lab.outsider, "its status", ["kubectl", ...words, "--patch", status]);
  }),
});

/** Each container of a pod asks another pod, and one asks the other on localhost. */
function askByBoth(lab: Lab) {
  return lab.together("two containers of a pod", async () => {
    const containers = [lab.objects.clientContainer, lab.objects.serverContainer];
    const pod = await lab.pods.start(lab.objects.serverPod("of-two", {}, { nodeName: lab.worker(0).name, containers }));
    const [other, onItsLocalhost] = [lab.pod("server-2"), "localhost:8080"];
    return {
      address: pod.address,
      onLocalhost: await whoAnswers(lab, pod, onItsLocalhost),
      onAnothersLocalhost: await meet(lab.pod("client-1"), onItsLocalhost, lab.timeouts.answer),
      byTheClient: (await whoAnswers(lab, pod, other.on(8080))).source ?? null,
      byTheServer: (await whoAnswersByUdp(lab, pod, onItsLocalhost, other.address, 8081)).source,
    };
  });
}

const separated = live("the runtime gives the pod's second container a network namespace of its own", (lab) =>
  wrapProgram(lab, lab.worker(0), "runc", (aside) => [
    `bundle=$(printf '%s ' "$@" | sed -n 's/.* create .*--bundle \\([^ ]*\\) .*/\\1/p')`,
    'config="$bundle/config.json"',
    `if [ -n "$bundle" ] && grep -q '"io.kubernetes.cri.sandbox-name": *"of-two"' "$config" &&`,
    `  grep -q '"io.kubernetes.cri.container-name": *"server"' "$config"; then`,
    // Without a path runc makes a new one.
    `  sed -i 's#"type": *"network", *"path": *"[^"]*"#"type":"network"#' "$config"`,
    "fi",
    `exec ${aside} "$@"`,
  ]),
);

claim("containers-share-the-pods-address", {
  slow: true,
  observe: askByBoth,
  judge: ({ address, byTheClient, byTheServer }) => {
    positiveControl(byTheClient !== null, "another pod answers the pod's first container");
    expect(byTheClient, "the address from which another pod saw the first container ask").toBe(address);
    expect(byTheServer, "the address from which another pod saw the second container ask").toBe(address);
  },
  control: separated,
});

claim("containers-reach-each-other-on-localhost", {
  slow: true,
  observe: askByBoth,
  judge: ({ onLocalhost, onAnothersLocalhost }) => {
    positiveControl(onAnothersLocalhost.outcome === "refused", "in another pod nothing listens on localhost:8080");
    expect(onLocalhost.outcome, "the pod's other container, asked on localhost:8080").toBe("answered");
    expect(onLocalhost.pod, "who answered there").toBe("of-two");
  },
  control: separated,
});

/** Follows one connection of a pod to a pod on another node. */
function packetAcrossNodes(lab: Lab) {
  return lab.together("a packet from node to node", async () => {
    const [near, far] = [lab.worker(0), lab.worker(1)];
    const [client, server] = [lab.pod("client-1"), lab.pod("far-server")];
    const links = [
      { node: near.name, interface: (await wayTo(near, far.address)).dev, direction: "out" },
      { node: far.name, interface: (await wayTo(far, near.address)).dev, direction: "in" },
    ];
    // Others ask that pod from there, too.
    const port = randomInt(20_000, 30_000);
    const { answer, there, back } = await follow(
      lab,
      {
        title: "a pod to a pod on another node",
        protocol: "tcp",
        client: { name: "client-1", address: client.address, port },
        target: { address: server.address, port: 8080 },
        servers: { name: "far-server", addresses: [server.address], port: 8080 },
      },
      () => meet(client, server.on(8080), lab.timeouts.answer, port),
    );
    return { links, client: client.address, server: server.address, answer, there, back };
  });
}

claim("packets-between-nodes-carry-the-pods-addresses", {
  slow: true,
  observe: packetAcrossNodes,
  judge: ({ links, client, server, answer, there, back }) => {
    positiveControl(answered(answer), `${answer.to} answers`);
    const seenOn = (hops: typeof there) => new Set(hops.map(({ node }) => node));
    positiveControl(
      links.every(({ node }) => seenOn(there).has(node) && seenOn(back).has(node)),
      "the packet and its answer are seen on both nodes",
    );
    for (const hop of there)
      expect([hop.from, hop.to], `source and destination on ${hop.interface} of ${hop.node}`).toEqual([client, server]);
    for (const hop of back)
      expect([hop.from, hop.to], `those of the answer on ${hop.interface} of ${hop.node}`).toEqual([server, client]);
  },
  control: live("the client's node gives what it sends to that pod an address of its own", (lab) =>
    rules(lab, lab.worker(0)).masquerade({ from: lab.pod("client-1").address, to: lab.pod("far-server").address }),
  ),
});

claim("packets-between-nodes-are-not-wrapped", {
  slow: true,
  observe: packetAcrossNodes,
  judge: ({ links, answer, there }) => {
    positiveControl(answered(answer), `${answer.to} answers`);
    const placeOf = (hop: { readonly node: string; readonly interface: string; readonly direction: string }) =>
      `${hop.interface} of ${hop.node}, ${hop.direction}`;
    const places = there.map(placeOf);
    // tcpdump's filter asks the outermost header: what is wrapped is no packet of the pods' there.
    for (const link of links) expect(places, "where the packet is seen as the pod sent it").toContain(placeOf(link));
  },
  control: live("a tunnel wraps what the two pods send each other", tunnel, { alone: true }),
});

/** Has VXLAN carry what client-1 and far-server send each other, until the change ends. */
async function tunnel(lab: Lab): Promise<void> {
  const device = "knc-tunnel";
  const ends = [
    { node: lab.worker(0), mac: "02:00:00:00:00:01", pod: lab.pod("client-1").address },
    { node: lab.worker(1), mac: "02:00:00:00:00:02", pod: lab.pod("far-server").address },
  ];
  for (const [index, { node, mac }] of ends.entries()) {
    const other = ends[1 - index];
    if (other === undefined) continue;
    const link = (await wayTo(node, other.node.address)).dev;
    const ip = (...words: string[]) => outputOf(node, `ip ${words.join(" ")}`, ["ip", ...words]);
    lab.afterwards(async () => void (await ip("link", "del", device)));
    const remote = ["local", node.address, "remote", other.node.address, "dstport", "4789", "dev", link];
    await ip("link", "add", device, "address", mac, "type", "vxlan", "id", "99", ...remote);
    await ip("link", "set", device, "up");
    await ip("neigh", "replace", other.pod, "lladdr", other.mac, "dev", device, "nud", "permanent");
    await ip("route", "add", hostPrefix(other.pod), "dev", device);
  }
}
