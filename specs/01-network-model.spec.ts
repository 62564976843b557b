import { randomInt } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { V1Ingress, V1Pod, V1Service } from "@kubernetes/client-node";
import { expect } from "vitest";
import { isReady } from "../helpers/claim/cast.ts";
import { forbidPortForward, iptablesRule, storeOtherwise, wrapProgram } from "../helpers/claim/changes.ts";
import { claim } from "../helpers/claim/claim.ts";
import { live } from "../helpers/claim/control.ts";
import type { Lab, PodPeer } from "../helpers/claim/lab.ts";
import { NeedsFeature, positiveControl } from "../helpers/claim/verdict.ts";
import { inBackground } from "../helpers/probe/background.ts";
import { startCapture } from "../helpers/probe/capture.ts";
import { readConflist } from "../helpers/probe/conflist.ts";
import { hostPort, type Meeting, meet, request } from "../helpers/probe/http.ts";
import { contains, hostPrefix } from "../helpers/probe/ip.ts";
import { sourceTowards } from "../helpers/probe/links.ts";
import { jsonOf, outputOf, type Peer } from "../helpers/probe/peer.ts";
import type { WorldNode } from "../helpers/world/world.ts";

/** Each client asks its server, by each family that they have; the answer tells the address that the answering pod saw. */
async function talk(
  lab: Lab,
  ...pairs: [client: string, server: string][]
): Promise<{ client: string; meeting: Meeting }[]> {
  const calls = pairs.flatMap(([client, server]) =>
    lab.pod(server).addresses.map((address, family) => ({ peer: lab.pod(client), address, family })),
  );
  return Promise.all(
    calls.map(async ({ peer, address, family }) => ({
      client: peer.addresses[family] ?? "",
      meeting: await meet(peer, hostPort(address, 8080), lab.timeouts.silence),
    })),
  );
}

function arrivedUntranslated(calls: readonly { client: string; meeting: Meeting }[]): void {
  for (const { client, meeting } of calls) {
    expect(meeting.outcome, `${meeting.from} asked ${meeting.to}`).toBe("answered");
    expect(meeting.source, `the address from which ${meeting.pod} saw ${meeting.from} come`).toBe(client);
  }
}

const masqueradedPods = live(
  "the nodes masquerade what pods send to pods",
  async (lab) => {
    const [subnet = ""] = lab.world.podSubnets;
    for (const node of lab.world.nodes)
      await iptablesRule(lab, node, "nat", "POSTROUTING", "-s", subnet, "-d", subnet, "-j", "MASQUERADE");
  },
  { alone: true },
);

claim("pods-talk-without-nat-on-one-node", {
  observe: async (lab) => ({
    nodes: [lab.worker(0).name, lab.worker(1).name],
    calls: await talk(lab, ["client-1", "server-1"], ["client-2", "server-2"]),
  }),
  judge: ({ calls }) => arrivedUntranslated(calls),
  control: masqueradedPods,
});

claim("pods-talk-without-nat-across-nodes", {
  observe: async (lab) => ({
    nodes: [lab.worker(0).name, lab.worker(1).name],
    // Proves that the servers answer at all: an unanswered call across nodes is then the network's doing.
    nearby: await meet(lab.pod("client-2"), hostPort(lab.pod("server-2").address, 8080), lab.timeouts.answer),
    calls: await talk(lab, ["client-1", "server-2"], ["client-2", "server-1"]),
  }),
  judge: ({ nodes, nearby, calls }) => {
    positiveControl(nodes[0] !== nodes[1], "the pods are on two nodes");
    positiveControl(nearby.outcome === "answered", `${nearby.to} answers a pod on its own node`);
    arrivedUntranslated(calls);
  },
  control: masqueradedPods,
});

claim("kubelet-reaches-pods-of-its-node", {
  observe: async (lab) => {
    const pods = await lab.get<{ items: V1Pod[] }>("the cast's pods", `/api/v1/namespaces/${lab.namespace}/pods`);
    const ready = (name: string) => pods.items.some((pod) => pod.metadata?.name === name && isReady(pod));
    const calls = await Promise.all(
      ([0, 1] as const).map((index) =>
        meet(lab.node(lab.worker(index)), hostPort(lab.pod(`server-${index + 1}`).address, 8080), lab.timeouts.silence),
      ),
    );
    return {
      readyByTheKubeletsProbe: ["server-1", "server-2"].map(ready),
      readyWhereNothingListens: ready("never-ready"),
      calls,
    };
  },
  judge: ({ readyByTheKubeletsProbe, readyWhereNothingListens, calls }) => {
    positiveControl(
      !readyWhereNothingListens,
      "a pod whose probe asks a closed port stays unready, so readiness comes from asking",
    );
    expect(readyByTheKubeletsProbe, "readiness of the pods that the kubelets ask over HTTP").toEqual([true, true]);
    for (const { from, to, outcome } of calls) expect(outcome, `${from} asked ${to}`).toBe("answered");
  },
  control: live(
    "a node drops what it sends to one of its pods itself",
    async (lab) => {
      const path = `/api/v1/namespaces/${lab.namespace}/pods/server-1`;
      const ready = async () => isReady(await lab.get<V1Pod>("is the pod ready", path));
      lab.afterwards(async () => void (await lab.until("the pod to be ready again", ready, Boolean)));
      const flow = ["-d", lab.pod("server-1").address, "-p", "tcp", "--dport", "8080"];
      await iptablesRule(lab, lab.worker(0), "filter", "OUTPUT", ...flow, "-j", "DROP");
      await lab.until("the kubelet to find the pod unready", ready, (yes) => !yes);
    },
    { alone: true },
  ),
});

claim("containers-share-network-namespace", {
  observe: async (lab) => {
    const namespaceOf = async (peer: Peer) =>
      (await outputOf(peer, `network namespace of ${peer.label}`, ["readlink", "/proc/self/ns/net"])).trim();
    const containers = [
      { name: "web", image: lab.image("nginx") },
      { name: "client", image: lab.image("probe"), command: ["sleep", "infinity"] },
    ];
    const web = await lab.start(lab.clientPod("together", { nodeName: lab.worker(0).name, containers }), {
      container: "web",
    });
    return {
      web: await namespaceOf(web),
      client: await namespaceOf(await lab.ready("together", lab.namespace, { container: "client" })),
      otherPod: await namespaceOf(lab.pod("client-1")),
    };
  },
  judge: ({ web, client, otherPod }) => {
    positiveControl(otherPod !== client, "another pod has another network namespace");
    expect(client, "the network namespace of the pod's second container").toBe(web);
  },
  control: live("the runtime gives a pod's second container a network namespace of its own", (lab) =>
    wrapProgram(lab, lab.node(lab.worker(0)), "runc", (aside) => [
      `bundle=$(printf '%s ' "$@" | sed -n 's/.* create .*--bundle \\([^ ]*\\) .*/\\1/p')`,
      'config="$bundle/config.json"',
      `if [ -n "$bundle" ] && grep -q '"io.kubernetes.cri.sandbox-name": *"together"' "$config" &&`,
      `  grep -q '"io.kubernetes.cri.container-name": *"client"' "$config"; then`,
      // Without a path runc makes a new one.
      `  sed -i 's#"type": *"network", *"path": *"[^"]*"#"type":"network"#' "$config"`,
      "fi",
      `exec ${aside} "$@"`,
    ]),
  ),
});

claim("containers-reach-each-other-on-localhost", {
  observe: async (lab) => ({
    samePod: await request(lab.pod("pair", { container: "client" }), "http://localhost:80/", lab.timeouts.answer),
    otherPod: await request(lab.pod("client-1"), "http://localhost:80/", lab.timeouts.answer),
  }),
  judge: ({ samePod, otherPod }) => {
    positiveControl(otherPod.outcome === "refused", "in another pod nothing listens on localhost:80");
    expect(samePod.outcome, "the pod's other container, asked on localhost:80").toBe("answered");
    expect(samePod.body, "what it answered").toContain("Welcome to nginx!");
  },
  control: live(
    "the pod's loopback interface is down",
    async (lab) => {
      const inode = ["stat", "-L", "-c", "%i", "/proc/self/ns/net"];
      const namespace = (
        await outputOf(lab.pod("pair", { container: "client" }), "the pod's network namespace", inode)
      ).trim();
      const node = lab.node(lab.worker(0));
      const inTheNamespace =
        'for ns in /run/netns/*; do [ "$(stat -L -c %i "$ns")" != "$0" ] || exec nsenter --net="$ns" "$@"; done; exit 1';
      const set = (state: "down" | "up") =>
        outputOf(node, `loopback ${state}`, ["sh", "-c", inTheNamespace, namespace, "ip", "link", "set", "lo", state]);
      lab.afterwards(async () => void (await set("up")));
      await set("down");
    },
    { alone: true },
  ),
});

claim("pod-ips-are-unique", {
  observe: async (lab) => {
    const pods = await lab.get<{ items: V1Pod[] }>("all pods of the cluster", "/api/v1/pods");
    const own = pods.items.filter((pod) => pod.spec?.hostNetwork !== true && pod.status?.phase === "Running");
    return {
      podSubnets: lab.world.podSubnets,
      hostNetworkPods: pods.items.length - own.length,
      addresses: own.map((pod) => ({
        pod: `${pod.metadata?.namespace}/${pod.metadata?.name}`,
        node: pod.spec?.nodeName,
        ip: pod.status?.podIP ?? "",
      })),
    };
  },
  judge: ({ podSubnets, addresses }) => {
    positiveControl(new Set(addresses.map(({ node }) => node)).size >= 2, "the pods are on several nodes");
    const ips = addresses.map(({ ip }) => ip);
    expect(
      ips.filter((ip, index) => ips.indexOf(ip) !== index),
      "addresses that two pods have",
    ).toEqual([]);
    for (const { pod, ip } of addresses)
      expect(contains(podSubnets, ip), `${pod} has ${ip}, inside ${podSubnets.join(", ")}`).toBe(true);
  },
  control: live(
    "a node forgets that it has given out a pod's address, and gives it again",
    async (lab) => {
      const node = lab.worker(1);
      const { address } = await lab.start(lab.serverPod("first-to-have-it", {}, { nodeName: node.name }));
      const before = address.replace(/\d+$/, (last) => String(Number(last) - 1));
      const forget = 'cd "$0" && rm "$1" && printf %s "$2" > last_reserved_ip.0';
      const folder = await leasesOn(lab, node);
      await outputOf(lab.node(node), "forget the lease, and go back", ["sh", "-c", forget, folder, address, before]);
      await lab.start(lab.serverPod("second-to-have-it", {}, { nodeName: node.name }));
    },
    { alone: true },
  ),
});

/** Returns the folder in which a node's host-local writes down what it gave out. */
async function leasesOn(lab: Lab, node: WorldNode): Promise<string> {
  const { name, plugins } = await readConflist(lab.node(node));
  return `${plugins[0]?.ipam?.dataDir}/${name}`;
}

claim("pod-unreachable-from-outside-by-default", {
  observe: async (lab) => {
    const { address } = lab.pod("server-1");
    // On the cluster's own network the outsider calls for whoever has the address; the packet never leaves that network.
    await lab.routeOutsider("look for the pod on the cluster's network", address, "dev", "eth0");
    return {
      inside: await meet(lab.pod("client-1"), hostPort(address, 8080), lab.timeouts.answer),
      toNode: await meet(
        lab.outsider,
        hostPort(lab.controlPlane.addresses[0] ?? "", lab.nodePort),
        lab.timeouts.answer,
      ),
      outside: await meet(lab.outsider, hostPort(address, 8080), lab.timeouts.silence),
    };
  },
  judge: ({ inside, toNode, outside }) => {
    positiveControl(inside.outcome === "answered", "another pod is answered");
    positiveControl(toNode.outcome === "answered", "the outsider is answered at a node's port");
    expect(outside.outcome, `the pod at ${outside.to}, asked from outside the cluster`).not.toBe("answered");
  },
  control: live("the pod's node answers for its address on the cluster's network", async (lab) => {
    const { address } = lab.pod("server-1");
    const node = lab.node(lab.worker(0));
    const entry = ["proxy", address, "dev", "eth0"];
    // The outsider would go on sending where it sent before.
    const flush = ["ip", "neigh", "flush", "to", address, "dev", "eth0"];
    lab.afterwards(async () => void (await outputOf(lab.outsider, "forget who answered", flush)));
    lab.afterwards(async () => void (await outputOf(node, "no longer", ["ip", "neigh", "del", ...entry])));
    await outputOf(node, "answer ARP for the pod", ["ip", "neigh", "add", ...entry]);
  }),
});

claim("outside-traffic-needs-a-service", {
  observe: async (lab) => {
    const { address } = lab.pod("far-server");
    const node = lab.worker(1).addresses[0] ?? "";
    const services = await lab.get<{ items: V1Service[] }>(
      "the Services that could select it",
      `/api/v1/namespaces/${lab.namespace}/services`,
    );
    await lab.routeOutsider("a route to the pod by way of its node", address, "via", node);
    return {
      labelsOfThePod: lab.labelsOf("far-server"),
      selectors: services.items.map(({ metadata, spec }) => ({
        service: metadata?.name,
        selector: spec?.selector ?? null,
      })),
      byRoute: await meet(lab.outsider, hostPort(address, 8080), lab.timeouts.silence),
      byApiServer: await lab.get<string>(
        "the pod, by the API server's proxy",
        `/api/v1/namespaces/${lab.namespace}/pods/far-server:8080/proxy/hostname`,
      ),
    };
  },
  judge: ({ labelsOfThePod, byRoute, byApiServer }) => {
    positiveControl(Object.keys(labelsOfThePod).length === 0, "the pod has no labels, so no Service selects it");
    expect(
      byRoute.outcome,
      `${byRoute.to}, asked from outside with a route by way of its node (the API server's proxy answered "${byApiServer}")`,
    ).not.toBe("answered");
  },
  control: live("the pod's node drops what comes for the pod from outside", async (lab) => {
    const flow = ["-s", lab.outsiderAddress, "-d", lab.pod("far-server").address];
    await iptablesRule(lab, lab.worker(1), "raw", "PREROUTING", ...flow, "-j", "DROP");
  }),
});

/** Puts a rule in front of those by which Docker forwards between containers, until the change ends. */
async function ruleBetweenContainers(lab: Lab, ...rule: readonly string[]): Promise<void> {
  const machine = await lab.container(
    "a container on the machine's own network",
    "--network=host",
    "--cap-add=NET_ADMIN",
  );
  const iptables = (title: string, action: "-I" | "-D") =>
    outputOf(lab.containerEngine, title, ["exec", machine, lab.iptables, "-w", action, "DOCKER-USER", ...rule]);
  lab.afterwards(async () => void (await iptables("take the rule away", "-D")));
  await iptables("a rule between containers", "-I");
}

claim("docker-default-network-is-a-bridge", {
  observe: async (lab) => {
    const id = await lab.container("start a container that names no network");
    const networks = await jsonOf<Record<string, object>>(lab.containerEngine, "the networks it is on", [
      "inspect",
      "--format",
      "{{json .NetworkSettings.Networks}}",
      id,
    ]);
    const driver = await outputOf(lab.containerEngine, "the driver of the network bridge", [
      "network",
      "inspect",
      "--format",
      "{{.Driver}}",
      "bridge",
    ]);
    return { networks: Object.keys(networks), driver: driver.trim() };
  },
  judge: ({ networks, driver }) => {
    expect(networks, "networks of a container that names none").toEqual(["bridge"]);
    expect(driver, "driver of that network").toBe("bridge");
  },
  control: {
    name: "the container is on no network (the engine's default cannot be changed while the nodes run on it)",
    alter: ({ driver }) => ({ networks: ["none"], driver }),
  },
});

claim("docker-containers-need-port-mapping", {
  slow: true,
  observe: async (lab) => {
    const [server, client] = [
      await lab.container("start a server, nothing published"),
      await lab.container("start a client"),
    ];
    const address = (
      await outputOf(lab.containerEngine, "the server's address", [
        "inspect",
        "--format",
        "{{.NetworkSettings.Networks.bridge.IPAddress}}",
        server,
      ])
    ).trim();
    const published = await outputOf(lab.containerEngine, "the server's published ports", ["port", server]);
    const limits = ["--silent", "--max-time", String(lab.timeouts.answer / 1000)];
    const url = `http://${address}:8001/static/`;
    const ask = (title: string) => lab.containerEngine.run(title, ["exec", client, "curl", ...limits, url]);
    const before = await ask("ask where nothing listens yet");
    // kubectl is in every node image, and serves files without a cluster.
    await outputOf(lab.containerEngine, "listen on port 8001", [
      "exec",
      "--detach",
      server,
      "kubectl",
      "proxy",
      "--www=/kind",
      "--address=0.0.0.0",
      "--accept-hosts=.*",
      "--port=8001",
    ]);
    await lab.until(
      "the server to listen",
      () => lab.containerEngine.run("ask from itself", ["exec", server, "curl", ...limits, url]),
      ({ exitCode }) => exitCode === 0,
    );
    const answer = await ask("ask the other container by its address");
    return {
      published: published.trim(),
      exitCodeBefore: before.exitCode ?? null,
      exitCode: answer.exitCode ?? null,
      body: answer.stdout.slice(0, 200),
    };
  },
  judge: ({ published, exitCodeBefore, exitCode, body }) => {
    positiveControl(published === "", "no port is published");
    positiveControl(exitCodeBefore !== 0, "nothing answers before the server listens");
    expect(
      exitCode === 0 ? "answered" : `curl exit ${exitCode}`,
      `another container of the default bridge, asked at its address (${body.split("\n")[0]})`,
    ).not.toBe("answered");
  },
  control: live(
    "the default bridge keeps its containers apart, as with --icc=false",
    async (lab) => {
      const format = '{{index .Options "com.docker.network.bridge.name"}}';
      const inspect = ["network", "inspect", "--format", format, "bridge"];
      const bridge = (await outputOf(lab.containerEngine, "the default bridge", inspect)).trim();
      await ruleBetweenContainers(lab, "-i", bridge, "-o", bridge, "-p", "tcp", "--dport", "8001", "-j", "DROP");
    },
    { lane: "containers beside the cluster" },
  ),
});

claim("all-pods-talk-without-nat", {
  slow: true,
  observe: async (lab) => {
    const places = [
      ["mesh-1a", lab.worker(0).name, lab.namespace],
      ["mesh-1b", lab.worker(0).name, lab.otherNamespace],
      ["mesh-2a", lab.worker(1).name, lab.namespace],
      ["mesh-2b", lab.worker(1).name, lab.otherNamespace],
      ["mesh-cp", lab.controlPlane.name, lab.namespace],
    ] as const;
    const pods = await Promise.all(
      places.map(async ([name, nodeName, namespace]) => ({
        name,
        peer: await lab.start(meshPod(lab, name, nodeName, namespace), { container: "client" }),
      })),
    );
    const echo = { ipv4: "icmp[icmptype] == icmp-echo", ipv6: "icmp6[icmp6type] == icmp6-echo" }[lab.family];
    const captures = await Promise.all(pods.map(({ peer }) => startCapture(peer, "any", echo)));
    const seen = await Promise.all(
      pods.map(({ peer }) =>
        askAll(
          peer,
          pods.map((server) => server.peer.address),
          // Each of them by three protocols.
          3 * pods.length * lab.timeouts.answer,
        ),
      ),
    );
    const echoes = await lab.eventually(
      () => Promise.all(captures.map((capture) => capture.packets())),
      (all) => all.every((packets) => pods.every(({ peer }) => packets.some(({ from }) => from === peer.address))),
    );
    await Promise.all(captures.map((capture) => capture.stop()));
    const pairs = pods.flatMap((client, from) =>
      pods.map((server, to) => ({
        pair: `${client.name} → ${server.name}`,
        client: client.peer.address,
        tcp: seen[from]?.[to]?.tcp ?? null,
        udp: seen[from]?.[to]?.udp ?? null,
        icmp: echoes[to]?.find((packet) => packet.from === client.peer.address)?.from ?? null,
      })),
    );
    return { pods: pods.length, pairs };
  },
  judge: ({ pods, pairs }) => {
    positiveControl(pairs.length === pods * pods && pods >= 5, "every ordered pair of pods, each with itself too");
    for (const { pair, client, ...seen } of pairs)
      for (const [protocol, source] of Object.entries(seen))
        expect(source, `the source that the server saw, ${pair} by ${protocol.toUpperCase()}`).toBe(client);
  },
  control: masqueradedPods,
});

function meshPod(lab: Lab, name: string, nodeName: string, namespace: string) {
  const readinessProbe = { httpGet: { path: "/hostname", port: 8080 }, periodSeconds: 1 };
  return lab.clientPod(
    name,
    {
      nodeName,
      containers: [lab.clientContainer, { ...lab.serverContainer, readinessProbe }],
    },
    namespace,
  );
}

/** Pings each server and has agnhost in the client's own pod ask it whom it sees, by TCP and UDP; in one command. */
async function askAll(
  client: Peer,
  servers: readonly string[],
  timeout: number,
): Promise<{ tcp: string | null; udp: string | null }[]> {
  const dial = 'curl --silent --max-time 10 "http://localhost:8080/dial?host=$server&request=clientip&tries=1';
  const script = `for server; do ping -c 1 $server >/dev/null; ${dial}&port=8080&protocol=http"; echo; ${dial}&port=8081&protocol=udp"; echo; done`;
  const title = `${client.label} asks ${servers.join(", ")} by ICMP, TCP and UDP`;
  const lines = (await outputOf(client, title, ["sh", "-c", script, "sh", ...servers], timeout))
    .split("\n")
    .filter(Boolean);
  const source = (line = "{}") =>
    (JSON.parse(line) as { responses?: string[] }).responses?.[0]?.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1") ??
    null;
  return servers.map((_server, index) => ({ tcp: source(lines[2 * index]), udp: source(lines[2 * index + 1]) }));
}

claim("pods-reach-host-network-pods-without-nat", {
  observe: async (lab) => {
    const client = lab.pod("client-1");
    const ask = (pod: string) => meet(client, hostPort(lab.pod(pod).address, 18_090), lab.timeouts.silence);
    return {
      client: client.address,
      node: lab.worker(0).addresses[0],
      ownNode: await ask("host-1"),
      otherNode: await ask("host-2"),
      back: await meet(lab.pod("host-2"), hostPort(lab.pod("server-1").address, 8080), lab.timeouts.silence),
      // A node has an address for each way that it sends by.
      addressOfTheOtherNode: await sourceTowards(lab.node(lab.worker(1)), lab.pod("server-1").address),
    };
  },
  judge: ({ client, node, ownNode, otherNode, back, addressOfTheOtherNode }) => {
    positiveControl(
      ownNode.outcome === "answered" && otherNode.outcome === "answered" && back.outcome === "answered",
      "the pod is answered by both host-network pods, and a host-network pod by a pod",
    );
    expect(ownNode.source, "the source that a host-network pod of the pod's own node sees").toBe(client);
    expect(back.source, "the source that a pod sees of a host-network pod").toBe(addressOfTheOtherNode);
    expect(
      otherNode.source,
      `the source that a host-network pod of another node sees (${node} is the client's node)`,
    ).toBe(client);
  },
  control: live("the pod's node does not masquerade what the pod sends to another node", async (lab) => {
    const flow = ["-s", lab.pod("client-1").address, "-d", lab.worker(1).addresses[0] ?? ""];
    const rule = [...flow, "-p", "tcp", "--dport", "18090", "-j", "ACCEPT"];
    await iptablesRule(lab, lab.worker(0), "nat", "POSTROUTING", ...rule);
  }),
});

claim("no-way-in-without-a-service", {
  slow: true,
  observe: async (lab) => {
    const node = lab.worker(1).addresses[0] ?? "";
    const nodeName = lab.worker(1).name;
    const server = { name: "server", image: lab.image("agnhost"), args: ["netexec", "--http-port=8080"] };
    const port = 18_081;
    const url = `http://${hostPort(node, port)}/hostname`;
    const without = await request(lab.outsider, url, lab.timeouts.silence);
    const ports = [{ containerPort: 8080, hostPort: port }];
    const pod = await lab.start(lab.serverPod("by-host-port", {}, { nodeName, containers: [{ ...server, ports }] }));
    const words = ["kubectl", "port-forward", "--namespace", lab.namespace, "pod/far-server", "18082:8080"];
    const forward = await inBackground(lab.outsider, "forward a port of a pod", words);
    lab.afterwards(() => forward.stop());
    const answered = ({ outcome }: Pick<Meeting, "outcome">) => outcome === "answered";
    const outside = (target: string) =>
      lab.eventually(() => request(lab.outsider, target, lab.timeouts.attempt), answered);
    const inside = (target: string) =>
      lab.until(`${target} to answer a pod`, () => meet(lab.pod("client-1"), target, lab.timeouts.attempt), answered);
    const [byHostPort, byHostNetwork, byPortForward] = await Promise.all([
      outside(url),
      outside(`http://${hostPort(node, 18_090)}/hostname`),
      outside("http://localhost:18082/hostname"),
    ]);
    return {
      without,
      // The pods answer, and the outsider reaches the node: what does not answer is closed.
      answeredInside: await Promise.all(
        [hostPort(pod.address, 8080), hostPort(node, 18_090), hostPort(lab.pod("far-server").address, 8080)].map(
          inside,
        ),
      ),
      toTheNode: await meet(lab.outsider, hostPort(node, lab.nodePort), lab.timeouts.answer),
      byHostPort,
      byHostNetwork,
      byPortForward,
    };
  },
  judge: ({ without, answeredInside, toTheNode, byHostPort, byHostNetwork, byPortForward }) => {
    positiveControl(without.outcome !== "answered", "nothing answers at that port of the node without the pod");
    positiveControl(
      answeredInside.every(({ outcome }) => outcome === "answered"),
      "the pods answer inside the cluster",
    );
    positiveControl(toTheNode.outcome === "answered", "the outsider is answered at the node's own Service port");
    const ways = [
      ["a hostPort", byHostPort],
      ["the host network", byHostNetwork],
      ["kubectl port-forward", byPortForward],
    ] as const;
    expect(
      ways.filter(([, { outcome }]) => outcome === "answered").map(([way]) => way),
      "ways in that need neither a Service nor an Ingress",
    ).toEqual([]);
  },
  control: live(
    "a node drops what comes for those ports from outside, and the API server forwards none",
    async (lab) => {
      const node = lab.worker(1);
      const flow = ["-s", lab.outsiderAddress, "-d", node.addresses[0] ?? "", "-p", "tcp"];
      for (const port of ["18081", "18090"])
        await iptablesRule(lab, node, "raw", "PREROUTING", ...flow, "--dport", port, "-j", "DROP");
      await forbidPortForward(lab, "far-server");
    },
  ),
});

claim("ingress-lets-the-outside-in", {
  observe: async (lab) => {
    await lab.create("an Ingress", ingressTo(lab, "to-the-web"));
    const node = lab.controlPlane.addresses[0] ?? "";
    await delay(lab.timeouts.window);
    return {
      classes: (await lab.get<{ items: unknown[] }>("the Ingress classes", "/apis/networking.k8s.io/v1/ingressclasses"))
        .items.length,
      status: (
        await lab.get<V1Ingress>(
          "the Ingress",
          `/apis/networking.k8s.io/v1/namespaces/${lab.namespace}/ingresses/to-the-web`,
        )
      ).status?.loadBalancer,
      atTheNode: await request(lab.outsider, `http://${hostPort(node, 80)}/hostname`, lab.timeouts.silence),
      windowMs: lab.timeouts.window,
    };
  },
  judge: ({ classes, status, atTheNode, windowMs }) => {
    if (classes === 0)
      throw new NeedsFeature(
        `an Ingress controller: the Ingress was accepted, there is no IngressClass, its status stayed ${JSON.stringify(status)} for ${windowMs / 1000} s, and port 80 of a node was ${atTheNode.outcome}`,
      );
    expect(atTheNode.outcome, "port 80 of a node").toBe("answered");
  },
});

function ingressTo(lab: Lab, name: string) {
  const service = { name: "web", port: { number: 80 } };
  const paths = [{ path: "/", pathType: "Prefix", backend: { service } }];
  return {
    apiVersion: "networking.k8s.io/v1",
    kind: "Ingress",
    metadata: { name, namespace: lab.namespace },
    spec: { rules: [{ host: "web.example.test", http: { paths } }] },
  };
}

claim("docker-networks-are-separate", {
  slow: true,
  observe: async (lab) => {
    const networks = [
      await lab.network("a network of one's own"),
      await lab.network("another network of one's own"),
    ] as const;
    const server = await lab.container("a server on the first", "--network", networks[0]);
    const client = await lab.container("a client on the second", "--network", networks[1]);
    const inspect = ["inspect", "--format", "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}", server];
    const address = (await outputOf(lab.containerEngine, "the server's address", inspect)).trim();
    const listen = "kubectl proxy --www=/kind --address=0.0.0.0 --accept-hosts=.* --port=8001".split(" ");
    await outputOf(lab.containerEngine, "listen on port 8001", ["exec", "--detach", server, ...listen]);
    const url = `http://${address}:8001/static/`;
    const curl = ["curl", "--silent", "--max-time", String(lab.timeouts.answer / 1000), url];
    const own = () => lab.containerEngine.run("ask from itself", ["exec", server, ...curl]);
    await lab.until("the server to listen", own, ({ exitCode }) => exitCode === 0);
    const ask = (title: string) => lab.containerEngine.run(title, ["exec", client, ...curl]);
    const between = await ask("ask from the other network");
    await outputOf(lab.containerEngine, "put the client on the server's network too", [
      "network",
      "connect",
      networks[0],
      client,
    ]);
    const together = await ask("ask on the same network");
    return {
      between: between.exitCode ?? null,
      together: together.exitCode ?? null,
      pods: await meet(lab.pod("client-1"), hostPort(lab.pod("far-server").address, 8080), lab.timeouts.answer),
    };
  },
  judge: ({ between, together, pods }) => {
    positiveControl(together === 0, "on one network the same container is answered");
    expect(between, "exit code of curl between containers of two bridge networks").not.toBe(0);
    expect(pods.outcome, "a pod, asked from a pod on another node").toBe("answered");
  },
  control: live(
    "the engine forwards between its bridge networks",
    async (lab) => {
      for (const port of ["--dport", "--sport"])
        await ruleBetweenContainers(lab, "-p", "tcp", port, "8001", "-j", "ACCEPT");
    },
    { lane: "containers beside the cluster" },
  ),
});

claim("pods-behave-like-machines", {
  slow: true,
  observe: async (lab) => {
    const port = 20_000 + randomInt(10_000);
    const server = (name: string, nodeName: string) => {
      const args = ["netexec", `--http-port=${port}`, `--udp-port=${port}`];
      const containers = [{ name: "server", image: lab.image("agnhost"), args }];
      return lab.start(lab.serverPod(name, {}, { nodeName, containers }));
    };
    const [far, near] = await Promise.all([
      server("machine-far", lab.worker(1).name),
      server("machine-near", lab.worker(0).name),
    ]);
    const client = lab.pod("client-1");
    const ask = async ({ address }: PodPeer, node: WorldNode) => {
      await lab.until(
        "the server to listen",
        () => meet(lab.node(node), hostPort(address, port), lab.timeouts.attempt),
        ({ outcome }) => outcome === "answered",
      );
      return meet(client, hostPort(address, port), lab.timeouts.silence);
    };
    const query = new URLSearchParams({
      host: far.address,
      port: String(port),
      protocol: "udp",
      request: "hostname",
      tries: "1",
    });
    const proxy = `http://${hostPort(lab.pod("server-1").address, 8080)}/dial?${query.toString()}`;
    return {
      port,
      far: await ask(far, lab.worker(1)),
      near: await ask(near, lab.worker(0)),
      udp: await request(client, proxy, lab.timeouts.answer),
      closed: await meet(client, hostPort(far.address, port + 1), lab.timeouts.silence),
    };
  },
  judge: ({ port, far, near, udp, closed }) => {
    expect(far.pod, `who answers on TCP port ${port}, which no pod declares, on the other node`).toBe("machine-far");
    expect(near.pod, "who answers on the same port of another pod at the same time").toBe("machine-near");
    expect(udp.body, `what UDP port ${port} answers`).toContain("machine-far");
    expect(closed.outcome, `TCP port ${port + 1}, where nothing listens`).toBe("refused");
  },
  control: live("the client's node drops what it sends to ports that no pod declares", async (lab) => {
    const flow = ["-s", lab.pod("client-1").address, "-p", "tcp", "--dport", "20000:29999"];
    await iptablesRule(lab, lab.worker(0), "raw", "PREROUTING", ...flow, "-j", "DROP");
  }),
});

claim("pods-may-be-on-different-nodes", {
  slow: true,
  observe: async (lab) => {
    const labels = { app: "spread" };
    const rule = { maxSkew: 1, topologyKey: "kubernetes.io/hostname", whenUnsatisfiable: "DoNotSchedule" };
    const topologySpreadConstraints = [{ ...rule, labelSelector: { matchLabels: labels }, nodeTaintsPolicy: "Honor" }];
    await lab.create("a Deployment", lab.serverDeployment("spread", 2, labels, { topologySpreadConstraints }));
    const pods = await lab.readyPods(2, labels);
    return pods.map(({ metadata, spec }) => ({ pod: metadata?.name, node: spec?.nodeName }));
  },
  judge: (pods) => {
    expect(new Set(pods.map(({ node }) => node)).size, "nodes that the pods of one Deployment are on").toBe(2);
  },
  control: live("the Deployment's pods are bound to one node", (lab) =>
    storeOtherwise(
      lab,
      { kind: "Deployment", name: "spread" },
      `JSONPatch{op: 'add', path: '/spec/template/spec/nodeName', value: '${lab.worker(0).name}'}`,
    ),
  ),
});

claim("pod-addresses-are-leased-once", {
  slow: true,
  observe: async (lab) => {
    const node = lab.worker(1);
    const folder = await leasesOn(lab, node);
    const leases = async () => {
      const files = await outputOf(lab.node(node), "addresses that are leased on the node", ["ls", folder]);
      return files.split("\n").filter((file) => /^[\d.]+$|:/.test(file));
    };
    const perRound = 3;
    const made: { pod: string; ip: string }[] = [];
    let leasedWhileUp: string[] = [];
    for (let round = 1; round <= 2; round++) {
      const pods = Array.from({ length: perRound }, (_, index) =>
        lab.serverPod(`leased-${round}-${index}`, {}, { nodeName: node.name }),
      );
      const peers = await Promise.all(pods.map((pod) => lab.start(pod)));
      made.push(...peers.map(({ label, address }) => ({ pod: label, ip: address })));
      leasedWhileUp = await leases();
      await Promise.all(pods.map((pod) => lab.delete(`the pod ${pod.metadata.name}`, pod)));
    }
    const last = new Set(made.slice(-perRound).map(({ ip }) => ip));
    const left = await lab.eventually(leases, (files) => !files.some((ip) => last.has(ip)));
    return { made, leasedWhileUp, left };
  },
  judge: ({ made, leasedWhileUp, left }) => {
    const ips = made.map(({ ip }) => ip);
    const last = ips.slice(ips.length / 2);
    expect(leasedWhileUp, "leases while the last pods ran").toEqual(expect.arrayContaining(last));
    expect(
      ips.filter((ip, index) => ips.indexOf(ip) !== index),
      `addresses given twice to ${ips.length} pods one after another`,
    ).toEqual([]);
    expect(
      left.filter((ip) => last.includes(ip)),
      "leases of pods that are gone",
    ).toEqual([]);
  },
  control: live("host-local keeps the leases of pods that are gone", async (lab) => {
    const node = lab.worker(1);
    const kept = "/run/kept-leases";
    const giveBack = `cd "$0" && grep -lFf ${kept} * | xargs -r rm; rm -f ${kept}`;
    const folder = await leasesOn(lab, node);
    lab.afterwards(async () => void (await outputOf(lab.node(node), "give them back", ["sh", "-c", giveBack, folder])));
    // Other pods are served as ever.
    await wrapProgram(lab, lab.node(node), "/opt/cni/bin/host-local", (aside) => [
      'case "$CNI_COMMAND $CNI_ARGS" in',
      `DEL*K8S_POD_NAME=leased-*) echo "$CNI_CONTAINERID" >> ${kept} ;;`,
      `*) exec ${aside} ;;`,
      "esac",
    ]);
  }),
});

claim("nodes-route-to-the-right-pod", {
  slow: true,
  observe: async (lab) => {
    const forwards = `/proc/sys/net/${lab.family}/conf/all/forwarding`;
    const forwarding = await Promise.all(
      lab.world.nodes.map(async (node) => ({
        node: node.name,
        value: (await outputOf(lab.node(node), "does it forward", ["cat", forwards])).trim(),
      })),
    );
    const near = lab.node(lab.worker(0));
    const route = async (address: string) =>
      (
        await jsonOf<{ dev: string; gateway?: string }[]>(near, `the way to ${address}`, [
          "ip",
          "-json",
          "route",
          "get",
          address,
        ])
      )[0];
    const own = await route(lab.pod("client-1").address);
    const other = await route(lab.pod("far-server").address);
    // Only this pod's packets: what comes in by its end of the link is not forwarded.
    const client = await lab.start(lab.clientPod("not-forwarded", { nodeName: lab.worker(0).name }));
    const device = (await route(client.address))?.dev ?? "";
    const ask = (address: string, timeout = lab.timeouts.silence) => meet(client, hostPort(address, 8080), timeout);
    const before = await ask(lab.pod("far-server").address);
    const drop = (action: "-I" | "-D") => [lab.iptables, "-w", action, "FORWARD", "-i", device, "-j", "DROP"];
    lab.afterwards(async () => void (await near.run("no such rule is left", drop("-D"))));
    await outputOf(near, "do not forward what that pod sends", drop("-I"));
    const without = await ask(lab.pod("far-server").address);
    await outputOf(near, "forward it again", drop("-D"));
    const after = await ask(lab.pod("far-server").address);
    return { forwarding, own, other, otherNode: lab.worker(1).addresses, before, without, after };
  },
  judge: ({ forwarding, own, other, otherNode, before, without, after }) => {
    positiveControl(
      before.outcome === "answered" && after.outcome === "answered",
      "the pod is answered before and after",
    );
    positiveControl(without.outcome !== "answered", "without forwarding it is not");
    for (const { node, value } of forwarding) expect(value, `forwarding on ${node}`).toBe("1");
    expect(own?.dev, "the way to a pod of the node itself").toMatch(/^veth/);
    expect(other?.dev, "the way to a pod of another node").toBe("eth0");
    expect(otherNode, "the gateway of that way").toContain(other?.gateway);
  },
  control: live(
    "the way to another node's pod leads by a third node",
    async (lab) => {
      const { address } = lab.pod("far-server");
      const node = lab.node(lab.worker(0));
      const route = [hostPrefix(address), "via", lab.controlPlane.addresses[0] ?? ""];
      // The third node sees one direction only, and would take that for invalid.
      await iptablesRule(lab, lab.controlPlane, "raw", "PREROUTING", "-d", address, "-j", "CT", "--notrack");
      lab.afterwards(async () => void (await outputOf(node, "no longer", ["ip", "route", "del", ...route])));
      await outputOf(node, "another way to the pod", ["ip", "route", "add", ...route]);
    },
    { alone: true },
  ),
});

claim("isolation-has-to-be-added", {
  slow: true,
  observe: async (lab) => {
    const policies = await lab.get<{ items: unknown[] }>("all policies", "/apis/networking.k8s.io/v1/networkpolicies");
    const policy = {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "deny", namespace: lab.namespace },
      spec: { podSelector: {}, policyTypes: ["Ingress"] },
    };
    const elsewhere = await lab.start(lab.serverPod("open-elsewhere", {}, {}, lab.otherNamespace));
    const withinTheOther = await lab.until(
      "an answer within the other namespace",
      () => meet(lab.pod("client-elsewhere"), hostPort(elsewhere.address, 8080), lab.timeouts.attempt),
      ({ outcome }) => outcome === "answered",
    );
    return {
      within: await meet(lab.pod("client-1"), hostPort(lab.pod("server-1").address, 8080), lab.timeouts.answer),
      withinTheOther,
      policies: policies.items.length,
      accepted: (await lab.tryCreate("would a policy be accepted", policy, { dryRun: true })).code,
      into: await meet(lab.pod("client-elsewhere"), hostPort(lab.pod("server-1").address, 8080), lab.timeouts.answer),
      outOf: await meet(lab.pod("client-1"), hostPort(elsewhere.address, 8080), lab.timeouts.answer),
    };
  },
  judge: ({ policies, accepted, within, withinTheOther, into, outOf }) => {
    positiveControl(accepted === 201, "the API takes policies");
    positiveControl(
      within.outcome === "answered" && withinTheOther.outcome === "answered",
      "each pod is answered within its own namespace",
    );
    expect(into.outcome, `${into.to}, asked from another namespace (there are ${policies} policies)`).toBe("answered");
    expect(outOf.outcome, `${outOf.to}, in the other namespace`).toBe("answered");
  },
  control: live("a node drops what a pod sends to a pod of another namespace, as a policy would", async (lab) => {
    const flow = ["-s", lab.pod("client-elsewhere").address, "-d", lab.pod("server-1").address];
    await iptablesRule(lab, lab.worker(0), "raw", "PREROUTING", ...flow, "-j", "DROP");
  }),
});
