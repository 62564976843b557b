import { randomInt } from "node:crypto";
import { expect } from "vitest";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { mutate } from "../../helpers/lab/admission.ts";
import { answered, whoAnswers, whoAnswersByUdp } from "../../helpers/lab/ask.ts";
import { isReady } from "../../helpers/lab/cast.ts";
import { wrapProgram } from "../../helpers/lab/changes.ts";
import { withIngress } from "../../helpers/lab/ingress.ts";
import { rules } from "../../helpers/lab/iptables.ts";
import { patch } from "../../helpers/lab/json-patch.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import { leadsTo } from "../../helpers/lab/objects.ts";
import type { NodePeer, PodPeer } from "../../helpers/lab/peers.ts";
import { nameOf } from "../../helpers/lab/pods.ts";
import { live } from "../../helpers/lab/spec.ts";
import { inBackground } from "../../helpers/probe/background.ts";
import { startCapture } from "../../helpers/probe/capture.ts";
import { type Meeting, hostPort, meet, request } from "../../helpers/probe/http.ts";
import { hostPrefix } from "../../helpers/probe/ip.ts";
import { wayTo } from "../../helpers/probe/links.ts";
import { type Peer, outputOf } from "../../helpers/probe/peer.ts";
import { claim } from "./article.ts";
import { leasesFolder, readConflist } from "./conflist.ts";

interface Call {
  readonly client: string;
  readonly server: string;
  readonly meeting: Meeting;
}

/** Each client asks its server, by each family that they have; the answer tells who gives it, and the address that it saw. */
async function talk(lab: Lab, ...pairs: [client: string, server: string][]): Promise<Call[]> {
  const calls = pairs.flatMap(([client, server]) =>
    lab.pod(server).addresses.map((address, family) => ({ peer: lab.pod(client), server, address, family })),
  );
  return Promise.all(
    calls.map(async ({ peer, server, address, family }) => ({
      client: peer.addresses[family] ?? "",
      server,
      meeting: await whoAnswers(lab, peer, hostPort(address, 8080)),
    })),
  );
}

function arrivedUntranslated(calls: readonly Call[]): void {
  for (const { client, server, meeting } of calls) {
    expect(meeting.outcome, `${meeting.from} asked ${meeting.to}`).toBe("answered");
    expect(meeting.pod, `who answered ${meeting.from} at ${meeting.to}, the address of ${server}`).toBe(server);
    expect(meeting.source, `the address from which ${server} saw ${meeting.from} come`).toBe(client);
  }
}

const masqueradedPods = live(
  "the nodes masquerade what pods send to pods",
  async (lab) => {
    const [subnet = ""] = lab.world.podSubnets;
    for (const node of lab.nodes) await rules(lab, node).masquerade({ from: subnet, to: subnet });
  },
  { alone: true },
);

claim("pods-talk-without-nat-on-one-node", {
  observe: async (lab) => ({
    nodes: [lab.worker(0).name, lab.worker(1).name],
    calls: await talk(lab, ["client-1", "server-1"], ["client-2", "server-2"]),
  }),
  judge: ({ calls }) => arrivedUntranslated(calls),
  control: live(
    "a node leads what a pod sends to one pod to another",
    async (lab) => {
      const traffic = { from: lab.pod("client-1").address, to: lab.pod("server-1").address, port: 8080 };
      await rules(lab, lab.worker(0)).redirect(traffic, lab.pod("server-2").on(8080));
    },
    { alone: true },
  ),
});

claim("pods-talk-without-nat-across-nodes", {
  observe: async (lab) => ({
    nodes: [lab.worker(0).name, lab.worker(1).name],
    // Proves that the servers answer at all: an unanswered call across nodes is then the network's doing.
    nearby: await whoAnswers(lab, lab.pod("client-2"), lab.pod("server-2").on(8080)),
    calls: await talk(lab, ["client-1", "server-2"], ["client-2", "server-1"]),
  }),
  judge: ({ nodes, nearby, calls }) => {
    positiveControl(nodes[0] !== nodes[1], "the pods are on two nodes");
    positiveControl(answered(nearby), `${nearby.to} answers a pod on its own node`);
    arrivedUntranslated(calls);
  },
  control: masqueradedPods,
});

claim("kubelet-reaches-pods-of-its-node", {
  observe: async (lab) => {
    const ready = async (...names: string[]) => {
      const pods = await lab.api.list("the cast's pods", "Pod", { namespace: lab.namespace });
      return names.map((name) => pods.some((pod) => nameOf(pod) === name && isReady(pod)));
    };
    const servers = ["server-1", "server-2"];
    const calls = await Promise.all(
      ([0, 1] as const).map(async (index) => ({
        server: servers[index],
        meeting: await whoAnswers(lab, lab.worker(index), lab.pod(`server-${index + 1}`).on(8080)),
      })),
    );
    return {
      // A busy machine can make a probe late, and the next one tells.
      readyByTheKubeletsProbe: await lab.eventually(
        () => ready(...servers),
        (found) => found.every(Boolean),
      ),
      readyWhereNothingListens: (await ready("never-ready"))[0],
      calls,
    };
  },
  judge: ({ readyByTheKubeletsProbe, readyWhereNothingListens, calls }) => {
    positiveControl(
      readyWhereNothingListens === false,
      "a pod whose probe asks a closed port stays unready, so readiness comes from asking",
    );
    expect(readyByTheKubeletsProbe, "readiness of the pods that the kubelets ask over HTTP").toEqual([true, true]);
    for (const { server, meeting } of calls)
      expect(meeting.pod, `who answered ${meeting.from} at ${meeting.to} (${meeting.outcome})`).toBe(server);
  },
  control: live(
    "a node drops what it sends to one of its pods itself",
    async (lab) => {
      const ready = async () => isReady(await lab.api.get("is the pod ready", "Pod", "server-1"));
      lab.afterwards(async () => void (await lab.until("the pod to be ready again", ready, Boolean)));
      const traffic = { to: lab.pod("server-1").address, port: 8080 };
      await rules(lab, lab.worker(0)).drop(traffic, ["filter", "OUTPUT"]);
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
      { name: "web", image: lab.objects.image("nginx") },
      { name: "client", image: lab.objects.image("probe"), command: ["sleep", "infinity"] },
    ];
    const web = await lab.pods.start(lab.objects.clientPod("together", { nodeName: lab.worker(0).name, containers }), {
      container: "web",
    });
    return {
      web: await namespaceOf(web),
      client: await namespaceOf(await lab.pods.ready("together", lab.namespace, { container: "client" })),
      otherPod: await namespaceOf(lab.pod("client-1")),
    };
  },
  judge: ({ web, client, otherPod }) => {
    positiveControl(otherPod !== client, "another pod has another network namespace");
    expect(client, "the network namespace of the pod's second container").toBe(web);
  },
  control: live("the runtime gives a pod's second container a network namespace of its own", (lab) =>
    wrapProgram(lab, lab.worker(0), "runc", (aside) => [
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
    samePod: await lab.eventually(
      () => request(lab.pod("pair", { container: "client" }), "http://localhost:80/", lab.timeouts.answer),
      answered,
    ),
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
      const node = lab.worker(0);
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
    const look = async () => {
      const pods = await lab.api.list("all pods of the cluster", "Pod");
      // One that ends may have given its address back already.
      const running = pods.filter(
        ({ metadata, status }) => status?.phase === "Running" && metadata?.deletionTimestamp === undefined,
      );
      const own = running.filter(({ spec }) => spec?.hostNetwork !== true);
      return {
        hostNetworkPods: running.length - own.length,
        addresses: own.map((pod) => ({
          pod: `${pod.metadata?.namespace}/${pod.metadata?.name}`,
          node: pod.spec?.nodeName,
          ip: pod.status?.podIP ?? "",
        })),
      };
    };
    // What is told of a pod may be late: of one that has a new sandbox, or is gone.
    return lab.eventually(look, ({ addresses }) => {
      const ips = addresses.map(({ ip }) => ip);
      return !ips.includes("") && new Set(ips).size === ips.length;
    });
  },
  judge: ({ addresses }) => {
    positiveControl(addresses.length >= 2, "there are pods with a network of their own");
    for (const { pod, ip } of addresses) expect(ip, `the address of ${pod}`).not.toBe("");
    const ips = addresses.map(({ ip }) => ip);
    expect(
      ips.filter((ip, index) => ips.indexOf(ip) !== index),
      "addresses that two pods have",
    ).toEqual([]);
  },
  control: live(
    "a node forgets that it has given out a pod's address, and gives it again",
    async (lab) => {
      const node = lab.worker(1);
      const { address } = await lab.pods.start(lab.objects.serverPod("first-to-have-it", {}, { nodeName: node.name }));
      const before = address.replace(/\d+$/, (last) => String(Number(last) - 1));
      const forget = 'cd "$0" && rm "$1" && printf %s "$2" > last_reserved_ip.0';
      const folder = leasesFolder(await readConflist(node));
      await outputOf(node, "forget the lease, and go back", ["sh", "-c", forget, folder, address, before]);
      await lab.pods.start(lab.objects.serverPod("second-to-have-it", {}, { nodeName: node.name }));
    },
    { alone: true },
  ),
});

claim("pod-unreachable-from-outside-by-default", {
  observe: async (lab) => {
    const server = lab.pod("server-1");
    // On the cluster's own network the outsider calls for whoever has the address; the packet never leaves that network.
    await lab.outsider.routeTo("look for the pod on the cluster's network", server.address, "dev", "eth0");
    return {
      inside: await whoAnswers(lab, lab.pod("client-1"), server.on(8080)),
      toNode: await whoAnswers(lab, lab.outsider, lab.service("web-nodeport").at(lab.controlPlane)),
      outside: await meet(lab.outsider, server.on(8080), lab.timeouts.silence),
    };
  },
  judge: ({ inside, toNode, outside }) => {
    positiveControl(answered(inside), "another pod is answered");
    positiveControl(answered(toNode), "the outsider is answered at a node's port");
    expect(outside.outcome, `the pod at ${outside.to}, asked from outside the cluster`).not.toBe("answered");
  },
  control: live("the pod's node answers for its address on the cluster's network", async (lab) => {
    const { address } = lab.pod("server-1");
    const node = lab.worker(0);
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
    const labels = { app: "let-in" };
    await lab.pods.start(lab.objects.serverPod("let-in", labels, { nodeName: lab.worker(1).name }));
    const spec = { type: "NodePort", ...leadsTo(labels) };
    const service = await lab.services.create("let-in", spec);
    const target = service.at(lab.controlPlane);
    const withService = await whoAnswers(lab, lab.outsider, target);
    await lab.api.delete("the Service", lab.objects.service("let-in", spec));
    // Its port is anybody's now, so who answers there is asked for.
    const withoutService = await lab.eventually(
      () => request(lab.outsider, `http://${target}/hostname`, lab.timeouts.silence),
      ({ body }) => body !== "let-in",
    );
    const toTheNode = await whoAnswers(lab, lab.outsider, lab.service("web-nodeport").at(lab.controlPlane));
    return { withService, withoutService, toTheNode };
  },
  judge: ({ withService, withoutService, toTheNode }) => {
    positiveControl(answered(toTheNode), "the outsider is answered at another Service's port of that node");
    expect(withService.pod, `who answers an outsider by way of the pod's Service (${withService.outcome})`).toBe(
      "let-in",
    );
    expect(
      withoutService.body,
      `who answers at the same port once the Service is gone (${withoutService.outcome})`,
    ).not.toBe("let-in");
  },
  control: live("the Service does not select the pod", (lab) => mutate.selector(lab, "let-in", { app: "nobody" })),
});

/** Puts a rule in front of those by which Docker forwards between containers, until the change ends. */
async function ruleBetweenContainers(lab: Lab, ...rule: readonly string[]): Promise<void> {
  const options = { network: "host", mayChangeNetwork: true };
  const machine = await lab.engine.start("a container on the machine's own network", options);
  const iptables = (title: string, action: "-I" | "-D") =>
    outputOf(lab.engine.inside(machine), title, [lab.iptables, "-w", action, "DOCKER-USER", ...rule]);
  lab.afterwards(async () => void (await iptables("take the rule away", "-D")));
  await iptables("a rule between containers", "-I");
}

/** kubectl is in every node image, and serves files without a cluster. */
const fileServer = "kubectl proxy --www=/kind --address=0.0.0.0 --accept-hosts=.* --port=8001".split(" ");

/** Returns the command that asks that server once. */
function curlAt(lab: Lab, address: string): string[] {
  const seconds = String(lab.timeouts.answer / 1000);
  return ["curl", "--silent", "--max-time", seconds, `http://${address}:8001/static/`];
}

claim("docker-default-network-is-a-bridge", {
  observe: async (lab) => {
    const id = await lab.engine.start("start a container that names no network");
    const networks = await lab.engine.networksOf("the networks it is on", id);
    return {
      networks: Object.keys(networks),
      driver: await lab.engine.driverOf("the driver of the network bridge", "bridge"),
    };
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
      await lab.engine.start("start a server, nothing published"),
      await lab.engine.start("start a client"),
    ];
    const address = await lab.engine.addressOf("the server's address", server, "ipv4");
    const published = await lab.engine.publishedPorts("the server's published ports", server);
    const curl = curlAt(lab, address);
    const ask = (title: string) => lab.engine.inside(client).run(title, curl);
    const before = await ask("ask where nothing listens yet");
    await lab.engine.startInside(server, "listen on port 8001", fileServer);
    await lab.until(
      "the server to listen",
      () => lab.engine.inside(server).run("ask from itself", curl),
      ({ exitCode }) => exitCode === 0,
    );
    const answer = await lab.eventually(
      () => ask("ask the other container by its address"),
      ({ exitCode }) => exitCode === 0,
    );
    return {
      published,
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
      const bridge = await lab.engine.defaultBridge("the default bridge");
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
        peer: await lab.pods.start(meshPod(lab, name, nodeName, namespace), { container: "client" }),
      })),
    );
    const echo = { ipv4: "icmp[icmptype] == icmp-echo", ipv6: "icmp6[icmp6type] == icmp6-echo" }[lab.family];
    const captures = await Promise.all(pods.map(({ peer }) => startCapture(peer, "any", echo)));
    const asked = await Promise.all(
      pods.flatMap((client) =>
        pods
          .filter((server) => server !== client)
          .map(async (server) => ({
            pair: `${client.name} → ${server.name}`,
            client: client.peer.address,
            server: server.name,
            tcp: await whoAnswers(lab, client.peer, server.peer.on(8080)),
            udp: await whoAnswersByUdp(lab, client.peer, "localhost:8080", server.peer.address, 8081),
            pingExit: await ping(lab, client.peer, server.peer.address),
          })),
      ),
    );
    /** From where each pod saw pings come, by its name. */
    const pingers = async () =>
      Object.fromEntries(
        await Promise.all(
          pods.map(async ({ name, peer }, index) => {
            const packets = (await captures[index]?.packets()) ?? [];
            const sources = packets.filter(({ to }) => to === peer.address).map(({ from }) => from);
            return [name, [...new Set(sources)]] as const;
          }),
        ),
      );
    const seen = await lab.eventually(pingers, (found) =>
      asked.every(({ client, server }) => found[server]?.includes(client)),
    );
    await Promise.all(captures.map((capture) => capture.stop()));
    return { pods: pods.length, pairs: asked.map((pair) => ({ ...pair, pingers: seen[pair.server] ?? [] })) };
  },
  judge: ({ pods, pairs }) => {
    positiveControl(pods >= 5 && pairs.length === pods * (pods - 1), "every pod asked every other one");
    for (const { pair, client, server, tcp, udp, pingExit, pingers } of pairs) {
      for (const [protocol, { pod, source }] of Object.entries({ TCP: tcp, UDP: udp })) {
        expect(pod, `who answered, ${pair} by ${protocol}`).toBe(server);
        expect(source, `the source that the server saw, ${pair} by ${protocol}`).toBe(client);
      }
      expect(pingers, `the sources of the pings that ${server} saw`).toContain(client);
      expect(pingExit, `exit code of ping, ${pair}`).toBe(0);
    }
  },
  control: masqueradedPods,
});

function meshPod(lab: Lab, name: string, nodeName: string, namespace: string) {
  const readinessProbe = { httpGet: { path: "/hostname", port: 8080 }, periodSeconds: 1, timeoutSeconds: 3 };
  return lab.objects.clientPod(
    name,
    {
      nodeName,
      containers: [lab.objects.clientContainer, { ...lab.objects.serverContainer, readinessProbe }],
    },
    namespace,
  );
}

/** Pings until an answer comes. Returns ping's exit code, which is 0 where one of its packets at least was answered (ping(8)). */
async function ping(lab: Lab, client: Peer, address: string): Promise<number | null> {
  const seconds = String(Math.ceil(lab.timeouts.silence / 1000));
  const command = ["ping", "-c", "3", "-i", "0.2", "-W", seconds, address];
  const { exitCode } = await lab.eventually(
    () => client.run(`${client.label} pings ${address}`, command),
    (end) => end.exitCode === 0,
  );
  return exitCode ?? null;
}

claim("pods-reach-host-network-pods-without-nat", {
  observe: async (lab) => {
    const client = lab.pod("client-1");
    const ask = (pod: string, port: number) => whoAnswers(lab, client, lab.pod(pod).on(port));
    return {
      client: client.address,
      // A pod on the host network has its node's name.
      nodes: [lab.worker(0).name, lab.worker(1).name],
      ownNode: await ask("host-1", 18_090),
      otherNode: await ask("host-2", 18_092),
      back: await whoAnswers(lab, lab.pod("host-2"), lab.pod("server-1").on(8080)),
      // A node has an address for each way that it sends by.
      addressOfTheOtherNode: (await wayTo(lab.worker(1), lab.pod("server-1").address)).prefsrc,
    };
  },
  judge: ({ client, nodes, ownNode, otherNode, back, addressOfTheOtherNode }) => {
    expect([ownNode.pod, otherNode.pod], `who answered ${client} at ${ownNode.to} and ${otherNode.to}`).toEqual(nodes);
    expect(ownNode.source, "the source that a host-network pod of the pod's own node sees").toBe(client);
    expect(back.pod, `who answered ${back.from} at ${back.to}`).toBe("server-1");
    expect(back.source, "the source that a pod sees of a host-network pod").toBe(addressOfTheOtherNode);
  },
  control: live("the pod's node leads what the pod sends to one host-network pod to another", async (lab) => {
    const traffic = { from: lab.pod("client-1").address, to: lab.pod("host-2").address, port: 18_092 };
    await rules(lab, lab.worker(0)).redirect(traffic, lab.pod("host-1").on(18_090));
  }),
});

claim("no-way-in-without-a-service", {
  slow: true,
  observe: async (lab) => {
    const inside = await whoAnswers(lab, lab.pod("client-1"), lab.pod("far-server").on(8080));
    const ask = (node: NodePeer) => request(lab.outsider, `http://${node.on(8080)}/hostname`, lab.timeouts.silence);
    return {
      labelsOfThePod: lab.pod("far-server").labels,
      inside,
      toTheNode: await whoAnswers(lab, lab.outsider, lab.service("web-nodeport").at(lab.worker(1))),
      atTheNodes: await Promise.all(lab.nodes.map(ask)),
      // No verdict hangs on it: somebody may have a port that it needs.
      byOtherMeans: await byOtherMeans(lab).catch((error: unknown) => {
        lab.note("other means could not be tried", (error as Error).message);
        return null;
      }),
    };
  },
  judge: ({ labelsOfThePod, inside, toTheNode, atTheNodes }) => {
    positiveControl(Object.keys(labelsOfThePod).length === 0, "the pod has no labels, so no Service selects it");
    positiveControl(inside.pod === "far-server", "it answers a pod inside the cluster");
    positiveControl(answered(toTheNode), "the outsider is answered at the pod's node, by a Service");
    for (const { to, outcome, body } of atTheNodes)
      expect(body, `who answers an outsider at ${to}, where nothing leads to the pod (${outcome})`).not.toBe(
        "far-server",
      );
  },
  control: live("a node leads what comes from outside to the pod", async (lab) => {
    const node = lab.worker(1);
    const traffic = { from: lab.outsider.address, to: node.address, port: 8080 };
    await rules(lab, node).redirect(traffic, lab.pod("far-server").on(8080));
  }),
});

/** What else lets outsiders in when it is asked for, as the claim's note tells. */
async function byOtherMeans(lab: Lab) {
  const node = lab.worker(1);
  const ports = [{ containerPort: 8080, hostPort: 18_081 }];
  const containers = [{ ...lab.objects.serverContainer, ports }];
  await lab.pods.start(lab.objects.serverPod("by-host-port", {}, { nodeName: node.name, containers }));
  const words = ["kubectl", "port-forward", "--namespace", lab.namespace, "pod/far-server", "18082:8080"];
  const forward = await inBackground(lab.outsider, "forward a port of a pod", words);
  lab.afterwards(() => forward.stop());
  const ask = async (target: string) =>
    lab.eventually(() => request(lab.outsider, `http://${target}/hostname`, lab.timeouts.attempt), answered);
  const [hostPortOfAPod, hostNetwork, portForward] = await Promise.all(
    [node.on(18_081), node.on(18_092), "localhost:18082"].map(ask),
  );
  return { hostPortOfAPod, hostNetwork, portForward };
}

claim("ingress-lets-the-outside-in", {
  slow: true,
  observe: (lab) => withIngress(lab, "lets-in", 18_200),
  judge: ({ before, answers: [answer] }) => {
    positiveControl(before.status === 404, "the controller answers, and leads nowhere while there is no Ingress");
    expect(answer?.body, `who answers an outsider at ${answer?.host} by the Ingress (HTTP ${answer?.status})`).toBe(
      answer?.backend,
    );
  },
  control: live("the Ingress is of a class that no controller serves", (lab) =>
    mutate.ingress(lab, "lets-in", patch.add("/spec/ingressClassName", "nobody")),
  ),
});

claim("docker-networks-are-separate", {
  slow: true,
  observe: async (lab) => {
    const networks = [
      await lab.engine.createNetwork("a network of one's own"),
      await lab.engine.createNetwork("another network of one's own"),
    ] as const;
    const server = await lab.engine.start("a server on the first", { network: networks[0] });
    const client = await lab.engine.start("a client on the second", { network: networks[1] });
    const curl = curlAt(lab, await lab.engine.addressOf("the server's address", server, "ipv4"));
    await lab.engine.startInside(server, "listen on port 8001", fileServer);
    const own = () => lab.engine.inside(server).run("ask from itself", curl);
    await lab.until("the server to listen", own, ({ exitCode }) => exitCode === 0);
    const ask = (title: string) => lab.engine.inside(client).run(title, curl);
    const between = await ask("ask from the other network");
    await lab.engine.connect("put the client on the server's network too", networks[0], client);
    const together = await lab.eventually(
      () => ask("ask on the same network"),
      ({ exitCode }) => exitCode === 0,
    );
    return {
      between: between.exitCode ?? null,
      together: together.exitCode ?? null,
      pods: await whoAnswers(lab, lab.pod("client-1"), lab.pod("far-server").on(8080)),
    };
  },
  judge: ({ between, together, pods }) => {
    positiveControl(together === 0, "on one network the same container is answered");
    // curl(1), EXIT CODES: it failed to connect, or nothing came in time.
    positiveControl(between !== null && [0, 7, 28].includes(between), "curl tells whether it was answered");
    expect(between, "exit code of curl between containers of two bridge networks").not.toBe(0);
    expect(pods.pod, `who answers at ${pods.to}, asked from a pod on another node (${pods.outcome})`).toBe(
      "far-server",
    );
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
      const containers = [{ name: "server", image: lab.objects.image("agnhost"), args }];
      return lab.pods.start(lab.objects.serverPod(name, {}, { nodeName, containers }));
    };
    const [far, near] = await Promise.all([
      server("machine-far", lab.worker(1).name),
      server("machine-near", lab.worker(0).name),
    ]);
    const client = lab.pod("client-1");
    const ask = async (server: PodPeer, node: NodePeer) => {
      await lab.until("the server to listen", () => meet(node, server.on(port), lab.timeouts.attempt), answered);
      return whoAnswers(lab, client, server.on(port));
    };
    return {
      port,
      far: await ask(far, lab.worker(1)),
      near: await ask(near, lab.worker(0)),
      udp: await whoAnswersByUdp(lab, client, lab.pod("server-1").on(8080), far.address, port),
    };
  },
  judge: ({ port, far, near, udp }) => {
    expect(far.pod, `who answers on TCP port ${port}, which no pod declares, on the other node`).toBe("machine-far");
    expect(near.pod, "who answers on the same port of another pod at the same time").toBe("machine-near");
    expect(udp.pod, `who answers on UDP port ${port}`).toBe("machine-far");
  },
  control: live("the client's node drops what it sends to ports that no pod declares", async (lab) => {
    await rules(lab, lab.worker(0)).drop({ from: lab.pod("client-1").address, port: "20000:29999" });
  }),
});

claim("pods-may-be-on-different-nodes", {
  slow: true,
  observe: async (lab) => {
    const labels = { app: "spread" };
    // It says nothing of nodes: the scheduler decides.
    const silentOnNodes = { affinity: undefined, tolerations: [] };
    await lab.api.create("a Deployment", lab.objects.serverDeployment("spread", 4, labels, silentOnNodes));
    const pods = await lab.pods.severalReady(4, labels);
    return pods.map(({ metadata, spec }) => ({ pod: metadata?.name, node: spec?.nodeName }));
  },
  judge: (pods) => {
    expect(new Set(pods.map(({ node }) => node)).size, "nodes that one Deployment's pods are on").toBeGreaterThan(1);
  },
  control: live("the Deployment's pods are bound to one node", (lab) =>
    mutate.deployment(lab, "spread", patch.add("/spec/template/spec/nodeName", lab.worker(0).name)),
  ),
});

claim("pod-addresses-are-leased-once", {
  slow: true,
  observe: async (lab) => {
    const node = lab.worker(1);
    const folder = leasesFolder(await readConflist(node));
    const pods = await Promise.all(
      [1, 2, 3].map((number) => lab.pods.start(lab.objects.serverPod(`leased-${number}`, {}, { nodeName: node.name }))),
    );
    const files = await outputOf(node, "addresses that are leased on the node", ["ls", folder]);
    return {
      given: pods.map(({ address }) => address),
      leases: files.split("\n").filter((file) => /^[\d.]+$|:/.test(file)),
    };
  },
  judge: ({ given, leases }) => {
    expect(
      given.filter((ip, index) => given.indexOf(ip) !== index),
      "addresses that two of the pods were given",
    ).toEqual([]);
    expect(leases, `addresses that are leased, while pods have ${given.join(", ")}`).toEqual(
      expect.arrayContaining(given),
    );
  },
  control: live("host-local forgets what it gave out", async (lab) => {
    const node = lab.worker(1);
    const folder = leasesFolder(await readConflist(node));
    // Other pods are served as ever; these leave no lease that would have to be given back.
    await wrapProgram(lab, node, "/opt/cni/bin/host-local", (aside) => [
      'case "$CNI_COMMAND $CNI_ARGS" in',
      "ADD*K8S_POD_NAME=leased-*) ;;",
      `*) exec ${aside} ;;`,
      "esac",
      `${aside} || exit`,
      `cd ${folder} && grep -lF "$CNI_CONTAINERID" [0-9a-f]*[.:]* | xargs -r rm`,
    ]);
  }),
});

claim("nodes-route-to-the-right-pod", {
  slow: true,
  observe: async (lab) => {
    const forwards = `/proc/sys/net/${lab.family}/conf/all/forwarding`;
    const forwarding = await Promise.all(
      lab.nodes.map(async (node) => ({
        node: node.name,
        value: (await outputOf(node, "does it forward", ["cat", forwards])).trim(),
      })),
    );
    const near = lab.worker(0);
    const own = await wayTo(near, lab.pod("client-1").address);
    const other = await wayTo(near, lab.pod("far-server").address);
    // Only this pod's packets: what comes in by its end of the link is not forwarded.
    const client = await lab.pods.start(lab.objects.clientPod("not-forwarded", { nodeName: lab.worker(0).name }));
    const { dev: device } = await wayTo(near, client.address);
    const target = lab.pod("far-server").on(8080);
    const nearby = await whoAnswers(lab, lab.pod("client-2"), target);
    const before = await whoAnswers(lab, client, target);
    const drop = (action: "-I" | "-D") => [lab.iptables, "-w", action, "FORWARD", "-i", device, "-j", "DROP"];
    lab.afterwards(async () => void (await near.run("no such rule is left", drop("-D"))));
    await outputOf(near, "do not forward what that pod sends", drop("-I"));
    const without = await meet(client, target, lab.timeouts.silence);
    await outputOf(near, "forward it again", drop("-D"));
    const after = await whoAnswers(lab, client, target);
    return { forwarding, own, other, otherNode: lab.worker(1).addresses, nearby, before, without, after };
  },
  judge: ({ forwarding, own, other, otherNode, nearby, before, without, after }) => {
    positiveControl(nearby.pod === "far-server", "the pod answers a pod of its own node");
    expect(before.pod, `who answers at ${before.to}, asked from another node (${before.outcome})`).toBe("far-server");
    expect(without.outcome, "the same while its node forwards nothing that the asking pod sends").not.toBe("answered");
    positiveControl(after.pod === "far-server", "the pod answers again once the node forwards again");
    for (const { node, value } of forwarding) expect(value, `forwarding on ${node}`).toBe("1");
    expect(own.dev, "the way to a pod of the node itself").toMatch(/^veth/);
    expect(otherNode, "the gateway of the way to a pod of another node").toContain(other.gateway);
  },
  control: live(
    "a node routes what is for another node's pod to one of its own",
    async (lab) => {
      const node = lab.worker(0);
      const wrong = await wayTo(node, lab.pod("client-1").address, "the way to a pod of its own");
      const route = [hostPrefix(lab.pod("far-server").address), "dev", wrong.dev];
      lab.afterwards(async () => void (await outputOf(node, "no longer", ["ip", "route", "del", ...route])));
      await outputOf(node, "another way to the pod", ["ip", "route", "add", ...route]);
    },
    { alone: true },
  ),
});

claim("isolation-has-to-be-added", {
  slow: true,
  observe: async (lab) => {
    const namespaces = new Set<string | undefined>([lab.namespace, lab.otherNamespace]);
    const policies = await lab.api.list("all policies", "NetworkPolicy");
    const policy = {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "deny", namespace: lab.namespace },
      spec: { podSelector: {}, policyTypes: ["Ingress"] },
    };
    const elsewhere = await lab.pods.start(lab.objects.serverPod("open-elsewhere", {}, {}, lab.otherNamespace));
    const withinTheOther = await lab.until(
      "an answer within the other namespace",
      () => meet(lab.pod("client-elsewhere"), elsewhere.on(8080), lab.timeouts.attempt),
      answered,
    );
    return {
      within: await whoAnswers(lab, lab.pod("client-1"), lab.pod("server-1").on(8080)),
      withinTheOther,
      // A policy selects pods of its own namespace only.
      policies: policies.filter(({ metadata }) => namespaces.has(metadata?.namespace)).length,
      accepted: (await lab.api.tryCreate("would a policy be accepted", policy, { dryRun: true })).code,
      into: await whoAnswers(lab, lab.pod("client-elsewhere"), lab.pod("server-1").on(8080)),
      outOf: await whoAnswers(lab, lab.pod("client-1"), elsewhere.on(8080)),
    };
  },
  judge: ({ policies, accepted, within, withinTheOther, into, outOf }) => {
    positiveControl(accepted === 201, "the API takes policies");
    positiveControl(policies === 0, "no policy selects the pods");
    positiveControl(answered(within) && answered(withinTheOther), "each pod is answered within its own namespace");
    expect(into.pod, `who answers at ${into.to}, asked from another namespace (${into.outcome})`).toBe("server-1");
    expect(outOf.pod, `who answers at ${outOf.to}, in the other namespace (${outOf.outcome})`).toBe("open-elsewhere");
  },
  control: live("a node drops what a pod sends to a pod of another namespace, as a policy would", async (lab) => {
    const traffic = { from: lab.pod("client-elsewhere").address, to: lab.pod("server-1").address };
    await rules(lab, lab.worker(0)).drop(traffic);
  }),
});
