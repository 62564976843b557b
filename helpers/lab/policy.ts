import { expect } from "vitest";
import { positiveControl } from "../claim/verdict.ts";
import { type Meeting, meet } from "../probe/http.ts";
import { answered } from "./ask.ts";
import type { Lab } from "./lab.ts";

/** A pod that was asked from another node before, under and after a NetworkPolicy that lets nobody in. */
export interface UnderPolicy {
  readonly before: Meeting;
  readonly under: Meeting;
  readonly after: Meeting;
}

/**
 * Puts a pod under a NetworkPolicy that lets nobody in, in a namespace of its own, and takes the policy away again; returns how
 * it answered before, a while after the policy was made, and in the end.
 *
 * @throws NotInTime where it does not answer without the policy
 */
export async function underPolicy(lab: Lab, purpose: string): Promise<UnderPolicy> {
  const namespace = await lab.ownNamespace(purpose);
  const server = await lab.pods.start(
    lab.objects.serverPod("denied", { app: "denied" }, { nodeName: lab.worker(0).name }, namespace),
  );
  const client = lab.pod("client-2");
  const ask = (timeout = lab.timeouts.attempt) => meet(client, server.on(8080), timeout);
  const answer = () => lab.until("the pod to answer", ask, answered);
  const before = await answer();
  const policy = {
    apiVersion: "networking.k8s.io/v1",
    kind: "NetworkPolicy",
    metadata: { name: "deny", namespace },
    spec: { podSelector: { matchLabels: { app: "denied" } }, policyTypes: ["Ingress"] },
  };
  await lab.api.create("a policy that lets nobody in", policy);
  // Who enforces it may be slow to: only answers to the end say that nobody does. One that is lost says nothing.
  const patience = lab.world.features.networkPolicies ? lab.timeouts.claimed : 3 * lab.timeouts.window;
  const first = await lab.eventually(
    () => ask(lab.timeouts.silence),
    (met) => !answered(met),
    patience,
  );
  const under = answered(first) ? first : await ask(lab.timeouts.silence);
  await lab.api.delete("the policy", policy);
  return { before, under, after: await answer() };
}

/** Judges that the policy made no difference: the cluster's CNI plugin does not enforce policies. */
export function letsEverybodyIn({ before, under, after }: UnderPolicy): void {
  positiveControl(answered(before) && answered(after), "without the policy the pod is answered");
  expect(under.outcome, `the pod at ${under.to}, under a policy that lets nobody in`).toBe("answered");
}
