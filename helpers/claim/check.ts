import type { Claim } from "../article/article.ts";
import type { Control } from "./control.ts";
import type { Environment, Workspace } from "./environment.ts";
import type { Evidence } from "./evidence.ts";
import { type Judgement, judgementOf, judgementOfError, NeedsFeature } from "./verdict.ts";

const claimTimeoutMs = 240_000;

/** What decides a claim. */
export interface Check<Lab, Observation> {
  /** Needs a long window or many pods; `npm test -- --tags-filter 'not slow'` leaves it out. */
  readonly slow?: true;
  /** Talks to the cluster and returns plain JSON; it decides nothing. */
  observe(lab: Lab): Promise<Observation>;
  /** Looks at that JSON only. A failed assertion is the refutation, and its message the explanation. */
  judge(observation: Observation): void;
  /**
   * Judges the correction of a claim that is refuted, by the same JSON: a failed assertion says that the correction is wrong, too.
   *
   * @param words the correction in English (`instead`); empty where only the claim has it that is repeated
   */
  corrected?(observation: Observation, words: string): void;
  /** Proves that the check can give the opposite verdict; every check that can hold or be refuted has one. */
  readonly control?: Control<Lab, Observation>;
}

/** A claim and its check, whatever it observes. */
export interface CheckedClaim<Lab> {
  readonly entry: Claim;
  readonly check: Check<Lab, unknown>;
}

/** Milliseconds after which a check is given up; a factor stretches them on slow machines. */
export function claimTimeout(factor: number): number {
  return claimTimeoutMs * factor;
}

/** What came of a check: the judgement, and the observation where there is one. */
export interface Decision {
  readonly judgement: Judgement;
  readonly observation?: unknown;
  /** Why the clean-up failed, if it did: that says nothing about the claim. */
  readonly notUndone?: string;
}

/** Observes and judges, then cleans up. Whatever goes wrong on the way is a judgement too. */
export async function decide<Lab extends Workspace, Observation>(
  check: Check<Lab, Observation>,
  needs: readonly string[],
  environment: Environment<Lab>,
  evidence: Evidence,
  signal: AbortSignal,
): Promise<Decision> {
  const missing = environment.missing(needs);
  if (missing !== undefined) return { judgement: judgementOfError(new NeedsFeature(missing)) };
  let lab: Lab;
  try {
    lab = await environment.open(evidence, signal);
  } catch (error) {
    return { judgement: judgementOfError(error) };
  }
  const decision = await decideIn(lab, check);
  try {
    await lab.close();
    return decision;
  } catch (error) {
    const { message } = error as Error;
    evidence.add("what could not be undone", "", message);
    return { ...decision, notUndone: message };
  }
}

async function decideIn<Lab, Observation>(lab: Lab, check: Check<Lab, Observation>): Promise<Decision> {
  try {
    // Judged as it is stored: what JSON cannot hold must not decide anything.
    const observation = JSON.parse(JSON.stringify(await check.observe(lab))) as Observation;
    return { judgement: judgementOf(() => check.judge(observation)), observation };
  } catch (error) {
    const judgement = judgementOfError(error);
    return {
      judgement:
        judgement.verdict === "refuted"
          ? { verdict: "inconclusive", why: `an assertion failed while observing: ${judgement.why}` }
          : judgement,
    };
  }
}
