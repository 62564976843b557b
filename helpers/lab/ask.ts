import { hostPort, type Meeting, meet, request } from "../probe/http.ts";
import type { Peer } from "../probe/peer.ts";
import type { Lab } from "./lab.ts";

/** Returns whether something that was asked gave an answer; see {@link Outcome}. */
export const answered = (asked: { readonly outcome: string }): boolean => asked.outcome === "answered";

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

/**
 * Returns who answers an agnhost server by UDP, and whom that saw; a datagram may be lost, so each is asked for until an answer
 * comes.
 *
 * @param dialer the server that asks, as the client reaches it
 * @param pods whose answer is waited for, where not everybody's will do
 */
export async function whoAnswersByUdp(
  lab: Lab,
  client: Peer,
  dialer: string,
  host: string,
  port: number,
  ...pods: readonly string[]
): Promise<{ pod: string | null; source: string | null }> {
  const ask = (question: string, isWanted: (response: string) => boolean) => {
    const query = new URLSearchParams({ host, port: String(port), protocol: "udp", request: question, tries: "1" });
    const url = `http://${dialer}/dial?${query.toString()}`;
    return lab.eventually(
      async () => {
        const { body } = await request(client, url, lab.timeouts.answer);
        return body.includes('"responses"')
          ? ((JSON.parse(body) as { responses: string[] }).responses[0] ?? null)
          : null;
      },
      (response) => response !== null && isWanted(response),
    );
  };
  const pod = await ask("hostname", (name) => pods.length === 0 || pods.includes(name));
  const source = pod === null ? null : await ask("clientip", () => true);
  return { pod, source: source?.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1") ?? null };
}

/** Waits until a server pod of the cast's namespace answers at an address of its own, and returns that address. */
export async function answeringAddress(lab: Lab, name: string): Promise<string> {
  const { address } = await lab.until(
    `${name} to answer`,
    async () => {
      // Once more each time: its status may tell the address that it had.
      const address = (await lab.api.get(`the pod ${name}`, "Pod", name)).status?.podIP;
      if (address === undefined) return { address: "", outcome: "none" };
      return { address, ...(await meet(lab.pod("client-1"), hostPort(address, 8080), lab.timeouts.attempt)) };
    },
    answered,
    lab.timeouts.podsReady,
  );
  return address;
}

/** Milliseconds for a new name to be known: a cache between may keep for half a minute that it was not. */
export function uncached({ timeouts }: Pick<Lab, "timeouts">): number {
  return timeouts.claimed + timeouts.propagation;
}
