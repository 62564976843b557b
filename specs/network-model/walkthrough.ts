import type { V1Deployment } from "@kubernetes/client-node";
import type { LabStep } from "../../helpers/article/lab-text.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import { request } from "../../helpers/probe/http.ts";
import { outputOf } from "../../helpers/probe/peer.ts";
import { type Reader, walkOf } from "../../helpers/walkthrough/walkthrough.ts";
import { printed } from "./article.ts";

/** Follows the article's lab as far as one of its steps, each step once per run, and returns what that step showed. */
export const walk = walkOf(printed, {
  "create the Deployment": async (reader, step) => {
    await forget(reader.lab, "deployment/web");
    const created = await reader.type(step);
    const deployment = await readyReplicas(reader.lab, 2);
    return { created, replicas: deployment.spec?.replicas ?? 0, ready: deployment.status?.readyReplicas ?? 0 };
  },
  "expose it": async (reader, step) => {
    const { lab } = reader;
    await forget(lab, "service/web");
    const exposed = await reader.type(step);
    if (exposed.exitCode !== 0) return { exposed, service: null };
    const service = await lab.services.get("web", { namespace: lab.otherNamespace });
    // A reader types no faster than that: the Service has its endpoints, and the nodes lead to them.
    await lab.eventually(
      () => lab.services.endpointsOf("web", lab.otherNamespace),
      (found) => found.length === 2,
    );
    const url = `http://${service.on(80)}/`;
    await lab.eventually(
      () => request(lab.pod("client-elsewhere"), url, lab.timeouts.attempt),
      ({ outcome }) => outcome === "answered",
    );
    return {
      exposed,
      service: { selector: service.spec.selector, ports: service.spec.ports, type: service.spec.type },
    };
  },
  "list the endpoints": async (reader, step) => {
    const listed = await reader.type(step);
    const pods = await reader.lab.api.list("the Deployment's pods", "Pod", selected(reader.lab));
    // Found by their owner, not by the label that the Service goes by.
    const own = pods.filter(({ metadata }) => metadata?.ownerReferences?.[0]?.name.startsWith("web-") === true);
    return { listed, addresses: own.map(({ status }) => status?.podIP ?? "") };
  },
  "ask by name": ask,
  "scale to none": async (reader, step) => {
    const { lab } = reader;
    const scaled = await reader.type(step);
    const pods = await lab.eventually(
      () => lab.api.list("the Deployment's pods", "Pod", selected(lab)),
      (found) => found.length === 0,
      lab.timeouts.deletion,
    );
    const endpoints = await lab.eventually(
      () => lab.services.endpointsOf("web", lab.otherNamespace),
      (found) => found.length === 0,
    );
    return { scaled, pods: pods.length, endpoints };
  },
  "ask once more": ask,
});

const selected = ({ otherNamespace: namespace }: Lab) => ({ namespace, labels: { "pod-template-hash": "" } });

/** Types the question, and returns what became of it and whether its pod is still there in the end. */
async function ask(reader: Reader, step: LabStep) {
  const { lab } = reader;
  await forget(lab, "pod/ask");
  const asked = await reader.type(step);
  const left = await lab.eventually(
    () => lab.outsider.run("is the pod still there", kubectl(lab, "get", "pod", "ask")),
    ({ stderr }) => stderr.includes("NotFound"),
    lab.timeouts.deletion,
  );
  return { asked, left: left.stderr.trim() };
}

/** Waits until the Deployment has so many ready pods, or has had time for them, and returns it. */
async function readyReplicas(lab: Lab, count: number): Promise<V1Deployment> {
  return lab.eventually(
    () => lab.api.get("the Deployment", "Deployment", "web", lab.otherNamespace),
    ({ status }) => status?.readyReplicas === count,
    lab.timeouts.podsReady,
  );
}

/** Takes away what a step made when the lab was typed before; the namespace is the suite's own. */
async function forget(lab: Lab, object: string): Promise<void> {
  if (!lab.again) return;
  const words = kubectl(lab, "delete", object, "--ignore-not-found", "--cascade=foreground");
  await outputOf(lab.outsider, `${object} as it was typed before`, words);
}

function kubectl({ otherNamespace }: Lab, ...words: readonly string[]): string[] {
  return ["kubectl", `--namespace=${otherNamespace}`, ...words];
}
