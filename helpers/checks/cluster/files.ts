import { expect } from "vitest";
import { z } from "zod";
import type { Lab } from "../../lab/lab.ts";
import type { PodPeer } from "../../lab/peers.ts";
import { live } from "../../lab/spec.ts";
import { outputOf } from "../../probe/peer.ts";
import { readyMade } from "../parts/define.ts";
import { StoredOtherwise, storePatched } from "../parts/objects.ts";
import { clusterIpOf } from "../parts/target.ts";

/** What the cluster decides, in the place of a word of a line. */
const values = /<(address|namespace|domain|cluster-ip-of ([^<>\s]+))>/g;

/** At the end of a line that may go on. */
const andSoOn = " ...";

const Line = z
  .string()
  .refine((line) => !/[<>]/.test(line.replaceAll(values, "")), {
    error: "must have no <…> but <address>, <namespace>, <domain> and <cluster-ip-of NAME>",
  })
  .transform((line) => wordsOf(line).join(" "));

function wordsOf(line: string): string[] {
  return line.split(/\s+/).filter((word) => word !== "");
}

/** Returns the line with the cluster's values in it. */
async function filledIn(lab: Lab, { address }: PodPeer, line: string): Promise<string> {
  const found: Readonly<Record<string, string>> = {
    ...{ address, namespace: lab.namespace, domain: lab.world.dnsDomain },
  };
  const services = [...line.matchAll(values)].flatMap(([, , service]) => service ?? []);
  const addresses = new Map(
    await Promise.all(services.map(async (service) => [service, await clusterIpOf(lab, service)] as const)),
  );
  return line.replaceAll(values, (_, value: string, service?: string) =>
    service === undefined ? (found[value] ?? "") : (addresses.get(service) ?? ""),
  );
}

/** Returns the lines of a file that say something, with one space between words. */
function linesOf(text: string): string[] {
  return text
    .split("\n")
    .map((line) => wordsOf(line.replace(/#.*/, "")).join(" "))
    .filter((line) => line !== "");
}

/** Returns a line as far as the wanted one goes. */
function asFarAs(wanted: string, line: string): string {
  if (!wanted.endsWith(andSoOn)) return line;
  const start = wanted.slice(0, -andSoOn.length);
  return line === start || line.startsWith(`${start} `) ? wanted : line;
}

export const fileInPod = readyMade({
  says: "A file in a new pod has these lines.",
  turnedBy: "`control`, which has the API server store another pod",
  parameters: z.strictObject({
    file: z.string().startsWith("/").describe("its path in the pod's container"),
    pod: z.string().describe("the name of the pod that is started"),
    spec: z.record(z.string(), z.unknown()).default({}).describe("more of the pod's `spec`"),
    has: z
      .array(Line)
      .min(1)
      .describe(
        "lines, with a space between words; `...` at the end: more words may follow; `<address>` is the pod's own, `<namespace>` its namespace, `<domain>` the cluster's, and `<cluster-ip-of web>`, or of `kube-system/kube-dns`, a Service's",
      ),
    exactly: z
      .union([z.literal(true), z.string()])
      .optional()
      .describe("true: there is no other line but comments; a word: no other line begins with it"),
    control: StoredOtherwise.describe(
      "`name`, what is changed in words, and `patch`, a JSON Patch of the pod that is stored",
    ),
  }),
  example: {
    file: "/etc/resolv.conf",
    pod: "asks-nobody",
    spec: { dnsPolicy: "None", dnsConfig: { nameservers: ["192.0.2.53"], searches: ["example.test"] } },
    has: ["nameserver 192.0.2.53", "search example.test"],
    exactly: true,
    control: {
      name: "the pod asks the cluster's DNS too (dnsPolicy: ClusterFirst)",
      patch: [{ op: "add", path: "/spec/dnsPolicy", value: "ClusterFirst" }],
    },
  },
  make: ({ file, pod, spec, has, exactly, control }) => ({
    slow: true,
    observe: async (lab) => {
      const peer = await lab.pods.start(lab.objects.clientPod(pod, spec));
      return {
        wanted: await Promise.all(has.map((line) => filledIn(lab, peer, line))),
        lines: linesOf(await outputOf(peer, `${file} in the pod ${pod}`, ["cat", file])),
      };
    },
    judge: ({ wanted, lines }) => {
      for (const line of wanted)
        expect(
          lines.map((found) => asFarAs(line, found)),
          `lines of ${file} in the pod ${pod}`,
        ).toContain(line);
      const counts = (line: string) => exactly === true || wordsOf(line)[0] === exactly;
      expect(
        lines.filter((line) => counts(line) && !wanted.some((each) => asFarAs(each, line) === each)),
        `further lines of ${file} in the pod ${pod}`,
      ).toEqual([]);
    },
    control: live(control.name, (lab) => storePatched(lab, "Pod", pod, control.patch)),
  }),
});
