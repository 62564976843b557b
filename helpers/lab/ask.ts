import { type Meeting, meet } from "../probe/http.ts";
import type { Peer } from "../probe/peer.ts";
import type { Lab } from "./lab.ts";

/** Returns whether something that was asked gave an answer; see {@link Outcome}. */
export const answered = ({ outcome }: { readonly outcome: string }): boolean => outcome === "answered";

/**
 * Returns who answers a peer there: on a busy machine a first try may take too long, and a node may not have heard of a
 * Service yet.
 *
 * @param pods whose answer is waited for, where not everybody's will do: a port may still lead where it led before
 */
export async function whoAnswers(lab: Lab, peer: Peer, target: string, ...pods: readonly string[]): Promise<Meeting> {
  return lab.eventually(
    () => meet(peer, target, lab.timeouts.answer),
    (met) => (pods.length === 0 ? answered(met) : pods.includes(met.pod ?? "")),
  );
}
