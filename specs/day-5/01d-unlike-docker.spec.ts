import { randomInt } from "node:crypto";
import { expect } from "vitest";
import { rules } from "../../helpers/changes/iptables.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { answered, whoAnswers, whoAnswersByUdp } from "../../helpers/lab/ask.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import type { NodePeer, PodPeer } from "../../helpers/lab/peers.ts";
import { live } from "../../helpers/lab/spec.ts";
import { meet } from "../../helpers/probe/http.ts";
import { outputOf } from "../../helpers/probe/peer.ts";
import { claim } from "./article.ts";
import { leasesFolder, readConflist } from "./conflist.ts";

/** kubectl is in every node image, and serves files without a cluster. */
const fileServer = "kubectl proxy --www=/kind --address=0.0.0.0 --accept-hosts=.* --port=8001".split(" ");

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

/** Puts a rule in front of those by which Docker forwards between containers, until the change ends. */
async function ruleBetweenContainers(lab: Lab, ...rule: readonly string[]): Promise<void> {
  const options = { network: "host", mayChangeNetwork: true };
  const machine = await lab.engine.start("a container on the machine's own network", options);
  const iptables = (title: string, action: "-I" | "-D") =>
    outputOf(lab.engine.inside(machine), title, [lab.iptables, "-w", action, "DOCKER-USER", ...rule]);
  lab.afterwards(async () => void (await iptables("take the rule away", "-D")));
  await iptables("a rule between containers", "-I");
}

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
  corrected: ({ published, exitCode }) => {
    expect(published, "ports that the other container has mapped").toBe("");
    expect(
      exitCode === 0 ? "answered" : `curl exit ${exitCode}`,
      "another container of the default bridge, asked at its address",
    ).toBe("answered");
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
