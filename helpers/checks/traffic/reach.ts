import { expect } from "vitest";
import { z } from "zod";
import { rules } from "../../changes/iptables.ts";
import { positiveControl } from "../../claim/verdict.ts";
import { live } from "../../lab/spec.ts";
import { hostPort } from "../../probe/http.ts";
import { Client, readyMade } from "../parts/define.ts";
import { makeObjects, Objects, pace } from "../parts/objects.ts";
import { canAsk, cannotAsk, listensOn, Protocol, schemeOf, whoAnswersBy } from "../parts/protocol.ts";

export const podsAreReached = readyMade({
  says: "Each of these clients is answered by each of these pods, at the pod's own address.",
  turnedBy: "the nodes drop what these clients send to those pods",
  parameters: z
    .strictObject({
      from: z.array(Client).min(1).default(["client-1"]),
      to: z.array(z.string()).min(1).describe("pods of the cast or of `objects` that run the suite's server"),
      protocol: Protocol,
      objects: Objects,
    })
    .refine(({ from, protocol, objects }) => canAsk(from, protocol, objects), cannotAsk)
    .refine(({ from, to }) => pairsOf(from, to).length > 0, {
      error: "must have another pod than the one that asks",
      path: ["to"],
    }),
  example: { from: ["server-1", "server-2"], to: ["server-1", "server-2"], protocol: "udp" },
  make: ({ from, to, protocol, objects }) => ({
    ...pace(objects),
    observe: async (lab) => {
      const made = await makeObjects(lab, objects);
      return {
        calls: await Promise.all(
          pairsOf(from, to).map(async ([client, pod]) => {
            const address = made.addressOf(pod);
            // A pod on its node's network has the node's name.
            const server = lab.nodes.find(({ addresses }) => addresses.includes(address))?.name ?? pod;
            const target = hostPort(address, listensOn(pod, protocol));
            return { server, answer: await whoAnswersBy(protocol, lab, made, client, target, server) };
          }),
        ),
      };
    },
    judge: ({ calls }) => {
      positiveControl(calls.length > 0, "somebody asked");
      for (const { server, answer } of calls) {
        const asked = `${schemeOf(protocol)}${answer.to}, asked from ${answer.from}`;
        expect(answer.outcome, asked).toBe("answered");
        expect(answer.pod, `who answered at ${asked}`).toBe(server);
      }
    },
    control: live(
      `the nodes drop what ${from.join(" and ")} send to ${to.join(" and ")} by ${protocol.toUpperCase()}`,
      async (lab) => {
        // A pod that the check makes has no address yet: then everybody's packets are meant.
        const address = (name: string) => (name === "outside" ? lab.outsider : lab.pod(name)).address;
        const end = (as: "from" | "to", name: string) => (name in objects.pods ? {} : { [as]: address(name) });
        for (const [client, pod] of pairsOf(from, to))
          for (const node of lab.nodes)
            await rules(lab, node).drop({
              ...{ ...end("from", client), ...end("to", pod) },
              ...{ protocol, port: listensOn(pod, protocol) },
            });
      },
      { alone: true },
    ),
  }),
});

/** Returns each client with each other pod that it is to reach. */
function pairsOf(from: readonly string[], to: readonly string[]): [client: string, pod: string][] {
  return from.flatMap((client) => to.filter((pod) => pod !== client).map((pod): [string, string] => [client, pod]));
}
