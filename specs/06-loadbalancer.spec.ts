import { setTimeout as delay } from "node:timers/promises";
import type { V1DaemonSet, V1Service } from "@kubernetes/client-node";
import { expect } from "vitest";
import { printedObject } from "../helpers/claim/article.ts";
import { iptablesRule, meanwhile, storeOtherwise } from "../helpers/claim/changes.ts";
import { claim } from "../helpers/claim/claim.ts";
import { live } from "../helpers/claim/control.ts";
import { type Followed, follow } from "../helpers/claim/follow.ts";
import type { Lab } from "../helpers/claim/lab.ts";
import { NeedsFeature, positiveControl } from "../helpers/claim/verdict.ts";
import { wayOf } from "../helpers/path/hops.ts";
import { startCapture } from "../helpers/probe/capture.ts";
import { distribution, hostPort, type Meeting, meet, meetOften } from "../helpers/probe/http.ts";
import { contains, ipFamilyOf, lastAddresses } from "../helpers/probe/ip.ts";
import { jsonOf } from "../helpers/probe/peer.ts";
import { ownCni } from "../helpers/world/world.ts";

const spec = { type: "LoadBalancer", selector: { app: "server" }, ports: [{ port: 80, targetPort: 8080 }] };

claim("loadbalancer-has-a-clusterip-and-a-nodeport", {
  observe: async (lab) => {
    const service = await lab.service("balanced", spec);
    const clusterIP = service.spec?.clusterIP ?? "";
    const nodePort = service.spec?.ports?.[0]?.nodePort ?? 0;
    const node = lab.worker(0).addresses[0] ?? "";
    const answered = (ask: () => ReturnType<typeof meet>) =>
      lab.eventually(ask, ({ outcome }) => outcome === "answered");
    const atNodePort = () => meet(lab.outsider, hostPort(node, nodePort), lab.timeouts.attempt);
    return {
      clusterIP,
      nodePort,
      atClusterIP: await answered(() => meet(lab.pod("client-1"), hostPort(clusterIP, 80), lab.timeouts.attempt)),
      atNodePort: nodePort === 0 ? null : await answered(atNodePort),
    };
  },
  judge: ({ clusterIP, nodePort, atClusterIP, atNodePort }) => {
    expect(clusterIP, "its clusterIP").toBeTruthy();
    expect(nodePort, "its node port").toBeGreaterThan(0);
    expect(atClusterIP.outcome, atClusterIP.to).toBe("answered");
    expect(atNodePort?.outcome, `${atNodePort?.to}, asked from outside`).toBe("answered");
  },
  control: live("the Service has its load balancer without node ports", (lab) =>
    storeOtherwise(
      lab,
      { kind: "Service", name: "balanced" },
      "JSONPatch{op: 'add', path: '/spec/allocateLoadBalancerNodePorts', value: false}",
    ),
  ),
});

claim("loadbalancer-gets-an-external-ip", {
  observe: async (lab) => {
    await lab.service("pending", spec);
    await delay(lab.timeouts.window);
    const { status } = await lab.get<V1Service>(
      "the Service after the window",
      `/api/v1/namespaces/${lab.namespace}/services/pending`,
    );
    const columns = await lab.columns(
      "the Service, as kubectl get prints it",
      `/api/v1/namespaces/${lab.namespace}/services/pending`,
    );
    return {
      windowMs: lab.timeouts.window,
      ingress: status?.loadBalancer?.ingress ?? [],
      column: columns["EXTERNAL-IP"],
    };
  },
  judge: ({ windowMs, ingress, column }) => {
    if (ingress.length === 0)
      throw new NeedsFeature(
        `nothing on this cluster makes load balancers: the external IP was ${column} for ${windowMs / 1000} s`,
      );
    expect(ingress[0]?.ip ?? ingress[0]?.hostname, "the external address").toBeTruthy();
  },
});

claim("printed-loadbalancer-service-works", {
  observe: async (lab) => {
    const namespace = lab.otherNamespace;
    const { spec: created } = await lab.create<V1Service>("the article's Service", printedObject("132-142", namespace));
    const path = `/api/v1/namespaces/${namespace}/services/my-loadbalancer-service`;
    const node = lab.worker(0).addresses[0] ?? "";
    const answered = (ask: () => ReturnType<typeof meet>) =>
      lab.eventually(ask, ({ outcome }) => outcome === "answered");
    return {
      atClusterIP: await answered(() =>
        meet(lab.pod("client-1"), hostPort(created?.clusterIP ?? "", 80), lab.timeouts.attempt),
      ),
      atNodePort: await answered(() =>
        meet(lab.outsider, hostPort(node, created?.ports?.[0]?.nodePort ?? 0), lab.timeouts.attempt),
      ),
      columns: await lab.columns("the Service, as kubectl get prints it", path),
    };
  },
  judge: ({ atClusterIP, atNodePort, columns }) => {
    expect(columns["TYPE"], "the column TYPE").toBe("LoadBalancer");
    expect(columns["PORT(S)"], "the column PORT(S)").toMatch(/^80:3\d{4}\/TCP$/);
    expect(atClusterIP.pod, `who answers at ${atClusterIP.to}, from a pod`).toBe("my-app");
    expect(
      atNodePort.pod,
      `who answers at ${atNodePort.to}, from outside (EXTERNAL-IP is ${columns["EXTERNAL-IP"]})`,
    ).toBe("my-app");
  },
  control: live(
    "the article's Service aims at a port on which its pod does not listen",
    (lab) =>
      storeOtherwise(
        lab,
        { kind: "Service", name: "my-loadbalancer-service" },
        "JSONPatch{op: 'replace', path: '/spec/ports/0/targetPort', value: 8098}",
      ),
    { lane: "my-loadbalancer-service" },
  ),
});

/** The class of the Services that the suite's MetalLB serves; all others stay as they are on plain kind. */
const loadBalancerClass = "kind-network-conformance.example/metallb";

async function clusterSubnet(lab: Lab): Promise<string> {
  const network = await jsonOf<{ Subnet: string }[]>(lab.containerEngine, "the subnets of the cluster's network", [
    "network",
    "inspect",
    "--format",
    "{{json .IPAM.Config}}",
    lab.world.network,
  ]);
  return network.map(({ Subnet }) => Subnet).find((cidr) => ipFamilyOf(cidr) === lab.family) ?? "";
}

/** What a provider does: it writes the address into the Service's status. */
const givenByHand = live(
  "the Service has an external IP before there is a provider",
  async (lab) => {
    const ingress = [{ ip: lastAddresses(await clusterSubnet(lab), 10).split("-")[1] }];
    const status = lab.serviceObject("balanced-by-metallb/status", {});
    meanwhile(
      lab,
      "the Service, to give it an address",
      async () =>
        (await lab.patch("give it an address", status, { status: { loadBalancer: { ingress } } })).code === 200,
    );
  },
  { lane: "MetalLB" },
);

/** What a load balancer does, from before there is one until its Service is gone. */
async function withMetalLB(lab: Lab) {
  const name = "balanced-by-metallb";
  const object = lab.serviceObject(name, { ...spec, loadBalancerClass });
  const service = await lab.create<V1Service>("a LoadBalancer Service", object);
  const statusPath = `/api/v1/namespaces/${lab.namespace}/services/${name}`;
  const externalIP = async () =>
    (await lab.get<V1Service>("the Service's status", statusPath)).status?.loadBalancer?.ingress?.[0]?.ip ?? null;
  await delay(lab.timeouts.window);
  const before = await externalIP();
  const subnet = await clusterSubnet(lab);
  const namespace = await lab.ownNamespace("metallb");
  const started = performance.now();
  const values = { namespace, class: loadBalancerClass, addresses: lastAddresses(subnet, 10) };
  for (const part of lab.manifest("metallb.yaml", values)) {
    // A speaker that hears of the address before it has heard of all nodes may leave it to another, and looks again only when
    // the Service changes: so the controller, which gives the address, comes last.
    if (part.kind === "Deployment") await speakersReady(lab, namespace);
    // A kind that was defined a moment ago is served a moment later.
    await lab.until(
      `${part.kind} ${part.metadata.name} to be accepted`,
      () => lab.tryCreate(`${part.kind} ${part.metadata.name}`, part),
      ({ code }) => code === 201,
    );
  }
  const ip = (await lab.until("an external IP", externalIP, (found) => found !== null, lab.timeouts.podsReady)) ?? "";
  const secondsToIP = (performance.now() - started) / 1000;
  const ask = (timeout = lab.timeouts.attempt) => meet(lab.outsider, hostPort(ip, 80), timeout);
  const answered = ({ outcome }: { outcome: string }) => outcome === "answered";
  const answer = await lab
    .until("an answer there", () => ask(), answered, lab.timeouts.podsReady)
    .catch(async (error: unknown) => {
      // They are gone with this check, and only they know whether they announced the address.
      const logs = ["kubectl", "logs", "--namespace", namespace, "--selector", "app=speaker", "--prefix", "--tail=-1"];
      await lab.outsider.run("what the speakers say", logs);
      throw error;
    });
  const nodePort = service.spec?.ports?.[0]?.nodePort ?? 0;
  const filter = `tcp and (dst host ${ip} or dst port ${nodePort})`;
  const captures = await Promise.all(
    ["host-cp", "host-1", "host-2"].map((pod) => startCapture(lab.pod(pod), "eth0", filter)),
  );
  const counts = distribution(await meetOften(lab.outsider, hostPort(ip, 80), 200, lab.timeouts.answer));
  const packets = (await Promise.all(captures.map((capture) => capture.packets()))).flat();
  await Promise.all(captures.map((capture) => capture.stop()));
  // Over other links it is not known at every hop; the claim about its way needs them routed.
  const path = lab.world.cni === ownCni ? await wayTo(lab, ip, nodePort, () => ask(lab.timeouts.answer)) : undefined;
  const select = (app: string) => lab.patch(`select the pods of ${app}`, object, { spec: { selector: { app } } });
  await select("nobody");
  const withoutPods = await lab.until(
    "nobody to answer any longer",
    () => ask(lab.timeouts.silence),
    ({ outcome }) => outcome !== "answered",
  );
  // A speaker announces no address without pods: to be seen, its going has to be the Service's.
  await select(spec.selector.app);
  await lab.until("an answer there again", () => ask(), answered, lab.timeouts.podsReady);
  await lab.delete("the Service", object);
  const withoutService = await lab.eventually(
    () => ask(lab.timeouts.silence),
    ({ outcome }) => outcome !== "answered" && outcome !== "refused",
  );
  return {
    before,
    subnet,
    ip,
    secondsToIP: Math.round(secondsToIP),
    outsider: answer.from,
    counts,
    nodePort,
    targets: [...new Set(packets.map(({ to, toPort }) => `${to}:${toPort}`))],
    packets: packets.length,
    path,
    withoutPods: withoutPods.outcome,
    withoutService: withoutService.outcome,
  };
}

async function wayTo(lab: Lab, ip: string, nodePort: number, ask: () => Promise<Meeting>): Promise<Followed<Meeting>> {
  return follow(
    lab,
    {
      title: "outsider to the external IP that MetalLB gave",
      protocol: "tcp",
      client: { name: "outsider", address: lab.outsiderAddress, outside: true },
      target: { address: ip, port: 80 },
      servers: {
        name: "server-1 or server-2",
        addresses: ["server-1", "server-2"].map((pod) => lab.pod(pod).address),
        port: 8080,
      },
      by: { addresses: lab.world.nodes.flatMap(({ addresses }) => addresses), port: nodePort },
    },
    ask,
  );
}

async function speakersReady(lab: Lab, namespace: string): Promise<void> {
  const path = `/apis/apps/v1/namespaces/${namespace}/daemonsets/speaker`;
  await lab.until(
    "MetalLB's speakers",
    () => lab.get<V1DaemonSet>("the speakers", path),
    ({ status }) => (status?.numberReady ?? 0) > 0 && status?.numberReady === status?.desiredNumberScheduled,
    lab.timeouts.podsReady,
  );
}

const metallb = (lab: Lab) => lab.together("MetalLB", () => withMetalLB(lab));

claim("loadbalancer-needs-a-provider", {
  slow: true,
  observe: metallb,
  judge: ({ before, ip, subnet, counts }) => {
    expect(before, "the external IP before there was a provider").toBeNull();
    expect(contains([subnet], ip), `the external IP ${ip} that MetalLB gave, inside ${subnet}`).toBe(true);
    expect(Object.keys(counts).length, "pods that answer there").toBeGreaterThan(0);
  },
  control: givenByHand,
});

claim("loadbalancer-forwards-to-the-service", {
  slow: true,
  observe: metallb,
  judge: ({ counts, path, withoutPods, withoutService }) => {
    const { there = [], answer } = path ?? {};
    positiveControl(withoutPods !== "answered", "nobody answers while the Service selects no pods");
    positiveControl(answer?.outcome === "answered", "the connection that was followed was answered");
    expect(Object.keys(counts).toSorted(), "who answered 200 connections to the external IP").toEqual([
      "server-1",
      "server-2",
    ]);
    expect(
      there.filter(({ translated }) => translated.length > 0).map(({ node, translated }) => [node, ...translated]),
      `what was translated on the way: ${wayOf(there)}`,
    ).toEqual([[there[0]?.node, "source", "destination"]]);
    expect(["answered", "refused"], "the external IP once the Service is gone: nobody has it").not.toContain(
      withoutService,
    );
  },
  control: live(
    "the Service holds on to the pod that a client met first",
    (lab) =>
      storeOtherwise(
        lab,
        { kind: "Service", name: "balanced-by-metallb" },
        "JSONPatch{op: 'add', path: '/spec/sessionAffinity', value: 'ClientIP'}",
        "JSONPatch{op: 'add', path: '/spec/sessionAffinityConfig', value: {'clientIP': {'timeoutSeconds': 10800}}}",
      ),
    { lane: "MetalLB" },
  ),
});

claim("local-loadbalancers-need-a-tool", {
  slow: true,
  observe: metallb,
  judge: ({ before, ip, counts }) => {
    expect(before, "the external IP on plain kind").toBeNull();
    expect(ip, "the external IP with MetalLB").not.toBe("");
    expect(
      Object.keys(counts).filter((key) => key.startsWith("curl exit")),
      "failures of 200 connections to it",
    ).toEqual([]);
  },
  control: givenByHand,
});

claim("loadbalancer-traffic-passes-the-node-port", {
  slow: true,
  observe: metallb,
  judge: ({ packets, ip, nodePort, targets, counts }) => {
    positiveControl(Object.keys(counts).includes("server-1"), "the external IP answers");
    positiveControl(packets >= 200, "the captures on the nodes saw the connections");
    positiveControl(
      targets.some((target) => target.startsWith(ip)),
      "they saw packets to the external IP",
    );
    expect(
      targets.filter((target) => target.endsWith(`:${nodePort}`)),
      `of ${packets} packets that the nodes saw, all to ${targets.join(" and ")}, those to the node port ${nodePort}`,
    ).not.toEqual([]);
  },
  control: live(
    "the nodes send on what comes for the external IP to another node's port",
    async (lab) => {
      const nodePort = 30_078;
      await storeOtherwise(
        lab,
        { kind: "Service", name: "balanced-by-metallb" },
        `JSONPatch{op: 'add', path: '/spec/ports/0/nodePort', value: ${nodePort}}`,
      );
      const { nodes } = lab.world;
      const pool = ["-m", "iprange", "--dst-range", lastAddresses(await clusterSubnet(lab), 10)];
      for (const [index, node] of nodes.entries()) {
        const other = nodes[(index + 1) % nodes.length]?.addresses[0] ?? "";
        const target = ["-j", "DNAT", "--to-destination", hostPort(other, nodePort)];
        await iptablesRule(lab, node, "nat", "PREROUTING", "-p", "tcp", "--dport", "80", ...pool, ...target);
        const leaving = ["-p", "tcp", "-d", other, "--dport", String(nodePort)];
        await iptablesRule(lab, node, "nat", "POSTROUTING", ...leaving, "-j", "MASQUERADE");
      }
    },
    { lane: "MetalLB" },
  ),
});
