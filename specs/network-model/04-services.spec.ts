import type { V1Service } from "@kubernetes/client-node";
import { expect } from "vitest";
import { mutate } from "../../helpers/changes/admission.ts";
import { iptablesRule, rules } from "../../helpers/changes/iptables.ts";
import { patch } from "../../helpers/changes/json-patch.ts";
import { makeObjects, Objects } from "../../helpers/checks/parts/objects.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { answered, whoAnswers, whoAnswersByUdp } from "../../helpers/lab/ask.ts";
import { follow } from "../../helpers/lab/follow.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import { leadsTo, webPorts } from "../../helpers/lab/objects.ts";
import { live } from "../../helpers/lab/spec.ts";
import { hostPort, meet, request } from "../../helpers/probe/http.ts";
import { rulesNaming } from "../../helpers/probe/rules.ts";
import { claim } from "./article.ts";

claim("kube-proxy-removes-the-rules", {
  observe: async (lab) => {
    const name = "ruled-for-a-while";
    await lab.services.create(name, leadsTo({ app: "server" }));
    const count = () =>
      Promise.all(
        lab.nodes.map(async (node) => ({
          node: node.name,
          rules: (await rulesNaming(node, `${lab.namespace}/${name}`)).length,
        })),
      );
    const before = await lab.eventually(count, (nodes) => nodes.every(({ rules: found }) => found > 0));
    await lab.api.delete("the Service", lab.objects.service(name, {}));
    return { before, after: await lab.eventually(count, (nodes) => nodes.every(({ rules: found }) => found === 0)) };
  },
  judge: ({ before, after }) => {
    for (const { node, rules: found } of before)
      positiveControl(found > 0, `${node} has rules that name the Service while it is there`);
    for (const { node, rules: found } of after)
      expect(found, `rules of ${node} that name the Service once it is deleted`).toBe(0);
  },
  control: live("a rule of the Service stays on a node", (lab) => {
    const comment = ["-m", "comment", "--comment", `${lab.namespace}/ruled-for-a-while`];
    // Of a protocol for experiments (RFC 3692), so that no packet ever meets it.
    return iptablesRule(lab, lab.worker(0), "filter", "INPUT", "-p", "253", ...comment, "-j", "RETURN");
  }),
});

claim("service-changes-the-destination-alone", {
  observe: async (lab) => {
    const name = "one-way";
    // Another client's way to that pod is followed meanwhile (packets between nodes), and one of this to the same port would be taken for it.
    const client = lab.pod("client-elsewhere");
    const server = lab.pod("far-server");
    await makeObjects(
      lab,
      Objects.parse({
        services: { [name]: { ports: [{ port: 80 }] } },
        slices: { [name]: { of: name, pods: ["far-server"], ports: { "": 8080 } } },
      }),
    );
    const { clusterIP } = await lab.services.get(name);
    await lab.until(
      "the Service to answer",
      () => meet(client, hostPort(clusterIP, 80), lab.timeouts.attempt),
      answered,
    );
    const path = await follow(
      lab,
      {
        ...{ title: "from a pod to a pod by a Service", protocol: "tcp", target: { address: clusterIP, port: 80 } },
        client: { name: "client-elsewhere", address: client.address },
        servers: { name: "far-server", addresses: [server.address], port: 8080 },
      },
      () => meet(client, hostPort(clusterIP, 80), lab.timeouts.answer),
    );
    return { client: client.address, server: hostPort(server.address, 8080), cluster: hostPort(clusterIP, 80), path };
  },
  judge: ({ client, server, cluster, path: { answer, there } }) => {
    positiveControl(answered(answer) && there.length > 1, "the client is answered, and its packet was seen on its way");
    const destinations = there.map(({ to, toPort }) => hostPort(to, toPort));
    expect(destinations[0], "the destination with which the packet leaves the client").toBe(cluster);
    expect(destinations.at(-1), "the destination with which it comes to the pod").toBe(server);
    expect([...new Set(there.map(({ from }) => from))].join(", "), "its sources on the way").toBe(client);
    expect(answer.source, "whom the pod sees").toBe(client);
  },
  control: live(
    "the client's node gives what its pods send to that pod its own address",
    async (lab) => {
      await rules(lab, lab.worker(0)).masquerade({
        from: lab.pod("client-elsewhere").address,
        to: lab.pod("far-server").address,
        port: 8080,
      });
    },
    { alone: true },
  ),
});

/** Returns the ports in a Service's EndpointSlices, each once. */
async function portsOf(lab: Lab, service: string): Promise<string[]> {
  const slices = await lab.services.slicesOf(service);
  const ports = slices.flatMap(({ endpoints, ports: found }) => ((endpoints ?? []).length === 0 ? [] : (found ?? [])));
  return [...new Set(ports.map(({ name, protocol, port }) => `${name}: ${protocol} ${port}`))].toSorted();
}

/** Versions of one object can be compared as numbers (KEP-5504). */
function versionOf({ metadata }: V1Service): number {
  return Number(metadata?.resourceVersion);
}

const both = "tcp-and-udp";
const tcp = { name: "tcp", protocol: "TCP", port: 80, targetPort: 8082 };
const udp = { name: "udp", protocol: "UDP", port: 80, targetPort: 8082 };

/** Returns how the pod behind a Service is reached at port 80, by either protocol; an answer that is not to come is asked for until it does not. */
async function reached(lab: Lab, address: string, wanted: { readonly tcp: boolean; readonly udp: boolean }) {
  const client = lab.pod("client-1");
  const dialer = lab.pod("server-1").on(8080);
  const target = hostPort(address, 80);
  const query = new URLSearchParams({
    ...{ host: address, port: "80", protocol: "udp", request: "hostname", tries: "1" },
  });
  const byUdp = async () =>
    (await request(client, `http://${dialer}/dial?${query.toString()}`, lab.timeouts.answer)).body;
  return {
    tcp: wanted.tcp
      ? ((await whoAnswers(lab, client, target, both)).pod ?? null)
      : ((
          await lab.eventually(
            () => meet(client, target, lab.timeouts.attempt),
            (met) => !answered(met),
          )
        ).pod ?? null),
    udp: wanted.udp
      ? (await whoAnswersByUdp(lab, client, dialer, address, 80)).pod
      : (await lab.eventually(byUdp, (body) => !body.includes('"responses"'))).includes(both)
        ? both
        : null,
  };
}

claim("service-has-several-ports", {
  slow: true,
  observe: async (lab) => {
    const labels = { app: both };
    const { args, ...server } = lab.objects.serverContainer;
    const containers = [{ ...server, args: [...args, "--http-port=8082", "--udp-port=8082"] }];
    const service = await lab.services.create(both, {
      selector: labels,
      ports: [tcp, udp, { ...tcp, name: "another", port: 81 }],
    });
    await lab.pods.start(lab.objects.serverPod(both, labels, { containers }));
    const { clusterIP } = service;
    const endpoints = await lab.eventually(
      () => portsOf(lab, both),
      ({ length }) => length === 3,
    );
    const withAll = await reached(lab, clusterIP, { tcp: true, udp: true });
    const another = await whoAnswers(lab, lab.pod("client-1"), hostPort(clusterIP, 81), both);
    const object = lab.objects.service(both, {});
    const versions = [versionOf(await lab.api.get("the Service", "Service", both))];
    const update = async (port: typeof tcp) => {
      const answer = await lab.api.patch(`only the port for ${port.protocol}`, object, { spec: { ports: [port] } });
      versions.push(versionOf(answer.body as V1Service));
    };
    await update(tcp);
    const withTcp = await reached(lab, clusterIP, { tcp: true, udp: false });
    await update(udp);
    const withUdp = await reached(lab, clusterIP, { tcp: false, udp: true });
    return { endpoints, withAll, another: another.pod ?? null, versions, withTcp, withUdp };
  },
  judge: ({ endpoints, withAll, another, versions, withTcp, withUdp }) => {
    expect(endpoints.join(", "), "ports of the pod in the EndpointSlices").toBe(
      "another: TCP 8082, tcp: TCP 8082, udp: UDP 8082",
    );
    expect(withAll.tcp, "who answers by TCP at port 80").toBe(both);
    expect(withAll.udp, "who answers by UDP at port 80").toBe(both);
    expect(another, "who answers by TCP at port 81").toBe(both);
    const [first = 0, second = 0, third = 0] = versions;
    expect(first < second && second < third, `each change makes a later version: ${versions.join(", ")}`).toBe(true);
    expect(withTcp.tcp, "who answers by TCP once the Service has that port alone").toBe(both);
    expect(withTcp.udp, "who answers by UDP once the Service has the port for TCP alone").toBeNull();
    expect(withUdp.udp, "who answers by UDP once the Service has that port alone").toBe(both);
    expect(withUdp.tcp, "who answers by TCP once the Service has the port for UDP alone").toBeNull();
  },
  control: live("the Service is stored with the first of its ports alone", (lab) =>
    mutate.service(lab, both, patch.replace("/spec/ports", [{ ...webPorts[0], ...tcp }])),
  ),
});
