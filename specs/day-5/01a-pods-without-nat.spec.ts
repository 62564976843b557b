import { expect } from "vitest";
import { rules } from "../../helpers/changes/iptables.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { answered, whoAnswers, whoAnswersByUdp } from "../../helpers/lab/ask.ts";
import { isReady } from "../../helpers/lab/cast.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import { nameOf } from "../../helpers/lab/pods.ts";
import { live } from "../../helpers/lab/spec.ts";
import { startCapture } from "../../helpers/probe/capture.ts";
import { hostPort, type Meeting } from "../../helpers/probe/http.ts";
import { wayTo } from "../../helpers/probe/links.ts";
import type { Peer } from "../../helpers/probe/peer.ts";
import { claim } from "./article.ts";

const masqueradedPods = live(
  "the nodes masquerade what pods send to pods",
  async (lab) => {
    const [subnet = ""] = lab.world.podSubnets;
    for (const node of lab.nodes) await rules(lab, node).masquerade({ from: subnet, to: subnet });
  },
  { alone: true },
);

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
