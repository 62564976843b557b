import type { EvidenceItem } from "../claim/evidence.ts";
import { entered } from "../host/ledger.ts";
import type { Session } from "./session.ts";

/** Experiments that several checks of a run look at, by name. */
export type Experiments = Map<
  string,
  Promise<{ observation: unknown; evidence: readonly EvidenceItem[]; standIns: readonly string[] }>
>;

/**
 * Returns what an experiment showed that several checks look at: the first of them carries it out, and each has its
 * evidence.
 *
 * @param mention the check has only the experiment's name, since it has only to come after it
 */
export async function together<T>(
  session: Session,
  name: string,
  experiment: () => Promise<T>,
  mention: boolean,
): Promise<T> {
  const { evidence } = session;
  const { experiments } = session.stage;
  const earlier = experiments.get(name);
  if (earlier !== undefined) {
    const { observation, evidence: items, standIns } = await entered("wait", `what others see: ${name}`, () => earlier);
    for (const standIn of standIns) evidence.standIns.add(standIn);
    if (mention)
      session.note(`before: ${name}`, "done once for all checks that follow it; what came of it stands with its own");
    else for (const { title, command, text, attachments } of items) evidence.add(title, command, text, attachments);
    return observation as T;
  }
  const from = evidence.items.length;
  const done = experiment().then((observation) => ({
    observation,
    evidence: evidence.items.slice(from),
    standIns: [...evidence.standIns],
  }));
  experiments.set(name, done);
  return (await done).observation;
}
