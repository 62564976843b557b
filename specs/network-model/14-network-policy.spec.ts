import { expect } from "vitest";
import { rules } from "../../helpers/changes/iptables.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { answered, whoAnswers } from "../../helpers/lab/ask.ts";
import { live } from "../../helpers/lab/spec.ts";
import { meet } from "../../helpers/probe/http.ts";
import { claim } from "./article.ts";

/** Nobody else listens on it, so that a control may block it. */
const port = 8098;

claim("kubelet-reaches-past-policies", {
  slow: true,
  observe: async (lab) => {
    const labels = { app: "probed" };
    // It fails as often as it likes: the pod stays, and its log tells what reached it.
    const livenessProbe = { httpGet: { path: "/echo?msg=probe", port }, periodSeconds: 1, failureThreshold: 1_000 };
    const args = ["netexec", `--http-port=${port}`, "--udp-port=-1"];
    const containers = [{ ...lab.objects.serverContainer, args, livenessProbe }];
    const pod = await lab.pods.start(
      lab.objects.serverPod("probed", labels, { nodeName: lab.worker(0).name, containers }),
    );
    const client = lab.pod("client-2");
    const before = await whoAnswers(lab, client, pod.on(port));
    await lab.api.create("a policy that lets nobody in", {
      ...{ apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy" },
      metadata: { name: "probed", namespace: lab.namespace },
      spec: { podSelector: { matchLabels: labels }, policyTypes: ["Ingress"] },
    });
    const under = await lab.eventually(
      () => meet(client, pod.on(port), lab.timeouts.silence),
      (met) => !answered(met),
    );
    const probes = async () => (await lab.pods.log("what the pod was asked", "probed")).split("msg=probe").length - 1;
    const early = await probes();
    // One may be on its way while the log is read.
    const late = await lab.eventually(probes, (count) => count >= early + 2);
    return { before, under, early, late };
  },
  judge: ({ before, under, early, late }) => {
    positiveControl(answered(before), "without the policy a client is answered");
    positiveControl(!answered(under), "the policy keeps the client out");
    expect(late - early, "requests of the kubelet's probe that reached the pod under the policy").toBeGreaterThan(1);
  },
  control: live("the pod's node drops what it sends itself to the pod", (lab) =>
    rules(lab, lab.worker(0)).drop({ port }, ["raw", "OUTPUT"]),
  ),
});
