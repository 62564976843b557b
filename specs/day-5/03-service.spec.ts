import type { V1Pod, V1Service } from "@kubernetes/client-node";
import { expect } from "vitest";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { answered, whoAnswers } from "../../helpers/lab/ask.ts";
import { refuse, storeOtherwise } from "../../helpers/lab/changes.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import { live } from "../../helpers/lab/spec.ts";
import type { KubernetesObject } from "../../helpers/probe/api.ts";
import { inBackground } from "../../helpers/probe/background.ts";
import { lookUp } from "../../helpers/probe/dns.ts";
import { type Answer, distribution, hostPort, meet, meetOften, request } from "../../helpers/probe/http.ts";
import { outputOf, type Peer } from "../../helpers/probe/peer.ts";
import { claim, printedObject } from "./article.ts";

async function podNamed(lab: Lab, name: string): Promise<V1Pod> {
  return lab.get<V1Pod>(`the pod ${name}`, `/api/v1/namespaces/${lab.namespace}/pods/${name}`);
}

/** The full name of a Service, with the dot at its end: nobody outside is to be asked for other names that begin like it. */
function fullName(lab: Lab, service: string): string {
  return `${service}.${lab.namespace}.svc.${lab.world.dnsDomain}.`;
}

/** Waits until a server pod answers at an address of its own, and returns that address. */
async function answering(lab: Lab, name: string): Promise<string> {
  const { address } = await lab.until(
    `${name} to answer`,
    async () => {
      // Once more each time: its status may tell the address that it had.
      const address = (await podNamed(lab, name)).status?.podIP;
      if (address === undefined) return { address: "", outcome: "none" };
      return { address, ...(await meet(lab.pod("client-1"), hostPort(address, 8080), lab.timeouts.attempt)) };
    },
    ({ outcome }) => outcome === "answered",
    lab.timeouts.podsReady,
  );
  return address;
}

claim("pod-ip-changes-on-replacement", {
  slow: true,
  observe: async (lab) => {
    const pod = lab.serverPod("replaced", {});
    const created = await lab.create<V1Pod>("a pod", pod);
    const before = await answering(lab, "replaced");
    await lab.delete("the pod", pod);
    const replacement = await lab.create<V1Pod>("another pod of the same name", pod);
    const after = await answering(lab, "replaced");
    return { before: { uid: created.metadata?.uid, ip: before }, after: { uid: replacement.metadata?.uid, ip: after } };
  },
  judge: ({ before, after }) => {
    positiveControl(before.uid !== after.uid, "the second pod is another one");
    expect(after.ip, "the address of the pod that took the first one's place").not.toBe(before.ip);
  },
  control: live("the pod has its node's network", (lab) =>
    storeOtherwise(
      lab,
      { kind: "Pod", name: "replaced" },
      "JSONPatch{op: 'add', path: '/spec/hostNetwork', value: true}",
      `JSONPatch{op: 'add', path: '/spec/nodeName', value: '${lab.worker(1).name}'}`,
    ),
  ),
});

claim("pod-ip-changes-on-restart", {
  observe: async (lab) => {
    await lab.create<V1Pod>("a pod", lab.serverPod("restarted", {}));
    const before = await answering(lab, "restarted");
    await request(lab.pod("client-1"), `http://${hostPort(before, 8080)}/exit?code=1`, lab.timeouts.answer);
    const restarted = await lab.restarted("restarted");
    const after = await answering(lab, "restarted");
    return { before, after, restarts: restarted.status?.containerStatuses?.[0]?.restartCount };
  },
  judge: ({ before, after, restarts }) => {
    positiveControl(restarts !== undefined && restarts > 0, "the container was restarted");
    expect(after, `the pod's address after its container was restarted, ${before} before`).not.toBe(before);
  },
  control: live("the pod's sandbox, which has its address, ends with the container", (lab) => {
    // pause ends on SIGTERM, and with it all that shares its process namespace.
    const script = "until pidof agnhost; do sleep 0.1; done; while pidof agnhost; do sleep 0.02; done; kill 1";
    const watcher = `{name: 'watcher', image: '${lab.image("probe")}', command: ['sh', '-c', '${script}']}`;
    return storeOtherwise(
      lab,
      { kind: "Pod", name: "restarted" },
      "JSONPatch{op: 'add', path: '/spec/shareProcessNamespace', value: true}",
      `JSONPatch{op: 'add', path: '/spec/containers/-', value: Object.spec.containers${watcher}}`,
    );
  }),
});

claim("port-is-what-the-service-exposes", {
  observe: async (lab) => {
    const { spec } = await lab.service("other-port", {
      selector: { app: "server" },
      ports: [{ port: 8081, targetPort: 8080 }],
    });
    const ask = (port: number, timeout: number) =>
      meet(lab.pod("client-1"), hostPort(spec?.clusterIP ?? "", port), timeout);
    return {
      onPort: await lab.eventually(
        () => ask(8081, lab.timeouts.attempt),
        ({ outcome }) => outcome === "answered",
      ),
      onTargetPort: await ask(8080, lab.timeouts.silence),
      direct: await whoAnswers(lab, lab.pod("client-1"), hostPort(lab.pod("server-1").address, 8080)),
    };
  },
  judge: ({ onPort, onTargetPort, direct }) => {
    positiveControl(direct.outcome === "answered", "a pod of the Service answers at its own address");
    expect(onPort.outcome, `${onPort.to}, the Service's port`).toBe("answered");
    expect(onTargetPort.outcome, `${onTargetPort.to}, the port of its pods`).not.toBe("answered");
  },
  control: live("the Service has the port of its pods", (lab) =>
    storeOtherwise(
      lab,
      { kind: "Service", name: "other-port" },
      "JSONPatch{op: 'replace', path: '/spec/ports/0/port', value: 8080}",
    ),
  ),
});

claim("target-port-is-the-pods-port", {
  observe: async (lab) => {
    const ask = async (name: string, targetPort: number) => {
      const { spec } = await lab.service(name, { selector: { app: "server" }, ports: [{ port: 80, targetPort }] });
      return (timeout: number) => meet(lab.pod("client-1"), hostPort(spec?.clusterIP ?? "", 80), timeout);
    };
    const [right, wrong] = [await ask("right-target", 8080), await ask("wrong-target", 8099)];
    // A Service without endpoints is refused too, for another reason.
    await lab.until(
      "both pods among the endpoints",
      () => lab.endpointsOf("wrong-target"),
      (found) => found.length === 2,
    );
    return {
      right: await lab.eventually(
        () => right(lab.timeouts.attempt),
        ({ outcome }) => outcome === "answered",
      ),
      wrong: await lab.eventually(
        () => wrong(lab.timeouts.silence),
        ({ outcome }) => outcome === "refused",
      ),
    };
  },
  judge: ({ right, wrong }) => {
    expect(right.outcome, "the Service whose targetPort is the port that the pods listen on").toBe("answered");
    expect(wrong.outcome, "the Service whose targetPort is another").toBe("refused");
  },
  control: live("the Service aims at a port on which its pods do not listen", (lab) =>
    storeOtherwise(
      lab,
      { kind: "Service", name: "right-target" },
      "JSONPatch{op: 'replace', path: '/spec/ports/0/targetPort', value: 8098}",
    ),
  ),
});

claim("service-makes-an-application-reachable-and-discoverable", {
  slow: true,
  observe: async (lab) => {
    const client = lab.pod("client-1");
    const name = fullName(lab, "made-known");
    const look = () => lookUp(client, name, lab.addressRecord);
    const before = await look();
    const service = lab.serviceObject("made-known", {
      selector: { app: "server" },
      ports: [{ port: 80, targetPort: 8080 }],
    });
    await lab.create<V1Service>("the Service", service);
    // A name that was asked for may be kept for half a minute as it was then.
    const uncached = lab.timeouts.podsReady;
    const reached = await lab.eventually(() => meet(client, name, lab.timeouts.answer), answered, uncached);
    await lab.delete("the Service", service);
    const after = await lab.until("its name to be gone", look, ({ status }) => status === "NXDOMAIN", uncached);
    return { before, reached, after };
  },
  judge: ({ before, reached, after }) => {
    positiveControl(
      before.status === "NXDOMAIN" && after.status === "NXDOMAIN",
      "there is no such name before the Service is made and after it is deleted",
    );
    expect(reached.outcome, "the application, by the Service's name").toBe("answered");
  },
  control: live("the Service selects another label than the application's pods have", (lab) =>
    storeOtherwise(
      lab,
      { kind: "Service", name: "made-known" },
      "JSONPatch{op: 'add', path: '/spec/selector', value: {'app': 'nobody'}}",
    ),
  ),
});

claim("pod-ip-changes-with-its-sandbox", {
  slow: true,
  observe: async (lab) => {
    const { name: node } = lab.worker(0);
    const before = await lab.start(lab.serverPod("sandboxed", { app: "sandboxed" }, { nodeName: node }));
    const { spec } = await lab.service("sandboxed", {
      selector: { app: "sandboxed" },
      ports: [{ port: 80, targetPort: 8080 }],
    });
    const created = await podNamed(lab, "sandboxed");
    const access = lab.node(lab.worker(0));
    const ctr = ["ctr", "--namespace", "k8s.io"];
    const sandboxOfThePod = `labels."io.kubernetes.pod.uid"==${created.metadata?.uid},labels."io.cri-containerd.kind"==sandbox`;
    const sandbox = (
      await outputOf(access, "the pod's sandbox", [...ctr, "containers", "list", "--quiet", sandboxOfThePod])
    ).trim();
    await outputOf(access, "end the sandbox", [...ctr, "tasks", "kill", "--signal", "SIGKILL", sandbox]);
    // kubelet keeps a pod's address while none of the sandboxes that it listed is ready, and lists containers after them:
    // for a moment it may tell of the new container with the old address.
    const after = await lab.eventually(
      () => lab.restarted("sandboxed"),
      ({ status }) => status?.podIP !== before.address,
    );
    const answer = await lab.until(
      "the Service to answer",
      () => meet(lab.pod("client-1"), hostPort(spec?.clusterIP ?? "", 80), lab.timeouts.attempt),
      ({ outcome }) => outcome === "answered",
    );
    return {
      before: { uid: created.metadata?.uid, ip: before.address },
      after: { uid: after.metadata?.uid, ip: after.status?.podIP },
      answer,
    };
  },
  judge: ({ before, after, answer }) => {
    positiveControl(before.uid === after.uid, "it is the same pod");
    positiveControl(answer.outcome === "answered", "its Service finds it again");
    expect(after.ip, "the pod's address after its sandbox was restarted").not.toBe(before.ip);
  },
  control: live("the pod has its node's network", (lab) =>
    storeOtherwise(
      lab,
      { kind: "Pod", name: "sandboxed" },
      "JSONPatch{op: 'add', path: '/spec/hostNetwork', value: true}",
    ),
  ),
});

claim("service-is-stable-while-pods-are-replaced", {
  slow: true,
  observe: async (lab) => {
    const labels = { app: "rolled" };
    const secondsToHear = Math.round(lab.timeouts.propagation / 2_000);
    const { args, ...rest } = lab.serverContainer;
    const timeoutSeconds = Math.ceil(lab.timeouts.readiness / 1000);
    const server = {
      ...rest,
      // Answers on until kube-proxy everywhere has heard that it goes.
      args: [...args, `--delay-shutdown=${secondsToHear}`],
      readinessProbe: { httpGet: { path: "/hostname", port: 8080 }, periodSeconds: 1, timeoutSeconds },
    };
    const deployment = lab.serverDeployment("rolled", 2, labels, {
      containers: [server],
      terminationGracePeriodSeconds: 2 * secondsToHear,
    });
    const spec = { ...(deployment["spec"] as object), strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: 2 } } };
    await lab.create("a Deployment that is replaced with care", { ...deployment, spec });
    const { spec: service } = await lab.service("rolled", {
      selector: labels,
      ports: [{ port: 80, targetPort: 8080 }],
    });
    const clusterIP = service?.clusterIP ?? "";
    const before = (await lab.readyPods(2, labels)).map(({ metadata }) => metadata?.name ?? "");
    const client = lab.pod("client-1");
    const name = fullName(lab, "rolled");
    await lab.until(
      "the Service to answer",
      () => meet(client, name, lab.timeouts.attempt),
      ({ outcome }) => outcome === "answered",
    );
    let replaced = false;
    const load = async (from: Peer, target: string) => {
      const answers: Answer[] = [];
      for (let last = false; !last; ) {
        last = replaced;
        answers.push(...(await meetOften(from, target, 50, lab.timeouts.answer, 20)));
      }
      return answers;
    };
    const replacement = async () => {
      // kubectl gives up by itself, and is not to be cut off before.
      const kubectl = (title: string, ...words: string[]) =>
        outputOf(
          lab.outsider,
          title,
          ["kubectl", "--namespace", lab.namespace, "rollout", ...words, "deployment/rolled"],
          2 * lab.timeouts.podsReady,
        );
      await kubectl("replace its pods", "restart");
      await kubectl("all of them to be new ones", "status", `--timeout=${lab.timeouts.podsReady}ms`);
      await lab.podsGone(before);
    };
    const [byAddress, byName] = await Promise.all([
      load(client, hostPort(clusterIP, 80)),
      load(lab.pod("client-2"), name),
      replacement().finally(() => {
        replaced = true;
      }),
    ]);
    const after = (await lab.readyPods(2, labels)).map(({ metadata }) => metadata?.name ?? "");
    const { spec: later } = await lab.get<V1Service>(
      "the Service",
      `/api/v1/namespaces/${lab.namespace}/services/rolled`,
    );
    return {
      before,
      after,
      clusterIP: [clusterIP, later?.clusterIP],
      byAddress: distribution(byAddress),
      byName: distribution(byName),
    };
  },
  judge: ({ before, after, clusterIP, byAddress, byName }) => {
    positiveControl(
      before.every((pod) => !after.includes(pod)),
      "every pod was replaced",
    );
    positiveControl(
      before.some((pod) => byAddress[pod] !== undefined) && after.some((pod) => byAddress[pod] !== undefined),
      "requests were answered by pods of both generations",
    );
    for (const [way, counts] of Object.entries({ address: byAddress, name: byName }))
      expect(
        Object.keys(counts).filter((key) => key.startsWith("curl exit")),
        `ways in which some of ${Object.values(counts).reduce((sum, count) => sum + count, 0)} requests by ${way} failed`,
      ).toEqual([]);
    expect(clusterIP[1], "the clusterIP afterwards").toBe(clusterIP[0]);
  },
  control: live("all pods are taken away before others take their place", (lab) =>
    storeOtherwise(
      lab,
      { kind: "Deployment", name: "rolled" },
      "JSONPatch{op: 'add', path: '/spec/strategy', value: Object.spec.strategy{type: 'Recreate'}}",
    ),
  ),
});

/** No program is known by it, and no kernel gives it to a client: who listens there does so for the Service. */
const unlikelyPort = 61_765;

claim("service-is-an-abstraction", {
  observe: async (lab) => {
    const { spec } = await lab.service("abstract", {
      selector: { app: "server" },
      ports: [{ port: unlikelyPort, targetPort: 8080 }],
    });
    const clusterIP = spec?.clusterIP ?? "";
    const target = hostPort(clusterIP, unlikelyPort);
    const answer = await lab.until(
      "the Service to answer",
      () => meet(lab.pod("client-1"), target, lab.timeouts.attempt),
      ({ outcome }) => outcome === "answered",
    );
    const nodes = await Promise.all(
      lab.world.nodes.map(async (node) => {
        const access = lab.node(node);
        const [sockets, words] = await Promise.all([
          outputOf(access, "sockets that listen", ["ss", "--listening", "--tcp", "--numeric", "--no-header"]),
          outputOf(access, "words of all processes", [
            "sh",
            "-c",
            "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'",
          ]),
        ]);
        return {
          node: node.name,
          sockets: sockets.split("\n").filter((line) => line.includes(`:${unlikelyPort} `) || line.includes(clusterIP)),
          listening: sockets.split("\n").filter(Boolean).length,
          processes: words.split("\n").filter((word) => word.split(/[^0-9a-f.:]+/).includes(clusterIP)),
        };
      }),
    );
    const { items } = await lab.get<{ items: V1Pod[] }>(
      "pods that belong to the Service",
      `/api/v1/namespaces/${lab.namespace}/pods`,
    );
    const owned = items.filter(({ metadata }) => metadata?.ownerReferences?.some(({ kind }) => kind === "Service"));
    return { clusterIP, answer, nodes, owned: owned.length };
  },
  judge: ({ clusterIP, answer, nodes, owned }) => {
    positiveControl(answer.outcome === "answered", "the Service answers");
    positiveControl(
      nodes.every(({ listening }) => listening > 0),
      "every node shows sockets that listen",
    );
    expect(owned, "pods that were made for the Service").toBe(0);
    for (const { node, sockets, processes } of nodes) {
      expect(sockets, `sockets of ${node} that listen for the Service`).toEqual([]);
      expect(processes, `processes of ${node} that name ${clusterIP}`).toEqual([]);
    }
  },
  control: live("a process on a node listens on the Service's port", async (lab) => {
    // A pod on the node's own network: of the programs that listen, nodes need not have any.
    const command = ["nc", "-l", "-p", String(unlikelyPort)];
    const process = await inBackground(lab.pod("host-1"), `a process on port ${unlikelyPort}`, command);
    lab.afterwards(() => process.stop());
    await lab.until(
      "it to listen",
      () => outputOf(lab.node(lab.worker(0)), "sockets that listen", ["ss", "--listening", "--tcp", "--numeric"]),
      (sockets) => sockets.includes(`:${unlikelyPort} `),
    );
  }),
});

/** Returns the pods that answer many new connections of one client by a Service with that policy. */
async function podsThatAnswer(
  lab: Lab,
  client: Peer,
  name: string,
  policy: Readonly<Record<string, unknown>>,
): Promise<string[]> {
  const ports = [{ port: 80, targetPort: 8080 }];
  const { spec } = await lab.service(name, { selector: { app: "server" }, ports, ...policy });
  const target = hostPort(spec?.clusterIP ?? "", 80);
  await lab.until(
    "both pods among the endpoints",
    () => lab.endpointsOf(name),
    (found) => found.length === 2,
  );
  await lab.until(
    `an answer of ${name}`,
    () => meet(client, target, lab.timeouts.attempt),
    ({ outcome }) => outcome === "answered",
  );
  return podsAmong(await meetOften(client, target, 50, lab.timeouts.answer));
}

/** The pods that answered; whether some connection was lost meanwhile is no matter. */
function podsAmong(answers: readonly Answer[]): string[] {
  return [...new Set(answers.flatMap((answer) => ("pod" in answer ? [answer.pod] : [])))].toSorted();
}

claim("service-defines-policies-for-access", {
  slow: true,
  observe: async (lab) => {
    const client = lab.pod("client-1");
    return {
      none: await podsThatAnswer(lab, client, "without", {}),
      affinity: await podsThatAnswer(lab, client, "affine", { sessionAffinity: "ClientIP" }),
      local: await podsThatAnswer(lab, client, "local", { internalTrafficPolicy: "Local" }),
    };
  },
  judge: ({ none, affinity, local }) => {
    positiveControl(none.length === 2, "without a policy both pods answer");
    expect(affinity.length, "pods that answer one client with sessionAffinity ClientIP").toBe(1);
    expect(local, "pods that answer with internalTrafficPolicy Local: those of the client's node").toEqual([
      "server-1",
    ]);
  },
  control: live("the Service does without its sessionAffinity", (lab) =>
    storeOtherwise(
      lab,
      { kind: "Service", name: "affine" },
      "JSONPatch{op: 'add', path: '/spec/sessionAffinity', value: 'None'}",
      "JSONPatch{op: 'add', path: '/spec/sessionAffinityConfig', value: null}",
    ),
  ),
});

/** The article's manifests, by their lines. */
const services = ["60-70", "83-93", "107-118", "132-142", "154-160", "225-235", "267-278"];

/** CEL: not in a check's own namespace of that name, nor where a policy is tried. */
function outside(name: string): string {
  return `!object.metadata.namespace.startsWith('${name}-') && object.metadata.namespace != 'kube-public'`;
}

claim("printed-manifests-are-valid", {
  observe: async (lab) => {
    const namespace = await lab.ownNamespace("printed");
    const tried = async (object: KubernetesObject) => {
      const { code, body } = await lab.tryCreate(`would ${object.kind} ${object.metadata.name} be accepted`, object, {
        dryRun: true,
      });
      return {
        object: `${object.kind} ${object.metadata.name}`,
        code,
        message: (body as { message?: string }).message ?? "",
      };
    };
    const printedOnes = [...services, "182-202"].map((lines) => printedObject(lines, namespace));
    const answers = await Promise.all(printedOnes.map(tried));
    const [first] = printedOnes;
    return {
      answers,
      withAnUnknownField: await tried({
        ...(first as KubernetesObject),
        spec: { ...(first?.["spec"] as object), colour: "red" },
      }),
    };
  },
  judge: ({ answers, withAnUnknownField }) => {
    positiveControl(withAnUnknownField.code >= 400, "a manifest with a field that does not exist is refused");
    for (const { object, code, message } of answers) {
      // Of a node port that somebody has, or that this cluster gives to nobody, nothing is wrong but that.
      const notToBeHad = /provided port is (already allocated|not in the valid range)/.test(message);
      expect(code === 201 || notToBeHad, `${object}, checked strictly: HTTP ${code} ${message}`).toBe(true);
    }
  },
  control: live(
    "the API server refuses one of the article's Services",
    (lab) => refuse(lab, { kind: "Service", name: "my-clusterip-service" }, "not this one", outside("printed")),
    { lane: "my-clusterip-service" },
  ),
});

claim("printed-service-name-is-legal", {
  observe: async (lab) => {
    const service = printedObject("60-70", await lab.ownNamespace("names"));
    const tried = async (name: string) => {
      const { code } = await lab.tryCreate(
        `a Service named ${name}`,
        { ...service, metadata: { ...service.metadata, name } },
        { dryRun: true },
      );
      return code;
    };
    return {
      asPrinted: (await lab.tryCreate("the Service as printed", service)).code,
      letters64: await tried("a".repeat(64)),
      capital: await tried("My-service"),
    };
  },
  judge: ({ asPrinted, letters64, capital }) => {
    positiveControl(letters64 === 422 && capital === 422, "names with 64 letters or a capital are refused");
    expect(asPrinted, "the answer for the Service as printed").toBe(201);
  },
  control: live(
    "the API server refuses the name my-service",
    (lab) => refuse(lab, { kind: "Service", name: "my-service" }, "no legal name", outside("names")),
    { lane: "my-service" },
  ),
});

claim("example-services-select-my-app", {
  slow: true,
  observe: async (lab) => {
    const namespace = await lab.ownNamespace("my-app");
    const service = await lab.create<V1Service>("the article's Service", printedObject("83-93", namespace));
    const target = hostPort(service.spec?.clusterIP ?? "", 80);
    const client = lab.pod("client-1");
    const ask = (timeout = lab.timeouts.attempt) => meet(client, target, timeout);
    const pod = lab.serverPod("relabelled", { app: "myapp" }, {}, namespace);
    const { address } = await lab.start(pod);
    // By IPv6 a refusal was heard only when the SYN was sent again, a second later.
    const alone = await lab.eventually(
      () => ask(lab.timeouts.silence),
      ({ outcome }) => outcome === "refused",
    );
    const without = await lab.endpointsOf("my-clusterip-service", namespace);
    await lab.patch("label it as the article's Services select", pod, { metadata: { labels: { app: "MyApp" } } });
    const served = await lab.eventually(
      () => ask(),
      ({ outcome }) => outcome === "answered",
    );
    const direct = await whoAnswers(lab, client, hostPort(address, 8080));
    return { alone, without, served, direct };
  },
  judge: ({ alone, without, served, direct }) => {
    positiveControl(
      alone.outcome !== "answered" && without.length === 0,
      "a pod labelled app: myapp is not selected, and nobody answers",
    );
    positiveControl(direct.pod === "relabelled", "the pod itself answers");
    expect(served.pod, "who answers at the article's Service once a pod has the label app: MyApp").toBe("relabelled");
  },
  control: live(
    "the article's Service selects another label",
    (lab) =>
      storeOtherwise(
        lab,
        { kind: "Service", name: "my-clusterip-service" },
        `JSONPatch{op: 'add', path: '/spec/selector', value:
        {'app': object.metadata.namespace.startsWith('my-app-') ? 'AnotherApp' : 'MyApp'}}`,
      ),
    { lane: "my-clusterip-service" },
  ),
});

claim("port-80-leads-to-target-port-9376", {
  observe: async (lab) => {
    const pod = lab.pod("my-app");
    const { spec } = await lab.create<V1Service>("the article's Service", printedObject("60-70", lab.otherNamespace));
    const clusterIP = spec?.clusterIP ?? "";
    const client = lab.pod("client-1");
    const ask = (address: string, port: number, timeout = lab.timeouts.attempt) =>
      request(client, `http://${hostPort(address, port)}/`, timeout);
    return {
      byService: await lab.eventually(
        () => ask(clusterIP, 80),
        ({ outcome }) => outcome === "answered",
      ),
      direct: await lab.eventually(() => ask(pod.address, 9376, lab.timeouts.answer), answered),
      direct80: await ask(pod.address, 80, lab.timeouts.silence),
      wrongPort: await ask(clusterIP, 9376, lab.timeouts.silence),
    };
  },
  judge: ({ byService, direct, direct80, wrongPort }) => {
    positiveControl(direct.body === "my-app", "the pod answers on 9376");
    positiveControl(direct80.outcome !== "answered", "and not on 80");
    expect(byService.body, "who answers at port 80 of the Service").toBe("my-app");
    expect(wrongPort.outcome, "port 9376 of the Service").not.toBe("answered");
  },
  control: live(
    "the article's Service aims at a port on which its pods do not listen",
    (lab) =>
      storeOtherwise(
        lab,
        { kind: "Service", name: "my-service" },
        `JSONPatch{op: 'replace', path: '/spec/ports/0/targetPort',
        value: object.metadata.namespace == '${lab.otherNamespace}' ? 9375 : 9376}`,
      ),
    { lane: "my-service" },
  ),
});

claim("four-types-of-service", {
  observe: async (lab) => {
    const tried = async (type: string) => {
      const spec = {
        type,
        ports: [{ port: 80 }],
        ...(type === "ExternalName" ? { externalName: "a.example.test" } : {}),
      };
      const { code, body } = await lab.tryCreate(`type ${type}`, lab.serviceObject("typed", spec), { dryRun: true });
      return { type, code, message: (body as { message?: string }).message ?? "" };
    };
    return {
      types: await Promise.all(["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"].map(tried)),
      other: await tried("Foo"),
    };
  },
  judge: ({ types, other }) => {
    for (const { type, code, message } of types) expect(code, `type ${type} ${message}`).toBe(201);
    expect(other.code, "the answer for type Foo").toBe(422);
    const supported = /supported values: (.+)$/.exec(other.message)?.[1] ?? "";
    expect(
      new Set([...supported.matchAll(/"(\w+)"/g)].map(([, type]) => type)),
      "the types that the API says it supports",
    ).toEqual(new Set(types.map(({ type }) => type)));
  },
  control: live("the API server takes no Service of type ClusterIP", (lab) =>
    refuse(lab, { kind: "Service", name: "typed" }, "not of this type", "object.spec.type != 'ClusterIP'"),
  ),
});
