import { parseAllDocuments } from "yaml";
import { z } from "zod";
import { type Peer, ProbeFailed } from "./peer.ts";

/** The record types that the suite asks for. */
export type RecordType = "A" | "AAAA" | "CNAME" | "SRV" | "PTR";

/** What a DNS server answered. */
export interface DnsAnswer {
  readonly from: string;
  readonly name: string;
  readonly type: RecordType;
  /** The server's status (RFC 1035, section 4.1.1; RFC 6895, section 2.3). */
  readonly status: string;
  readonly records: readonly { readonly name: string; readonly type: string; readonly data: string }[];
}

/** The protocols by which DNS is asked (RFC 7766). */
export type DnsTransport = "udp" | "tcp";

/** dig asks so often, and waits so long each time. */
const [tries, seconds] = [3, 5];

const Message = z.object({
  type: z.string(),
  message: z.object({
    response_message_data: z.object({ status: z.string(), ANSWER_SECTION: z.array(z.string()).default([]) }),
  }),
});

/**
 * Asks the cluster's DNS from a pod for exactly that name, and returns what was answered.
 *
 * @param search the pod's search domains complete the name, as they do for its programs
 * @throws ProbeFailed where dig itself could not be used, or no server answered: that says nothing of the name
 */
export async function lookUp(
  from: Peer,
  name: string,
  type: RecordType,
  { over = "udp", search = false }: { readonly over?: DnsTransport; readonly search?: boolean } = {},
): Promise<DnsAnswer> {
  const way = [...(over === "tcp" ? ["+tcp"] : []), search ? "+search" : "+nosearch"];
  const command = ["dig", "+yaml", `+time=${seconds}`, `+tries=${tries}`, ...way, name, type];
  const title = `${from.label} asks for ${type} ${name}${over === "tcp" ? " by TCP" : ""}`;
  const result = await from.run(title, command, tries * seconds * 1000 + 10_000);
  if (result.exitCode === 9)
    throw new ProbeFailed(
      `no name server answered ${from.label} about ${type} ${name}, asked ${tries} times, ${seconds} s each`,
    );
  if (result.exitCode !== 0)
    throw new ProbeFailed(
      `dig on ${from.label} ended with ${result.exitCode}: ${result.stderr.trim() || result.stdout.trim()}`,
    );
  const answer = parseAllDocuments(result.stdout)
    .flatMap((document) => document.toJS() as unknown[])
    .map((entry) => Message.safeParse(entry))
    .findLast(({ success }) => success)?.data;
  if (answer === undefined)
    throw new ProbeFailed(`dig on ${from.label} printed no answer that can be read: ${result.stdout.slice(0, 200)}`);
  const { status, ANSWER_SECTION: section } = answer.message.response_message_data;
  return { from: from.label, name, type, status, records: section.map(recordOf) };
}

/** A record as dig prints it: name, TTL, class, type, data. */
function recordOf(line: string): DnsAnswer["records"][number] {
  const [name = "", , , type = "", ...data] = line.split(/\s+/);
  return { name, type, data: data.join(" ") };
}
