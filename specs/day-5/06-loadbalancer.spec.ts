import { expect } from "vitest";
import { mutate } from "../../helpers/changes/admission.ts";
import { rules } from "../../helpers/changes/iptables.ts";
import { patch } from "../../helpers/changes/json-patch.ts";
import { meanwhile } from "../../helpers/changes/nodes.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { ownCni } from "../../helpers/claim/world.ts";
import { answered, whoAnswers } from "../../helpers/lab/ask.ts";
import { follow } from "../../helpers/lab/follow.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import { leadsTo } from "../../helpers/lab/objects.ts";
import { live } from "../../helpers/lab/spec.ts";
import { collectionPath, type KubernetesObject, refusalOf } from "../../helpers/probe/api.ts";
import { startCapture } from "../../helpers/probe/capture.ts";
import { distribution, hostPort, meet, meetOften } from "../../helpers/probe/http.ts";
import { lastAddresses } from "../../helpers/probe/ip.ts";
import { outputOf, ProbeFailed } from "../../helpers/probe/peer.ts";
import { claim, printedObject } from "./article.ts";

const spec = { type: "LoadBalancer", ...leadsTo({ app: "server" }) };

claim("loadbalancer-has-a-clusterip-and-a-nodeport", {
  observe: async (lab) => {
    const service = await lab.services.create("balanced", spec);
    const [nodePort = 0] = service.nodePorts;
    return {
      clusterIP: service.spec.clusterIP ?? "",
      nodePort,
      atClusterIP: await whoAnswers(lab, lab.pod("client-1"), service.on(80)),
      atNodePort: nodePort === 0 ? null : await whoAnswers(lab, lab.outsider, service.at(lab.worker(0))),
    };
  },
  judge: ({ clusterIP, nodePort, atClusterIP, atNodePort }) => {
    expect(clusterIP, "its clusterIP").toBeTruthy();
    expect(nodePort, "its node port").toBeGreaterThan(0);
    expect(atClusterIP.outcome, atClusterIP.to).toBe("answered");
    expect(atNodePort?.outcome, `${atNodePort?.to}, asked from outside`).toBe("answered");
  },
  control: live("the Service has its load balancer without node ports", (lab) =>
    mutate.service(lab, "balanced", patch.add("/spec/allocateLoadBalancerNodePorts", false)),
  ),
});

claim("printed-loadbalancer-service-works", {
  observe: async (lab) => {
    const namespace = lab.otherNamespace;
    const service = await lab.services.createFrom(
      "the article's Service",
      printedObject("my-loadbalancer-service", namespace),
    );
    return {
      nodePort: service.nodePort,
      atClusterIP: await whoAnswers(lab, lab.pod("client-1"), service.on(80), "my-app"),
      atNodePort: await whoAnswers(lab, lab.outsider, service.at(lab.worker(0)), "my-app"),
      columns: await lab.api.columns(
        "the Service, as kubectl get prints it",
        "Service",
        "my-loadbalancer-service",
        namespace,
      ),
    };
  },
  judge: ({ nodePort, atClusterIP, atNodePort, columns }) => {
    expect(columns["TYPE"], "the column TYPE").toBe("LoadBalancer");
    expect(columns["PORT(S)"], "the column PORT(S)").toBe(`80:${nodePort}/TCP`);
    expect(atClusterIP.pod, `who answers at ${atClusterIP.to}, from a pod`).toBe("my-app");
    expect(
      atNodePort.pod,
      `who answers at ${atNodePort.to}, from outside (EXTERNAL-IP is ${columns["EXTERNAL-IP"]})`,
    ).toBe("my-app");
  },
  control: live(
    "the article's Service aims at a port on which its pod does not listen",
    (lab) => mutate.targetPort(lab, "my-loadbalancer-service", 8098),
    { lane: "my-loadbalancer-service" },
  ),
});

/** Providers serve the Services of their class: so the suite's MetalLB leaves all others as they are without it. */
const classOf = (provider: string) => `kind-network-conformance.example/${provider}`;

/** The Service of the suite's MetalLB, one that is for whatever provider the cluster has, and one that no provider serves. */
const names = { metallb: "balanced-by-metallb", cluster: "balanced-by-the-cluster", nobody: "balanced-by-nobody" };

/** What a provider of load balancers does for a Service, from before it is there until the Service is gone. */
async function withProvider(lab: Lab) {
  await lab.services.create(names.metallb, { ...spec, loadBalancerClass: classOf("metallb") });
  await lab.services.create(names.cluster, spec);
  await lab.services.create(names.nobody, { ...spec, loadBalancerClass: classOf("nobody") });
  const { namespace, refusal } = await bringMetalLB(lab);
  const served = refusal === undefined ? "metallb" : "cluster";
  const ip = await givenIp(lab, names[served]);
  if (ip === null && refusal !== undefined)
    throw new ProbeFailed(`MetalLB was refused (${refusal}), and the cluster's own provider gave no address`);
  if (ip !== null) await announced(lab, ip, namespace);
  const forwarded = ip === null ? null : await forwardedBy(lab, names[served], ip);
  return {
    ...{ provider: served === "metallb" ? "MetalLB" : "the provider that the cluster had", ip, forwarded },
    // Looked at last, so that whoever would give them one has had the time.
    ipFromNobody: await ipOf(lab, names.nobody),
    ipFromTheCluster: served === "cluster" ? ip : await ipOf(lab, names.cluster),
  };
}

/** Sets up MetalLB in a namespace of its own, and returns once it is ready or, where a part of it was refused, why. */
async function bringMetalLB(lab: Lab): Promise<{ namespace: string; refusal?: string }> {
  lab.standIn("MetalLB stands in for a cloud provider's load balancer.");
  const namespace = await lab.ownNamespace("metallb");
  const parts = lab.objects.manifest("metallb.yaml", {
    ...{ namespace, class: classOf("metallb"), addresses: await freeAddresses(lab) },
    // On one node both are that one, and MetalLB refuses a value that is there twice.
    announcers: JSON.stringify([...new Set([lab.worker(0).name, lab.worker(1).name])]),
  });
  for (const part of parts) {
    // A speaker that hears of the address before it has heard of all nodes may leave it to another, and looks again only when
    // the Service changes: so the controller, which gives the address, comes last.
    if (part.kind === "Deployment") await speakersReady(lab, namespace);
    const refusal = await createPart(lab, part);
    if (refusal !== undefined) return { namespace, refusal };
  }
  await controllerReady(lab, namespace);
  return { namespace };
}

/** The last addresses of the nodes' network: engines begin with the first, and readers' own pools mostly end before these. */
async function freeAddresses(lab: Lab): Promise<string> {
  const command = ["ip", "-oneline", "address", "show", "to", lab.outsider.address];
  const shown = await outputOf(lab.outsider, "the outsider's address and its network's prefix", command);
  const [, address] = /inet6? (\S+)/.exec(shown) ?? [];
  if (address === undefined) throw new ProbeFailed(`no address of the outsider's in: ${shown}`);
  return lastAddresses(address, 4);
}

/**
 * Creates a part of MetalLB, and returns why it was refused, where it was. Kinds that somebody else has defined are used and
 * left; a MetalLB that is there already takes pools of addresses in its own namespace alone.
 */
async function createPart(lab: Lab, part: KubernetesObject): Promise<string | undefined> {
  const { kind, metadata } = part;
  const title = `${kind} ${metadata.name}`;
  const isDefined = async () => {
    const path = `${collectionPath(part)}?fieldSelector=metadata.name%3D${metadata.name}`;
    const { items } = await lab.api.read<{ items: KubernetesObject[] }>(`${title} that is there`, path);
    // An earlier check's may be on its way out.
    return items.some((found) => found.metadata["deletionTimestamp"] === undefined);
  };
  const answer = await lab.until(
    `${title} to be accepted`,
    async () => {
      const answer = await lab.api.tryCreate(title, part);
      return answer.code === 409 && (await isDefined()) ? { ...answer, code: 200 } : answer;
    },
    // A kind that was defined a moment ago is served a moment later.
    (answer) => answer.code !== 404 && answer.code !== 409,
  );
  return answer.code < 300 ? undefined : refusalOf(answer);
}

async function speakersReady(lab: Lab, namespace: string): Promise<void> {
  await lab.until(
    "MetalLB's speakers",
    () => lab.api.get("the speakers", "DaemonSet", "speaker", namespace),
    ({ status }) => (status?.numberReady ?? 0) > 0 && status?.numberReady === status?.desiredNumberScheduled,
    lab.timeouts.podsReady,
  );
}

async function controllerReady(lab: Lab, namespace: string): Promise<void> {
  await lab.until(
    "MetalLB's controller",
    () => lab.api.get("the controller", "Deployment", "controller", namespace),
    ({ status }) => status?.readyReplicas === 1,
    lab.timeouts.podsReady,
  );
}

/** Returns the external IP of a Service, or null where it has none. */
async function ipOf(lab: Lab, name: string): Promise<string | null> {
  const { status } = await lab.services.get(name);
  return status.loadBalancer?.ingress?.[0]?.ip ?? null;
}

/** Returns the external IP that a Service is given, or null where none comes. */
async function givenIp(lab: Lab, name: string): Promise<string | null> {
  return lab.eventually(
    () => ipOf(lab, name),
    (ip) => ip !== null,
    lab.timeouts.podsReady,
  );
}

const askAt = (lab: Lab, ip: string, timeout = lab.timeouts.attempt) => meet(lab.outsider, hostPort(ip, 80), timeout);

/** Waits for the first answer at the external IP. */
async function announced(lab: Lab, ip: string, namespace: string): Promise<void> {
  const asked = lab.until("an answer there", () => askAt(lab, ip), answered, lab.timeouts.podsReady);
  await asked.catch(async (error: unknown) => {
    // They are gone with this check, and only they know whether they announced the address.
    const logs = ["kubectl", "logs", "--namespace", namespace, "--selector", "app=speaker", "--prefix", "--tail=-1"];
    await lab.outsider.run("what the speakers say", logs);
    throw error;
  });
}

/** What comes of connections to the external IP: with pods, without pods, and once the Service is gone. */
async function forwardedBy(lab: Lab, name: string, ip: string) {
  const counts = distribution(await meetOften(lab.outsider, hostPort(ip, 80), 200, lab.timeouts.answer));
  await drawWay(lab, name, ip);
  const object = lab.objects.service(name, spec);
  const select = (app: string) => lab.api.patch(`select the pods of ${app}`, object, { spec: { selector: { app } } });
  const untilSilent = () =>
    lab.eventually(
      () => askAt(lab, ip, lab.timeouts.silence),
      (met) => !answered(met),
    );
  await select("nobody");
  const withoutPods = await untilSilent();
  // A speaker announces no address without pods: to be seen, its going has to be the Service's.
  await select(spec.selector.app);
  await lab.until("an answer there again", () => askAt(lab, ip), answered, lab.timeouts.podsReady);
  await lab.api.delete("the Service", object);
  const withoutService = await untilSilent();
  return { counts, withoutPods: withoutPods.outcome, withoutService: withoutService.outcome };
}

/** Keeps a connection's way to the external IP as evidence, where it is known at every hop. */
async function drawWay(lab: Lab, name: string, ip: string): Promise<void> {
  const { cni, features } = lab.world;
  if (name !== names.metallb || cni !== ownCni || !features.nft) return;
  const { nodePort } = await lab.services.get(name);
  const flow = {
    title: "outsider to the external IP that MetalLB gave",
    protocol: "tcp",
    client: { name: "outsider", address: lab.outsider.address, outside: true },
    target: { address: ip, port: 80 },
    servers: {
      name: "server-1 or server-2",
      addresses: ["server-1", "server-2"].map((pod) => lab.pod(pod).address),
      port: 8080,
    },
    by: { addresses: lab.nodes.flatMap(({ addresses }) => addresses), port: nodePort },
  } as const;
  // No verdict hangs on it.
  await follow(lab, flow, () => askAt(lab, ip, lab.timeouts.answer)).catch((error: unknown) =>
    lab.note("its way could not be followed", (error as Error).message),
  );
}

const byProvider = (lab: Lab) => lab.together("a provider of load balancers", () => withProvider(lab));

const pending = (ip: string | null) => (ip === null ? "pending" : ip);

const lane = { lane: "MetalLB" };

/** What a provider does: it writes the address into the Service's status. */
const givenByHand = live(
  "a Service has an external IP that no provider gave",
  async (lab) => {
    const [, last] = (await freeAddresses(lab)).split("-");
    const status = lab.objects.service(`${names.nobody}/status`, {});
    meanwhile(lab, "the Service, to give it an address", async () => {
      const changes = { status: { loadBalancer: { ingress: [{ ip: last }] } } };
      return (await lab.api.patch("give it an address", status, changes)).code === 200;
    });
  },
  lane,
);

claim("loadbalancer-gets-an-external-ip", {
  slow: true,
  observe: byProvider,
  judge: ({ provider, ip, forwarded }) => {
    expect(ip, `the external IP that ${provider} gave`).not.toBeNull();
    expect(whoAnswered(forwarded), `who answered at ${ip}`).not.toEqual([]);
  },
  control: live(
    "the Service is of a class that no provider serves",
    (lab) => mutate.service(lab, names.metallb, patch.add("/spec/loadBalancerClass", classOf("nobody"))),
    lane,
  ),
});

/** Returns the pods that answered, without what did not succeed. */
function whoAnswered(forwarded: { counts: Record<string, number> } | null): string[] {
  return Object.keys(forwarded?.counts ?? {}).filter((key) => !key.startsWith("curl exit"));
}

/** Judges that a Service has an external IP where a provider, or a tool that is one, serves it, and none where nothing does. */
function onlyWithWhatServesIt(what: "provider" | "tool") {
  return ({ provider, ip, forwarded, ipFromNobody, ipFromTheCluster }: Awaited<ReturnType<typeof byProvider>>) => {
    expect(
      ipFromNobody,
      `the external IP of a Service that no ${what} serves (for the cluster's own: ${pending(ipFromTheCluster)})`,
    ).toBeNull();
    expect(ip, `the external IP that ${provider} gave`).not.toBeNull();
    expect(whoAnswered(forwarded), `who answered at ${ip}`).not.toEqual([]);
  };
}

claim("loadbalancer-needs-a-provider", {
  slow: true,
  observe: byProvider,
  judge: onlyWithWhatServesIt("provider"),
  control: givenByHand,
});

claim("loadbalancer-forwards-to-the-service", {
  slow: true,
  observe: byProvider,
  judge: ({ ip, forwarded }) => {
    const who = whoAnswered(forwarded);
    expect(who, `who answered 200 connections to ${ip}`).not.toEqual([]);
    expect(
      who.filter((pod) => pod !== "server-1" && pod !== "server-2"),
      "those of them that are no pods of the Service",
    ).toEqual([]);
    expect(forwarded?.withoutPods, `${ip} while the Service selects no pods`).not.toBe("answered");
    expect(forwarded?.withoutService, `${ip} once the Service is gone`).not.toBe("answered");
  },
  control: live(
    "the load balancer leads to a pod that is none of the Service's",
    async (lab) => {
      const app = "not-of-the-service";
      await lab.pods.start(lab.objects.serverPod(app, { app }));
      await mutate.selector(lab, names.metallb, { app });
    },
    lane,
  ),
});

claim("local-loadbalancers-need-a-tool", {
  slow: true,
  observe: byProvider,
  judge: onlyWithWhatServesIt("tool"),
  control: givenByHand,
});

/** Starts a machine that sends what comes to its port 80 on to another, as many a provider's load balancer does; returns its address. */
async function forwarderTo(lab: Lab, target: string): Promise<string> {
  lab.standIn("A container that forwards to a node port stands in for a cloud provider's load balancer.");
  const sysctl = { ipv4: "net.ipv4.ip_forward=1", ipv6: "net.ipv6.conf.all.forwarding=1" }[lab.family];
  const options = { network: lab.world.network, mayChangeNetwork: true, sysctl };
  const id = await lab.engine.start("a machine that is a load balancer", options);
  const nat = async (title: string, ...rule: readonly string[]) =>
    outputOf(lab.engine.inside(id), title, [lab.iptables, "-w", "-t", "nat", "-A", ...rule]);
  await nat("it forwards", "PREROUTING", "-p", "tcp", "--dport", "80", "-j", "DNAT", "--to-destination", target);
  await nat("answers come back by it", "POSTROUTING", "-j", "MASQUERADE");
  return lab.engine.addressOf("its addresses", id, lab.family);
}

claim("loadbalancer-traffic-passes-the-node-port", {
  observe: async (lab) => {
    const service = await lab.services.create("balanced-by-node-port", {
      ...spec,
      loadBalancerClass: classOf("forwarder"),
    });
    const { nodePort } = service;
    const target = service.at(lab.worker(0));
    const balancer = await forwarderTo(lab, target);
    const capture = await startCapture(
      lab.pod("host-1"),
      "any",
      `tcp and src host ${balancer} and dst port ${nodePort}`,
    );
    const answer = await whoAnswers(lab, lab.outsider, hostPort(balancer, 80), "server-1", "server-2");
    const packets = await lab.eventually(
      () => capture.packets(),
      (seen) => seen.length > 0,
    );
    await capture.stop();
    return { balancer, target, answer, seen: [...new Set(packets.map(({ to, toPort = 0 }) => hostPort(to, toPort)))] };
  },
  judge: ({ balancer, target, answer, seen }) => {
    positiveControl(seen.length > 0, "the node sees packets from the load balancer");
    expect(seen, `where the load balancer ${balancer} sends a client's packets, as the node sees them`).toContain(
      target,
    );
    expect(["server-1", "server-2"], `who answers the client at ${answer.to}`).toContain(answer.pod);
  },
  control: live("the node drops what comes for the Service's node port", async (lab) => {
    const nodePort = 30_078;
    await mutate.service(lab, "balanced-by-node-port", patch.add("/spec/ports/0/nodePort", nodePort));
    await rules(lab, lab.worker(0)).drop({ port: nodePort });
  }),
});
