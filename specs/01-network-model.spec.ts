import type { V1Pod, V1Service } from "@kubernetes/client-node";
import { expect } from "vitest";
import { claim } from "../helpers/claim/claim.ts";
import { isReady, type Lab } from "../helpers/claim/lab.ts";
import { positiveControl } from "../helpers/claim/verdict.ts";
import { hostPort, type Meeting, meet, request } from "../helpers/probe/http.ts";
import { contains } from "../helpers/probe/ip.ts";
import { jsonOf, outputOf } from "../helpers/probe/peer.ts";

/** Each client asks its server; the answer tells the address that the answering pod saw. */
async function talk(
  lab: Lab,
  ...pairs: [client: string, server: string][]
): Promise<{ client: string; meeting: Meeting }[]> {
  return Promise.all(
    pairs.map(async ([client, server]) => ({
      client: lab.pod(client).address,
      meeting: await meet(lab.pod(client), hostPort(lab.pod(server).address, 8080), lab.timeouts.silence),
    })),
  );
}

function arrivedUntranslated(calls: readonly { client: string; meeting: Meeting }[]): void {
  for (const { client, meeting } of calls) {
    expect(meeting.outcome, `${meeting.from} asked ${meeting.to}`).toBe("answered");
    expect(meeting.source, `the address from which ${meeting.pod} saw ${meeting.from} come`).toBe(client);
  }
}

claim("pods-talk-without-nat-on-one-node", {
  observe: async (lab) => ({
    nodes: [lab.worker(0).name, lab.worker(1).name],
    calls: await talk(lab, ["client-1", "server-1"], ["client-2", "server-2"]),
  }),
  judge: ({ calls }) => arrivedUntranslated(calls),
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
});

claim("containers-share-network-namespace", {
  observe: async (lab) => {
    const namespaceOf = (pod: string, container: string) =>
      outputOf(lab.pod(pod, container), `network namespace of ${pod}/${container}`, [
        "readlink",
        "/proc/self/ns/net",
      ]).then((text) => text.trim());
    return {
      web: await namespaceOf("pair", "web"),
      client: await namespaceOf("pair", "client"),
      otherPod: await namespaceOf("client-1", "client"),
    };
  },
  judge: ({ web, client, otherPod }) => {
    positiveControl(otherPod !== client, "another pod has another network namespace");
    expect(client, "the network namespace of the pod's second container").toBe(web);
  },
});

claim("containers-reach-each-other-on-localhost", {
  observe: async (lab) => ({
    samePod: await request(lab.pod("pair", "client"), "http://localhost:80/", lab.timeouts.answer),
    otherPod: await request(lab.pod("client-1"), "http://localhost:80/", lab.timeouts.answer),
  }),
  judge: ({ samePod, otherPod }) => {
    positiveControl(otherPod.outcome === "refused", "in another pod nothing listens on localhost:80");
    expect(samePod.outcome, "the pod's other container, asked on localhost:80").toBe("answered");
    expect(samePod.body, "what it answered").toContain("Welcome to nginx!");
  },
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
});

claim("pod-unreachable-from-outside-by-default", {
  observe: async (lab) => {
    const { address } = lab.pod("server-1");
    // On the cluster's own network the outsider calls for whoever has the address; the packet never leaves that network.
    await lab.routeOutsider("look for the pod on the cluster's network", address, "dev", "eth0");
    return {
      inside: await meet(lab.pod("client-1"), hostPort(address, 8080), lab.timeouts.answer),
      toNode: await meet(lab.outsider, hostPort(lab.controlPlane.addresses[0] ?? "", 30_080), lab.timeouts.answer),
      outside: await meet(lab.outsider, hostPort(address, 8080), lab.timeouts.silence),
    };
  },
  judge: ({ inside, toNode, outside }) => {
    positiveControl(inside.outcome === "answered", "another pod is answered");
    positiveControl(toNode.outcome === "answered", "the outsider is answered at a node's port");
    expect(outside.outcome, `the pod at ${outside.to}, asked from outside the cluster`).not.toBe("answered");
  },
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
});

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
});

claim("docker-containers-need-port-mapping", {
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
    const ask = (title: string) =>
      lab.containerEngine.run(title, [
        "exec",
        client,
        "curl",
        "--silent",
        "--max-time",
        "2",
        `http://${address}:8001/static/`,
      ]);
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
    const answer = await lab.until(
      "the server to listen",
      () => ask("ask the other container by its address"),
      ({ exitCode }) => exitCode === 0,
    );
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
      exitCode,
      `exit code of curl, asking another container of the default bridge by its address (0 is an answer: ${body.split("\n")[0]})`,
    ).not.toBe(0);
  },
});
