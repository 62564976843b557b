import { expect } from "vitest";
import { mutate } from "../../helpers/changes/admission.ts";
import { patch } from "../../helpers/changes/json-patch.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { answered, whoAnswers } from "../../helpers/lab/ask.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import { leadsTo } from "../../helpers/lab/objects.ts";
import { live } from "../../helpers/lab/spec.ts";
import type { KubernetesObject } from "../../helpers/probe/api.ts";
import { meet, meetOften, podsAmong } from "../../helpers/probe/http.ts";
import { outputOf } from "../../helpers/probe/peer.ts";
import { claim } from "./article.ts";

const probing = { periodSeconds: 1, failureThreshold: 1, successThreshold: 1 };

/** Returns a pod that goes on answering when it is asked to end, and that is found ready until `/tmp/unready` is there. */
function lingering(lab: Lab, name: string, labels: Readonly<Record<string, string>>): KubernetesObject {
  const seconds = Math.ceil(lab.timeouts.podsReady / 1000);
  const { args, ...server } = lab.objects.serverContainer;
  const readinessProbe = {
    ...probing,
    exec: { command: ["sh", "-c", "! test -e /tmp/unready"] },
    timeoutSeconds: Math.ceil(lab.timeouts.readiness / 1000),
  };
  return lab.objects.serverPod(name, labels, {
    terminationGracePeriodSeconds: 2 * seconds,
    containers: [
      // The first process of a container ends by no signal that it does not handle (pid_namespaces(7)).
      { ...lab.objects.clientContainer, readinessProbe },
      { ...server, args: [...args, `--delay-shutdown=${seconds}`] },
    ],
  });
}

/** Returns what the slices of a Service say of each endpoint, by the name of its pod. */
async function conditionsOf(lab: Lab, service: string) {
  const slices = await lab.services.slicesOf(service);
  return Object.fromEntries(
    slices.flatMap(({ endpoints }) =>
      (endpoints ?? []).map(({ conditions, targetRef }) => {
        const { ready = null, serving = null, terminating = null } = conditions ?? {};
        return [targetRef?.name ?? "", { ready, serving, terminating }] as const;
      }),
    ),
  );
}

claim("terminating-pod-is-marked", {
  slow: true,
  observe: async (lab) => {
    const name = "marked-terminating";
    const object = lingering(lab, name, { app: name });
    await lab.services.create(name, leadsTo({ app: name }));
    const pod = await lab.pods.start(object);
    const conditions = async () => (await conditionsOf(lab, name))[name] ?? null;
    const before = await lab.eventually(conditions, (found) => found?.ready === true);
    await lab.api.requestDeletion("ask the pod to end", object, { grace: true });
    // One probe that came late on a busy machine says for a second that it serves no more.
    const ending = await lab.eventually(conditions, (found) => found?.terminating === true && found.serving === true);
    if (ending !== null) await outputOf(pod, "its readiness probe fails from now on", ["touch", "/tmp/unready"]);
    return { before, ending, unready: await lab.eventually(conditions, (found) => found?.serving === false) };
  },
  judge: ({ before, ending, unready }) => {
    positiveControl(before?.ready === true, "the pod is a ready endpoint before it is asked to end");
    expect(before?.terminating, "whether it is marked as terminating before that").not.toBe(true);
    expect(ending?.terminating, "whether it is marked as terminating then").toBe(true);
    expect(ending?.serving, "whether it is marked as serving while its readiness probe succeeds").toBe(true);
    expect(unready?.terminating, "whether it is marked as terminating when the probe fails").toBe(true);
    expect(unready?.serving, "whether it is marked as serving when the probe fails").toBe(false);
  },
  control: live("the pod's readiness probe succeeds whatever the pod does", (lab) =>
    mutate.pod(
      lab,
      "marked-terminating",
      patch.replace("/spec/containers/0/readinessProbe/exec/command", ["sh", "-c", "true"]),
    ),
  ),
});

claim("terminating-pod-is-the-last-resort", {
  slow: true,
  observe: async (lab) => {
    const labels = { app: "last-resort" };
    const [ending, staying] = [lingering(lab, "ending", labels), lab.objects.serverPod("staying", labels)];
    const service = await lab.services.create("last-resort", leadsTo(labels));
    const [pod] = await Promise.all([lab.pods.start(ending), lab.pods.start(staying)]);
    const client = lab.pod("client-1");
    const target = service.on(80);
    const answering = async (count: number) => podsAmong(await meetOften(client, target, count, lab.timeouts.answer));
    // So many that one of two pods is missed once in 10^14 times.
    const before = await lab.eventually(
      () => answering(50),
      ({ length }) => length === 2,
    );
    await lab.api.requestDeletion("ask one of the pods to end", ending, { grace: true });
    const conditions = await lab.eventually(
      () => conditionsOf(lab, "last-resort"),
      (found) => found["ending"]?.terminating === true,
    );
    const withOther = await lab.eventually(
      () => answering(50),
      (pods) => pods.join() === "staying",
    );
    await lab.api.delete("the other pod", staying);
    const alone = await whoAnswers(lab, client, target, "ending");
    const itself = await meet(client, pod.on(8080), lab.timeouts.answer);
    return { before, conditions: conditions["ending"] ?? null, withOther, alone: alone.pod ?? alone.outcome, itself };
  },
  judge: ({ before, conditions, withOther, alone, itself }) => {
    positiveControl(before.length === 2, "both pods answer while none is asked to end");
    positiveControl(conditions?.terminating === true, "the pod is marked as terminating");
    positiveControl(answered(itself) && itself.pod === "ending", "the terminating pod answers at its own address");
    expect(withOther.join(", "), "pods that answer 50 new connections while there is another").toBe("staying");
    expect(alone, "who answers once the other pod is gone").toBe("ending");
  },
  control: live("the Service takes every pod for ready (publishNotReadyAddresses)", (lab) =>
    mutate.service(lab, "last-resort", patch.add("/spec/publishNotReadyAddresses", true)),
  ),
});
