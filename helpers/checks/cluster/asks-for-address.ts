import { expect } from "vitest";
import { z } from "zod";
import { mutate } from "../../changes/admission.ts";
import { patch } from "../../changes/json-patch.ts";
import { positiveControl } from "../../claim/verdict.ts";
import type { Lab } from "../../lab/lab.ts";
import { leadsTo } from "../../lab/objects.ts";
import { live } from "../../lab/spec.ts";
import { refusalOf } from "../../probe/api.ts";
import { addressAt } from "../../probe/ip.ts";
import { readyMade } from "../parts/define.ts";

export const serviceAsksForAddress = readyMade({
  says: "A Service that asks for a certain cluster IP is given it if it is free, and refused if it is taken or outside every range.",
  turnedBy: "the API server forgets which cluster IP the Service asks for",
  parameters: z.strictObject({
    name: z.string().describe("of the Service that is made"),
    for: z
      .enum(["free", "taken", "outside"])
      .describe("taken: by the Service web of the cast; outside: of every range"),
  }),
  example: { name: "asks", for: "taken" },
  make: ({ name, for: which }) => ({
    observe: async (lab) => {
      const ask = async (clusterIP: string) => {
        const service = lab.objects.service(name, { clusterIP, ...leadsTo({ app: "server" }) });
        const answer = await lab.api.tryCreate(`a Service that asks for ${clusterIP}`, service);
        const { spec } = answer.body as { spec?: { clusterIP?: string } };
        return { asked: clusterIP, code: answer.code, message: refusalOf(answer), given: spec?.clusterIP ?? null };
      };
      const [first = "", ...others] = candidates(lab, which);
      let end = await ask(first);
      // Somebody else may have it.
      for (const other of others)
        if (which === "free" && end.message.includes("already allocated")) end = await ask(other);
      const any = await lab.services.create(`${name}-any`, leadsTo({ app: "server" }));
      return { ...end, any: any.clusterIP };
    },
    judge: ({ asked, code, message, given, any }) => {
      positiveControl(any !== "", "a Service that asks for none is given a cluster IP");
      if (which === "free") {
        expect(code, `the HTTP status for a Service that asks for ${asked}: ${code} ${message}`).toBe(201);
        expect(given, `the cluster IP of the Service that asks for ${asked}`).toBe(asked);
        return;
      }
      expect(code, `the HTTP status for a Service that asks for ${asked}, which is ${which}`).toBe(422);
      const reason = which === "taken" ? "already allocated" : "failed to allocate IP";
      expect(message, "the reason for refusing it").toContain(reason);
    },
    control: live("the API server forgets which cluster IP the Service asks for", (lab) =>
      mutate.service(lab, name, patch.remove("/spec/clusterIP")),
    ),
  }),
});

/** Returns cluster IPs of a sort, in the cluster's first family. */
function candidates(lab: Lab, which: "free" | "taken" | "outside"): string[] {
  if (which === "taken") return [lab.service("web").clusterIP];
  // RFC 5737 and RFC 3849: for documentation.
  if (which === "outside") return [lab.family === "ipv6" ? "2001:db8::77" : "192.0.2.77"];
  // Kubernetes gives those at the beginning of a range last (KEP-3070).
  return [77, 99, 111].map((offset) => addressAt(lab.ofFamily(lab.world.serviceSubnets), offset));
}
