import type { V1Pod } from "@kubernetes/client-node";
import { expect } from "vitest";
import { mutate } from "../../helpers/changes/admission.ts";
import { Cel, patch } from "../../helpers/changes/json-patch.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { answered, answeringAddress } from "../../helpers/lab/ask.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import { leadsTo } from "../../helpers/lab/objects.ts";
import { nameOf } from "../../helpers/lab/pods.ts";
import { live } from "../../helpers/lab/spec.ts";
import { lookUp } from "../../helpers/probe/dns.ts";
import { type Answer, distribution, hostPort, meet, meetOften, request } from "../../helpers/probe/http.ts";
import { outputOf, type Peer } from "../../helpers/probe/peer.ts";
import { claim } from "./article.ts";

claim("service-makes-an-application-reachable-and-discoverable", {
  slow: true,
  observe: async (lab) => {
    const client = lab.pod("client-1");
    const name = fullName(lab, "made-known");
    const look = () => lookUp(client, name, lab.addressRecord);
    const before = await look();
    const service = lab.objects.service("made-known", leadsTo({ app: "server" }));
    await lab.api.create("the Service", service);
    // A name that was asked for may be kept for half a minute as it was then.
    const uncached = lab.timeouts.podsReady;
    const reached = await lab.eventually(() => meet(client, name, lab.timeouts.answer), answered, uncached);
    await lab.api.delete("the Service", service);
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
    mutate.selector(lab, "made-known", { app: "nobody" }),
  ),
});

/** The full name of a Service, with the dot at its end: nobody outside is to be asked for other names that begin like it. */
function fullName(lab: Lab, service: string): string {
  return `${service}.${lab.namespace}.svc.${lab.world.dnsDomain}.`;
}

claim("pod-ip-changes-on-restart", {
  observe: async (lab) => {
    await lab.api.create<V1Pod>("a pod", lab.objects.serverPod("restarted", {}));
    const before = await answeringAddress(lab, "restarted");
    await request(lab.pod("client-1"), `http://${hostPort(before, 8080)}/exit?code=1`, lab.timeouts.answer);
    const restarted = await lab.pods.restarted("restarted");
    const after = await answeringAddress(lab, "restarted");
    return { before, after, restarts: restarted.status?.containerStatuses?.[0]?.restartCount };
  },
  judge: ({ before, after, restarts }) => {
    positiveControl(restarts !== undefined && restarts > 0, "the container was restarted");
    expect(after, `the pod's address after its container was restarted, ${before} before`).not.toBe(before);
  },
  corrected: ({ before, after, restarts }) => {
    positiveControl(restarts !== undefined && restarts > 0, "the container was restarted");
    expect(after, "the pod's address after only its container was restarted").toBe(before);
  },
  control: live("the pod's sandbox, which has its address, ends with the container", (lab) => {
    // pause ends on SIGTERM, and with it all that shares its process namespace.
    const script = "until pidof agnhost; do sleep 0.1; done; while pidof agnhost; do sleep 0.02; done; kill 1";
    const watcher = `{name: 'watcher', image: '${lab.objects.image("probe")}', command: ['sh', '-c', '${script}']}`;
    return mutate.pod(
      lab,
      "restarted",
      patch.add("/spec/shareProcessNamespace", true),
      patch.add("/spec/containers/-", new Cel(`Object.spec.containers${watcher}`)),
    );
  }),
});

claim("pod-ip-changes-with-its-sandbox", {
  slow: true,
  observe: async (lab) => {
    const { name: node } = lab.worker(0);
    const before = await lab.pods.start(lab.objects.serverPod("sandboxed", { app: "sandboxed" }, { nodeName: node }));
    const service = await lab.services.create("sandboxed", leadsTo({ app: "sandboxed" }));
    const created = await lab.api.get("the pod sandboxed", "Pod", "sandboxed");
    const access = lab.worker(0);
    const ctr = ["ctr", "--namespace", "k8s.io"];
    const sandboxOfThePod = `labels."io.kubernetes.pod.uid"==${created.metadata?.uid},labels."io.cri-containerd.kind"==sandbox`;
    const sandbox = (
      await outputOf(access, "the pod's sandbox", [...ctr, "containers", "list", "--quiet", sandboxOfThePod])
    ).trim();
    await outputOf(access, "end the sandbox", [...ctr, "tasks", "kill", "--signal", "SIGKILL", sandbox]);
    // kubelet keeps a pod's address while none of the sandboxes that it listed is ready, and lists containers after them:
    // for a moment it may tell of the new container with the old address.
    const after = await lab.eventually(
      () => lab.pods.restarted("sandboxed"),
      ({ status }) => status?.podIP !== before.address,
    );
    const answer = await lab.until(
      "the Service to answer",
      () => meet(lab.pod("client-1"), service.on(80), lab.timeouts.attempt),
      answered,
    );
    return {
      before: { uid: created.metadata?.uid, ip: before.address },
      after: { uid: after.metadata?.uid, ip: after.status?.podIP },
      answer,
    };
  },
  judge: ({ before, after, answer }) => {
    positiveControl(before.uid === after.uid, "it is the same pod");
    positiveControl(answered(answer), "its Service finds it again");
    expect(after.ip, "the pod's address after its sandbox was restarted").not.toBe(before.ip);
  },
  control: live("the pod has its node's network", (lab) =>
    mutate.pod(lab, "sandboxed", patch.add("/spec/hostNetwork", true)),
  ),
});

claim("pod-ip-changes-on-replacement", {
  slow: true,
  observe: async (lab) => {
    const pod = lab.objects.serverPod("replaced", {});
    const created = await lab.api.create<V1Pod>("a pod", pod);
    const before = await answeringAddress(lab, "replaced");
    await lab.api.delete("the pod", pod);
    const replacement = await lab.api.create<V1Pod>("another pod of the same name", pod);
    const after = await answeringAddress(lab, "replaced");
    return { before: { uid: created.metadata?.uid, ip: before }, after: { uid: replacement.metadata?.uid, ip: after } };
  },
  judge: ({ before, after }) => {
    positiveControl(before.uid !== after.uid, "the second pod is another one");
    expect(after.ip, "the address of the pod that took the first one's place").not.toBe(before.ip);
  },
  control: live("the pod has its node's network", (lab) =>
    mutate.pod(lab, "replaced", patch.add("/spec/hostNetwork", true), patch.add("/spec/nodeName", lab.worker(1).name)),
  ),
});

claim("service-is-stable-while-pods-are-replaced", {
  slow: true,
  observe: async (lab) => {
    const labels = { app: "rolled" };
    const secondsToHear = Math.round(lab.timeouts.propagation / 2_000);
    const { args, ...rest } = lab.objects.serverContainer;
    const timeoutSeconds = Math.ceil(lab.timeouts.readiness / 1000);
    const server = {
      ...rest,
      // Answers on until kube-proxy everywhere has heard that it goes.
      args: [...args, `--delay-shutdown=${secondsToHear}`],
      readinessProbe: { httpGet: { path: "/hostname", port: 8080 }, periodSeconds: 1, timeoutSeconds },
    };
    const deployment = lab.objects.serverDeployment("rolled", 2, labels, {
      containers: [server],
      terminationGracePeriodSeconds: 2 * secondsToHear,
    });
    const spec = { ...(deployment["spec"] as object), strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: 2 } } };
    await lab.api.create("a Deployment that is replaced with care", { ...deployment, spec });
    const service = await lab.services.create("rolled", leadsTo(labels));
    const before = (await lab.pods.severalReady(2, labels)).map(nameOf);
    const client = lab.pod("client-1");
    const name = fullName(lab, "rolled");
    await lab.until("the Service to answer", () => meet(client, name, lab.timeouts.attempt), answered);
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
      await lab.pods.gone(before);
    };
    const [byAddress, byName] = await Promise.all([
      load(client, service.on(80)),
      load(lab.pod("client-2"), name),
      replacement().finally(() => {
        replaced = true;
      }),
    ]);
    const after = (await lab.pods.severalReady(2, labels)).map(nameOf);
    const later = await lab.services.get("rolled", { title: "the Service" });
    return {
      before,
      after,
      clusterIP: [service.clusterIP, later.clusterIP],
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
    mutate.deployment(lab, "rolled", patch.add("/spec/strategy", new Cel("Object.spec.strategy{type: 'Recreate'}"))),
  ),
});
