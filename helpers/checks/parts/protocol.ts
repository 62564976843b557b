import { z } from "zod";
import { whoAnswers, whoAnswersByUdp } from "../../lab/ask.ts";
import type { Lab } from "../../lab/lab.ts";
import { hostPort, type Meeting } from "../../probe/http.ts";
import type { Made, Objects } from "./objects.ts";

/** By what a client asks. */
export const Protocol = z
  .enum(["tcp", "udp"])
  .default("tcp")
  .describe("`udp`: datagrams; who asks is then a pod that runs the suite's server");
type Protocol = z.infer<typeof Protocol>;

/** Where the suite's server listens in pods on their node's network, each of which has ports of its own. */
const onTheHost: Readonly<Record<string, Readonly<Record<Protocol, number>>>> = {
  "host-1": { tcp: 18_090, udp: 18_091 },
  "host-2": { tcp: 18_092, udp: 18_093 },
};

/** Returns on which port the suite's server listens in a pod. */
export function listensOn(pod: string, protocol: Protocol): number {
  return (onTheHost[pod] ?? { tcp: 8080, udp: 8081 })[protocol];
}

/** Those of the cast that run no server. */
const withoutServer = new Set(["client-1", "client-2", "client-elsewhere", "host-cp", "pair", "outside"]);

/** Returns whether each of these can ask by a protocol: agnhost's servers alone send a datagram and tell what came back. */
export function canAsk(clients: readonly string[], protocol: Protocol, { pods }: Objects): boolean {
  return (
    protocol === "tcp" ||
    clients.every((name) => (name in pods ? pods[name]?.runs === "server" : !withoutServer.has(name)))
  );
}

/** What is wrong with a client that cannot ask. */
export const cannotAsk = { error: "by UDP only pods that run the suite's server can ask", path: ["from"] };

/** Who answered, as the answer itself tells; see {@link Meeting}. */
export type Answer = Omit<Meeting, "milliseconds">;

/**
 * Returns who answers a client at a host and port.
 *
 * @param pods whose answer is waited for, where not everybody's will do
 */
export async function whoAnswersBy(
  protocol: Protocol,
  lab: Lab,
  made: Made,
  client: string,
  target: string,
  ...pods: readonly string[]
): Promise<Answer> {
  if (protocol === "tcp") return whoAnswers(lab, made.peer(client), target, ...pods);
  const { label: from } = made.peer(client);
  const [, host = "", port = ""] = /^\[?(.*?)\]?:(\d+)$/.exec(target) ?? [];
  const dialer = hostPort(made.addressOf(client), listensOn(client, "tcp"));
  const { pod, source } = await whoAnswersByUdp(lab, lab.pod("client-1"), dialer, host, Number(port), ...pods);
  if (pod === null) return { from, to: target, outcome: "silent" };
  return { from, to: target, outcome: "answered", pod, ...(source === null ? {} : { source }) };
}

/** Returns what stands before host and port, as a message names what was asked. */
export function schemeOf(protocol: Protocol): string {
  return protocol === "udp" ? "udp://" : "http://";
}
