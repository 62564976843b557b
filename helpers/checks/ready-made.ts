import { expect } from "vitest";
import { z } from "zod";
import type { Check } from "../claim/check.ts";
import { UserError } from "../host/errors.ts";
import { answerWithAddress } from "../lab/changes.ts";
import type { Lab } from "../lab/lab.ts";
import { live } from "../lab/spec.ts";
import { meet } from "../probe/http.ts";

/** Returns a check for the parameters that a claim gives it. @throws ZodError for parameters that do not fit */
type ReadyMade = (parameters: unknown) => Check<Lab, unknown>;

function readyMade<Parameters extends z.ZodType, Observation>(
  parameters: Parameters,
  make: (given: z.infer<Parameters>) => Check<Lab, Observation>,
): ReadyMade {
  return (given) => make(parameters.parse(given)) as Check<Lab, unknown>;
}

const checks: Readonly<Record<string, ReadyMade>> = {
  "name-is-answered": readyMade(
    z.strictObject({
      name: z.string().describe("of a Service, as a pod of its namespace asks at it"),
      from: z.string().default("client-1").describe("a pod of the cast"),
      by: z.array(z.string()).min(1).describe("pods of which one has to answer"),
    }),
    ({ name, from, by }) => ({
      observe: (lab) =>
        lab.eventually(
          () => meet(lab.pod(from), name, lab.timeouts.answer),
          ({ outcome }) => outcome === "answered",
        ),
      judge: ({ outcome, pod }) => {
        expect(outcome, `http://${name}, asked from ${from}`).toBe("answered");
        expect(by, `who answers at http://${name}`).toContain(pod);
      },
      control: live("CoreDNS answers with another address", (lab) => answerWithAddress(lab, name), { alone: true }),
    }),
  ),
};

/**
 * Returns the ready-made check that a claim names, such as `{ "name-is-answered": { name: "web", by: ["server-1"] } }`.
 *
 * @throws UserError for a check that there is not, or parameters that do not fit it
 */
export function readyMadeCheck(claim: string, named: Readonly<Record<string, unknown>>): Check<Lab, unknown> {
  const [name = "", parameters] = Object.entries(named)[0] ?? [];
  const make = checks[name];
  if (make === undefined)
    throw new UserError(
      `claim ${claim}: there is no ready-made check ${name}`,
      `there are ${Object.keys(checks).join(", ")}`,
    );
  try {
    return make(parameters);
  } catch (error) {
    if (!(error instanceof z.ZodError)) throw error;
    const [issue] = error.issues;
    throw new UserError(
      `claim ${claim}: check ${name}: ${issue?.path.join(".")}: ${issue?.message}`,
      "correct the claim's check",
    );
  }
}
