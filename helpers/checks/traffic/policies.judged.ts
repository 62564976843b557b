import { answer, type Judged, silent } from "../samples.judged.ts";

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
