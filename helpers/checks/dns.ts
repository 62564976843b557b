import { expect } from "vitest";
import { z } from "zod";
import { positiveControl } from "../claim/verdict.ts";
import { uncached } from "../lab/ask.ts";
import { answerReverseWithAddress, answerWithAddress } from "../lab/changes.ts";
import type { Lab } from "../lab/lab.ts";
import { live } from "../lab/spec.ts";
import { type DnsAnswer, lookUp } from "../probe/dns.ts";
import { reverseName } from "../probe/ip.ts";
import { Client, readyMade } from "./define.ts";
import { type Made, makeObjects, Objects, pace } from "./objects.ts";

/** What a record has to say: in full, or by what the cluster decides. */
const Data = z.union([
  z.string(),
  z.strictObject({ "cluster-ip-of": z.string() }),
  z.strictObject({ "address-of": z.string() }),
  z.strictObject({ name: z.string(), port: z.int().optional() }),
]);
type Data = z.infer<typeof Data>;

const RecordType = z.enum(["address", "CNAME", "SRV", "PTR"]);

function fullName(lab: Lab, name: string): string {
  return `${name}.${lab.namespace}.svc.${lab.world.dnsDomain}`;
}

async function dataOf(lab: Lab, made: Made, wanted: Data): Promise<string> {
  if (typeof wanted === "string") return wanted;
  if ("cluster-ip-of" in wanted) return (await lab.services.get(wanted["cluster-ip-of"])).clusterIP;
  if ("address-of" in wanted) return made.addressOf(wanted["address-of"]);
  return `${wanted.port === undefined ? "" : `${wanted.port} `}${fullName(lab, wanted.name)}.`;
}

/** Returns what an answer's records say. Of an address the way to it by CNAMEs is no matter; of SRV, priority and weight are the server's choice (RFC 2782). */
function saidBy({ type, records }: DnsAnswer): string[] {
  const address = type === "A" || type === "AAAA";
  return records
    .filter((record) => !address || record.type === type)
    .map((record) => {
      if (record.type !== type) return `${record.type} ${record.data}`;
      return type === "SRV" ? record.data.split(" ").slice(2).join(" ") : record.data;
    })
    .toSorted();
}

export const dnsRecords = readyMade({
  says: "Asked for a name in the namespace of the cast, the cluster's DNS answers with exactly these records.",
  turnedBy: "CoreDNS answers with another address",
  parameters: z
    .strictObject({
      of: z
        .string()
        .describe("the name up to the namespace, as `web` or `_http._tcp.web`; for PTR a Service, by its cluster IP"),
      type: RecordType.default("address").describe("`address`: A, or AAAA on an IPv6 cluster"),
      are: z
        .array(Data)
        .describe(
          "what they say: a text, `cluster-ip-of` a Service, `address-of` a pod, or a `name` (of SRV with its `port`); none: there is no such name",
        ),
      "not-of": z
        .string()
        .optional()
        .describe(
          "the positive control: a name that DNS knows, and that has no such record; by default a name that it does not know, or, if no record is wanted, `web`",
        ),
      from: Client.default("client-1"),
      objects: Objects,
    })
    .refine(({ from }) => from !== "outside", {
      error: "must be a pod: outside nobody asks the cluster's DNS",
      path: ["from"],
    })
    .refine(({ type, are }) => type !== "PTR" || are.length > 0, {
      error: "a PTR record must be wanted",
      path: ["are"],
    })
    .refine((given) => given["not-of"] === undefined || given.are.length > 0, {
      error: "needs a record that is wanted",
      path: ["not-of"],
    }),
  example: {
    of: "_http._tcp.named",
    type: "SRV",
    are: [{ port: 80, name: "named" }],
    objects: {
      services: { named: { selector: { app: "server" }, ports: [{ name: "http", port: 80, targetPort: 8080 }] } },
    },
  },
  make: ({ of, type, are, "not-of": notOf, from, objects }) => {
    const besideIt = notOf ?? (are.length === 0 ? "web" : "nobody-has-this-name");
    return {
      ...pace(objects),
      observe: async (lab) => {
        const made = await makeObjects(lab, objects);
        const client = made.peer(from);
        const recordType = type === "address" ? lab.addressRecord : type;
        const wanted = (await Promise.all(are.map((data) => dataOf(lab, made, data)))).toSorted();
        const name = type === "PTR" ? reverseName((await lab.services.get(of)).clusterIP) : fullName(lab, of);
        const answer = await lab.eventually(
          () => lookUp(client, name, recordType),
          (found) => saidBy(found).join() === wanted.join(),
          uncached(lab),
        );
        return {
          wanted,
          answer,
          beside: await lookUp(client, fullName(lab, besideIt), are.length === 0 ? lab.addressRecord : recordType),
        };
      },
      judge: ({ wanted, answer, beside }) => {
        if (wanted.length === 0) positiveControl(beside.records.length > 0, `DNS knows the name ${besideIt}`);
        else if (notOf === undefined) positiveControl(beside.status === "NXDOMAIN", `DNS knows no ${besideIt}`);
        else
          positiveControl(
            beside.status === "NOERROR" && beside.records.length === 0,
            `${notOf} has no ${type} record, and its name is known`,
          );
        if (wanted.length === 0) expect(answer.status, `what DNS says of ${answer.name}`).toBe("NXDOMAIN");
        expect(saidBy(answer), `the ${answer.type} records of ${answer.name}`).toEqual(wanted);
      },
      control: live(
        `CoreDNS answers with another address than ${of} has`,
        (lab) => (type === "PTR" ? answerReverseWithAddress(lab) : answerWithAddress(lab, of.replaceAll(".", "[.]"))),
        { alone: true },
      ),
    };
  },
});
