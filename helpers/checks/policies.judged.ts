import type { Judged } from "./endpoints.judged.ts";

const answer = {
  from: "client-1",
  to: "10.96.0.9:80",
  outcome: "answered",
  pod: "server-1",
  source: "10.244.1.2",
  milliseconds: 1,
};
const silent = { from: "client-1", to: "10.96.0.9:80", outcome: "silent", milliseconds: 4_000 };
const underPolicies = { before: [answer, answer], letIn: [answer], keptOut: [silent], after: [answer, answer] };

/** What of the check of policies.ts is judged. */
export const judgedOfPolicies: readonly Judged[] = [
  {
    check: "policy-lets-in",
    holds: underPolicies,
    refuted: [
      [
        { ...underPolicies, keptOut: [answer] },
        "http://10.96.0.9:80, asked from client-1 under the policies, which keep it out: 'answered'",
      ],
      [
        { ...underPolicies, letIn: [silent] },
        "http://10.96.0.9:80, asked from client-1 under the policies, which let it in: 'silent', not 'answered'",
      ],
    ],
    inconclusive: [
      { ...underPolicies, before: [answer, silent] },
      { ...underPolicies, after: [silent, answer] },
    ],
  },
];
