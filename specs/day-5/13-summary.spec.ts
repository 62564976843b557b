import { expect } from "vitest";
import { mutate } from "../../helpers/changes/admission.ts";
import { patch } from "../../helpers/changes/json-patch.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { leadsTo } from "../../helpers/lab/objects.ts";
import type { NodePeer } from "../../helpers/lab/peers.ts";
import { nameOf } from "../../helpers/lab/pods.ts";
import { live } from "../../helpers/lab/spec.ts";
import { type Meeting, meet } from "../../helpers/probe/http.ts";
import { claim, printed } from "./article.ts";
import { ingressName, ingressTurns, routed } from "./ingress.ts";

/** The files that the lab has applied, each with the type of the Service printed before. */
function appliedInTheLab(): { file: string; type: string | null }[] {
  const printedOrApplied = printed.sample("the whole lab").text.matchAll(/^ {2}type: (\w+)|^kubectl apply -f (\S+)/gm);
  let type: string | null = null;
  return [...printedOrApplied].flatMap(([, printedType, file]) => {
    const before = type;
    type = printedType ?? null;
    return file === undefined ? [] : [{ file, type: before }];
  });
}

claim("lab-deploys-the-three-types", {
  // The article's own text is what this sentence is about.
  observe: async () => appliedInTheLab(),
  judge: (applied) => {
    positiveControl(
      applied.some(({ file, type }) => file === "web-clusterip.yaml" && type === "ClusterIP"),
      "the lab's manifests and commands were found",
    );
    expect(
      applied.flatMap(({ type }) => type ?? []),
      `types of the Services that the lab applies, by ${applied.map(({ file }) => file).join(", ")}`,
    ).toEqual(["ClusterIP", "NodePort", "LoadBalancer"]);
  },
  corrected: (applied) =>
    expect(
      applied.flatMap(({ type }) => type ?? []),
      "types of the Services that the lab applies",
    ).toEqual(["ClusterIP", "NodePort"]),
  control: {
    name: "the lab applied a Service of type LoadBalancer too",
    alter: (applied) => [...applied, { file: "web-loadbalancer.yaml", type: "LoadBalancer" }],
  },
});

type Generation = "first" | "second";

/** What the pods of a Service were after a change, and who answered at its name then. */
interface Stage {
  readonly change: string;
  readonly pods: readonly string[];
  readonly answer: Meeting;
}

claim("reachable-however-the-pods-change", {
  slow: true,
  observe: async (lab) => {
    const app = { app: "comes-and-goes" };
    const generation = (which: Generation) => ({ ...app, generation: which });
    // With a grace period a pod's object goes last: once it is gone, nobody but the Service can refuse in its place.
    const deployment = (which: Generation, node: NodePeer) =>
      lab.objects.serverDeployment(`the-${which}`, 1, generation(which), {
        nodeName: node.name,
        terminationGracePeriodSeconds: 1,
      });
    const [first, second] = [deployment("first", lab.worker(0)), deployment("second", lab.worker(1))];
    await lab.api.create("a Deployment", first);
    const service = await lab.services.create("comes-and-goes", leadsTo(app));
    const client = lab.pod("client-1");
    // The client's own namespace completes it; a full name is tried with search domains of the machine's first.
    const name = "comes-and-goes";
    const ask = (target: string, timeout = lab.timeouts.attempt) => meet(client, target, timeout);
    const stage = async (
      change: string,
      count: number,
      which: Generation,
      gone: readonly string[] = [],
    ): Promise<Stage> => {
      const pods = (await lab.pods.severalReady(count, generation(which))).map(nameOf);
      await lab.pods.gone(gone);
      const answer = await lab.eventually(
        () => ask(`${name}:80`),
        ({ pod = "" }) => pods.includes(pod),
      );
      return { change, pods, answer };
    };
    const before = await stage("the first pod", 1, "first");
    await lab.api.create("another Deployment, on another node where there is one", second);
    await lab.api.patch("the first pod no more", first, { spec: { replicas: 0 } });
    const replaced = await stage("another in its place", 1, "second", before.pods);
    await lab.api.patch("more pods", second, { spec: { replicas: 2 } });
    const more = await stage("one more", 2, "second");
    await lab.api.patch("no pods", second, { spec: { replicas: 0 } });
    await lab.pods.gone(more.pods);
    // A node that has not heard of it yet still leads connections to where they were: no answer, but no refusal.
    const without = await lab.eventually(
      () => ask(service.on(80), lab.timeouts.answer),
      ({ outcome }) => outcome === "refused",
    );
    lab.note("while there were no pods at all", `the Service: ${without.outcome}`);
    await lab.api.patch("pods again", second, { spec: { replicas: 1 } });
    const again = await stage("one, after there were none", 1, "second");
    return { before, changed: [replaced, more, again], without: without.outcome };
  },
  judge: ({ before, changed }) => {
    positiveControl(
      before.pods.some((pod) => pod === before.answer.pod),
      "with its first pod the Service answers",
    );
    let pods = before.pods;
    for (const stage of changed) {
      positiveControl(stage.pods.join() !== pods.join(), `the pods are others than before: ${stage.change}`);
      expect(stage.answer.outcome, `the Service by its name; its pods were ${stage.change}`).toBe("answered");
      expect(stage.pods, `the pods then, ${stage.change}: who answered is one`).toContain(stage.answer.pod);
      ({ pods } = stage);
    }
  },
  control: live("the Service selects by a label that only the first pod has", (lab) =>
    mutate.selector(lab, "comes-and-goes", { app: "comes-and-goes", generation: "first" }),
  ),
});

claim("ingress-routes-http", {
  slow: true,
  observe: routed,
  judge: ({ before, answers }) => {
    positiveControl(before.status === 404, "the controller answers, and leads nowhere while there is no Ingress");
    for (const { host, path, backend, status, body } of answers)
      expect(body, `who answers an outsider at ${host}${path} (HTTP ${status})`).toBe(backend);
  },
  control: live(
    "the Ingress has another path",
    (lab) => mutate.ingress(lab, ingressName, patch.replace("/spec/rules/0/http/paths/1/path", "/elsewhere")),
    ingressTurns,
  ),
});
