import { expect } from "vitest";
import { z } from "zod";
import { positiveControl } from "../../claim/verdict.ts";
import { answered, whoAnswers } from "../../lab/ask.ts";
import type { Lab } from "../../lab/lab.ts";
import { live } from "../../lab/spec.ts";
import { type Meeting, meet } from "../../probe/http.ts";
import { type Peer, ProbeFailed } from "../../probe/peer.ts";
import { Client, readyMade } from "../parts/define.ts";
import { inCast, type Made, makeObjects, Objects, pace, storePatched } from "../parts/objects.ts";
import { inWords, locate, Target } from "../parts/target.ts";

const Requests = z.array(z.strictObject({ from: Client, at: Target })).min(1);
type Requests = z.infer<typeof Requests>;

/** A client and where it asks. */
type Asked = readonly [client: Peer, target: string];

async function placed(lab: Lab, made: Made, requests: Requests): Promise<Asked[]> {
  return Promise.all(
    requests.map(async ({ from, at }) => {
      const target = await locate(lab, made, at);
      if (target === null) throw new ProbeFailed(`there is no address to ask at: ${inWords(at)}`);
      return [made.peer(from), target] as const;
    }),
  );
}

function answersTo(lab: Lab, requests: readonly Asked[]): Promise<Meeting[]> {
  return Promise.all(requests.map(([client, target]) => whoAnswers(lab, client, target)));
}

/** Returns how requests end once they are answered no more; one that is lost says nothing, so that each is made once more. */
function endsOf(lab: Lab, requests: readonly Asked[]): Promise<Meeting[]> {
  return Promise.all(
    requests.map(async ([client, target]) => {
      const ask = () => meet(client, target, lab.timeouts.silence);
      const first = await lab.eventually(ask, (met) => !answered(met));
      return answered(first) ? first : ask();
    }),
  );
}

export const policyLetsIn = readyMade({
  says: "Under NetworkPolicies these requests are answered and those are not; before the policies are there and after they are deleted, all are.",
  turnedBy: "the policies are stored so that they select no pod",
  parameters: z.strictObject({
    policies: z
      .record(z.string(), z.looseObject({ podSelector: z.looseObject({}) }))
      .refine((policies) => Object.keys(policies).length > 0, "must have a policy")
      .describe("name and `spec` of each NetworkPolicy; each selects pods of `objects` only"),
    "lets-in": Requests.describe("requests that are answered under the policies, each `from` a client `at` a target"),
    "keeps-out": Requests.describe("requests that are not answered under them"),
    objects: Objects,
  }),
  example: {
    policies: {
      "friends-only": {
        podSelector: { matchLabels: { app: "guarded" } },
        ingress: [{ from: [{ podSelector: { matchLabels: { app: "friend" } } }] }],
      },
    },
    "lets-in": [{ from: "friend", at: { pod: "guarded" } }],
    "keeps-out": [{ from: "client-1", at: { pod: "guarded" } }],
    objects: {
      pods: { guarded: { labels: { app: "guarded" } }, friend: { labels: { app: "friend" }, runs: "client" } },
    },
  },
  make: ({ policies, "lets-in": letsIn, "keeps-out": keepsOut, objects }) => ({
    ...pace(objects),
    observe: async (lab) => {
      const made = await makeObjects(lab, objects);
      const [welcome, unwelcome] = [await placed(lab, made, letsIn), await placed(lab, made, keepsOut)];
      const all = [...welcome, ...unwelcome];
      const before = await answersTo(lab, all);
      const stored = Object.entries(policies).map(([name, spec]) =>
        inCast(lab, { apiVersion: "networking.k8s.io/v1", kind: "NetworkPolicy", metadata: { name }, spec }),
      );
      for (const policy of stored) await lab.api.create(`the policy ${policy.metadata.name}`, policy);
      // Whoever is let in is asked for once the policies are in force.
      const keptOut = await endsOf(lab, unwelcome);
      const letIn = await answersTo(lab, welcome);
      for (const policy of stored) await lab.api.delete(`the policy ${policy.metadata.name}`, policy);
      return { before, letIn, keptOut, after: await answersTo(lab, all) };
    },
    judge: ({ before, letIn, keptOut, after }) => {
      for (const { from, to, outcome } of [...before, ...after])
        positiveControl(outcome === "answered", `without the policies ${from} is answered at ${to}`);
      for (const { from, to, outcome } of letIn)
        expect(outcome, `http://${to}, asked from ${from} under the policies, which let it in`).toBe("answered");
      for (const { from, to, outcome } of keptOut)
        expect(outcome, `http://${to}, asked from ${from} under the policies, which keep it out`).not.toBe("answered");
    },
    control: live("the policies are stored so that they select no pod", async (lab) => {
      const nobody = { matchLabels: { app: "nobody" } };
      for (const name of Object.keys(policies))
        await storePatched(lab, "NetworkPolicy", name, [{ op: "add", path: "/spec/podSelector", value: nobody }]);
    }),
  }),
});
