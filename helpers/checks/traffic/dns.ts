import { expect } from "vitest";
import { z } from "zod";
import { answerReverseWithAddress, answerWithAddress } from "../../changes/nodes.ts";
import type { LiveControl } from "../../claim/control.ts";
import { positiveControl } from "../../claim/verdict.ts";
import { uncached } from "../../lab/ask.ts";
import type { Lab } from "../../lab/lab.ts";
import { live } from "../../lab/spec.ts";
import { type DnsAnswer, type DnsTransport, lookUp } from "../../probe/dns.ts";
import { reverseName } from "../../probe/ip.ts";
import type { Peer } from "../../probe/peer.ts";
import { readyMade, ServiceName } from "../parts/define.ts";
import { type Made, makeObjects, Objects, pace, StoredOtherwise, storePatched } from "../parts/objects.ts";
import { clusterIpOf } from "../parts/target.ts";

/** What a record has to say: in full, or by what the cluster decides. */
const Data = z.union([
  z.string(),
  z.strictObject({ "cluster-ip-of": z.string() }),
  z.strictObject({ "address-of": z.string() }),
  z.strictObject({ name: z.string(), port: z.int().optional() }),
]);
type Data = z.infer<typeof Data>;

const RecordType = z.enum(["address", "CNAME", "SRV", "PTR"]);

/** How far a name is spelled out; the client's search domains complete what is not in full. */
const Spelling = z.enum(["name", "namespace", "svc", "full"]);

function spelled(lab: Lab, name: string, namespace: string, as: z.infer<typeof Spelling> = "full"): string {
  const parts = { name: "", namespace: `.${namespace}`, svc: `.${namespace}.svc` };
  return `${name}${as === "full" ? `.${namespace}.svc.${lab.world.dnsDomain}` : parts[as]}`;
}

async function dataOf(lab: Lab, made: Made, namespace: string, wanted: Data): Promise<string> {
  if (typeof wanted === "string") return wanted;
  if ("cluster-ip-of" in wanted) return clusterIpOf(lab, `${namespace}/${wanted["cluster-ip-of"]}`);
  if ("address-of" in wanted) return made.addressOf(wanted["address-of"]);
  return `${wanted.port === undefined ? "" : `${wanted.port} `}${spelled(lab, wanted.name, namespace)}.`;
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

/** One way of asking. */
interface Question {
  readonly client: Peer;
  readonly name: string;
  readonly over: DnsTransport;
  readonly search: boolean;
}

/** What a name that was asked for in further ways was answered. */
interface Further extends DnsAnswer {
  readonly over: DnsTransport;
}

interface Observation {
  readonly wanted: string[];
  readonly answer: DnsAnswer;
  readonly again?: Further[];
  readonly beside: DnsAnswer;
}

/** Returns whether a name beside those that are asked for is known if they should not be, and else not, or without such a record. */
function isAsWanted({ status, records }: DnsAnswer, wanted: number, notOf: string | undefined): boolean {
  if (wanted === 0) return records.length > 0;
  return notOf === undefined ? status === "NXDOMAIN" : status === "NOERROR" && records.length === 0;
}

export const dnsRecords = readyMade({
  says: "Asked for a name in the namespace of the cast or in another, the cluster's DNS answers with exactly these records.",
  turnedBy: "CoreDNS answers with another address, or `control` has the API server store another Service",
  parameters: z
    .strictObject({
      of: z
        .union([z.string(), z.array(z.string()).min(1)])
        .describe(
          "the name up to the namespace, as `web` or `_http._tcp.web`, or several names; for PTR a Service, by its cluster IP",
        ),
      type: RecordType.default("address").describe("`address`: A, or AAAA on an IPv6 cluster"),
      are: z
        .array(Data)
        .describe(
          "what they say: a text, `cluster-ip-of` a Service, `address-of` a pod, or a `name` (of SRV with its `port`); none: there is no such name",
        ),
      namespace: z.string().optional().describe("of the name, where it is not in that of the cast"),
      as: z
        .array(Spelling)
        .min(1)
        .default(["full"])
        .describe(
          "how far the name is spelled out, one after another: alone, with its namespace, with `svc` too, or in full",
        ),
      over: z
        .array(z.enum(["udp", "tcp"]))
        .min(1)
        .default(["udp"])
        .describe("by which it is asked, one after another"),
      "not-of": z
        .string()
        .optional()
        .describe(
          "the positive control: a name that DNS knows, and that has no such record; by default a name that it does not know, or, if no record is wanted, `web`",
        ),
      from: z
        .array(z.string())
        .min(1)
        .default(["client-1"])
        .describe("pods of the cast or of `objects` that ask, one after another"),
      control: StoredOtherwise.extend({ service: ServiceName })
        .optional()
        .describe(
          "in the place of the usual one: `service`, one of `objects.services`, `name`, what is changed in words, and `patch`, a JSON Patch of the Service that is stored",
        ),
      objects: Objects,
    })
    .refine(({ control, objects }) => control === undefined || control.service in objects.services, {
      error: "must be one of objects.services: it is stored otherwise",
      path: ["control", "service"],
    })
    .refine(({ from }) => !from.includes("outside"), {
      error: "must be pods: outside nobody asks the cluster's DNS",
      path: ["from"],
    })
    .refine(({ type, as }) => type !== "PTR" || as.every((spelling) => spelling === "full"), {
      error: "must be full: an address has one name",
      path: ["as"],
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
  make: ({ of, type, are, namespace: elsewhere, as, over, "not-of": notOf, from, control, objects }) => {
    const names = [of].flat();
    const besideIt = notOf ?? (are.length === 0 ? "web" : "nobody-has-this-name");
    return {
      ...pace(objects),
      observe: async (lab): Promise<Observation> => {
        const made = await makeObjects(lab, objects);
        const namespace = elsewhere ?? lab.namespace;
        const recordType = type === "address" ? lab.addressRecord : type;
        const wanted = (await Promise.all(are.map((data) => dataOf(lab, made, namespace, data)))).toSorted();
        const nameAs = async (name: string, spelling: z.infer<typeof Spelling>) =>
          type === "PTR"
            ? reverseName(await clusterIpOf(lab, `${namespace}/${name}`))
            : spelled(lab, name, namespace, spelling);
        const asked = await Promise.all(
          names.flatMap((name) =>
            as.map(async (spelling) => ({ name: await nameAs(name, spelling), search: spelling !== "full" })),
          ),
        );
        const questions: Question[] = from.flatMap((client) =>
          asked.flatMap((each) => over.map((transport) => ({ client: made.peer(client), ...each, over: transport }))),
        );
        const [answer, ...again] = await lab.eventually(
          () =>
            Promise.all(
              questions.map(async ({ client, name, ...way }) => ({
                ...(await lookUp(client, name, recordType, way)),
                over: way.over,
              })),
            ),
          (found) => found.every((each) => saidBy(each).join() === wanted.join()),
          uncached(lab),
        );
        const { over: _, ...first } = answer as Further;
        const askBeside = () =>
          lookUp(
            made.peer(from[0] ?? ""),
            spelled(lab, besideIt, lab.namespace),
            are.length === 0 ? lab.addressRecord : recordType,
          );
        return {
          wanted,
          answer: first,
          ...(again.length === 0 ? {} : { again }),
          // One of several DNS servers may know a name before the others.
          beside: await lab.eventually(askBeside, (found) => isAsWanted(found, wanted.length, notOf)),
        };
      },
      judge: ({ wanted, answer, again = [], beside }) => {
        positiveControl(
          isAsWanted(beside, wanted.length, notOf),
          wanted.length === 0
            ? `DNS knows the name ${besideIt}`
            : notOf === undefined
              ? `DNS knows no ${besideIt}`
              : `${notOf} has no ${type} record, and its name is known`,
        );
        for (const { over: way, ...each } of [{ ...answer, over: undefined }, ...again]) {
          const asked = way === undefined ? "" : `, asked from ${each.from} by ${way.toUpperCase()}`;
          if (wanted.length === 0) expect(each.status, `what DNS says of ${each.name}${asked}`).toBe("NXDOMAIN");
          expect(saidBy(each), `the ${each.type} records of ${each.name}${asked}`).toEqual(wanted);
        }
      },
      control: control === undefined ? answeredOtherwise(type, names) : storedOtherwise(control),
    };
  },
});

function answeredOtherwise(type: z.infer<typeof RecordType>, names: readonly string[]): LiveControl<Lab> {
  return live(
    `CoreDNS answers with another address than ${names.join(" and ")} has`,
    (lab) =>
      type === "PTR"
        ? answerReverseWithAddress(lab)
        : answerWithAddress(lab, ...names.map((name) => name.replaceAll(".", "[.]"))),
    { alone: true },
  );
}

function storedOtherwise({
  service,
  name,
  patch,
}: z.infer<typeof StoredOtherwise> & { readonly service: string }): LiveControl<Lab> {
  return live(name, (lab) => storePatched(lab, "Service", service, patch));
}
