import { expect } from "vitest";
import { z } from "zod";
import { rules } from "../../changes/iptables.ts";
import { answerWithAddress } from "../../changes/nodes.ts";
import type { LiveControl } from "../../claim/control.ts";
import { positiveControl } from "../../claim/verdict.ts";
import { whoAnswers } from "../../lab/ask.ts";
import type { Lab } from "../../lab/lab.ts";
import { live } from "../../lab/spec.ts";
import { hostPort, meet } from "../../probe/http.ts";
import { Client, Port, readyMade } from "../parts/define.ts";
import { makeObjects, Objects, pace } from "../parts/objects.ts";
import { type Answer, canAsk, cannotAsk, listensOn, Protocol, schemeOf, whoAnswersBy } from "../parts/protocol.ts";
import { inWords, locate, portOf, Target } from "../parts/target.ts";

export const nameIsAnswered = readyMade({
  says: "A pod that asks at a name is answered by one of these pods.",
  turnedBy: "CoreDNS answers with another address",
  parameters: z.strictObject({
    name: z.string().describe("of a Service, as a pod of its namespace asks at it"),
    from: z.string().default("client-1").describe("a pod of the cast"),
    by: z.array(z.string()).min(1).describe("pods of which one has to answer"),
  }),
  example: { name: "web", by: ["server-1", "server-2"] },
  make: ({ name, from, by }) => ({
    observe: (lab) =>
      lab.eventually(
        () => meet(lab.pod(from), name, lab.timeouts.answer),
        ({ outcome }) => outcome === "answered",
      ),
    judge: ({ outcome, pod }) => {
      expect(outcome, `http://${name}, asked from ${from}`).toBe("answered");
      expect(by, `who answers at http://${name}`).toContain(pod);
    },
    control: live("CoreDNS answers with another address", (lab) => answerWithAddress(lab, name), { alone: true }),
  }),
});

const Clients = z.array(Client).min(1).default(["client-1"]);

export const portIsAnswered = readyMade({
  says: "Each of these clients is answered at a port, by one of these pods if any are named.",
  turnedBy: "the nodes drop what these clients send to that port",
  parameters: z
    .strictObject({
      from: Clients.describe("who asks: pods of the cast or of `objects`, or `outside`, the external client"),
      at: Target,
      protocol: Protocol,
      by: z.array(z.string()).min(1).optional().describe("pods of which one has to answer"),
      objects: Objects,
    })
    .refine(({ from, protocol, objects }) => canAsk(from, protocol, objects), cannotAsk),
  example: {
    at: { node: "worker-2", "node-port-of": "web-nodeport" },
    from: ["outside"],
    by: ["server-1", "server-2"],
  },
  make: ({ from, at, protocol, by, objects }) => ({
    ...pace(objects),
    observe: async (lab) => {
      const made = await makeObjects(lab, objects);
      const target = await locate(lab, made, at);
      return {
        target,
        answers:
          target === null
            ? []
            : await Promise.all(from.map((client) => whoAnswersBy(protocol, lab, made, client, target, ...(by ?? [])))),
      };
    },
    judge: ({ target, answers }) => {
      expect(target, `${inWords(at)}: an address and a port to ask at`).not.toBeNull();
      for (const answer of answers) {
        expect(answer.outcome, `${schemeOf(protocol)}${answer.to}, asked from ${answer.from}`).toBe("answered");
        if (by !== undefined) expect(by, `who answers ${answer.from} at ${answer.to}`).toContain(answer.pod);
      }
    },
    control: dropped(from, at, objects, protocol),
  }),
});

/** Asked before anything is made, so that it goes by what is known beforehand: who asks, and at which port. */
export function dropped(
  from: readonly string[],
  at: Target,
  objects: Objects,
  protocol: z.infer<typeof Protocol> = "tcp",
): LiveControl<Lab> {
  return live(
    `the nodes drop what ${from.join(" and ")} sends to ${inWords(at)}`,
    async (lab) => {
      for (const client of from)
        for (const node of lab.nodes) await rules(lab, node).drop({ ...flow(lab, client, at, objects), protocol });
    },
    { alone: true },
  );
}

function flow(lab: Lab, client: string, at: Target, { pods }: Objects): { from?: string; port: number | string } {
  const addressOf = () => (client === "outside" ? lab.outsider.address : lab.pod(client).address);
  // A pod that the check makes has no address yet: then everybody's packets to that port are meant.
  const port = portOf(at) ?? lab.world.nodePortRange.replace("-", ":");
  return { ...(client in pods ? {} : { from: addressOf() }), port };
}

const NoAnswer = z.enum(["refused", "unreachable", "silent", "unresolved"]);

export const portIsNotAnswered = readyMade({
  says: "A client is not answered at a port, and its request ends as named; meanwhile it is answered elsewhere.",
  turnedBy: "the nodes lead what the client sends to that port to a pod that answers",
  parameters: z.strictObject({
    from: Client.default("client-1"),
    at: Target,
    with: z
      .array(NoAnswer)
      .min(1)
      .default([...NoAnswer.options])
      .describe("how the request may end; any way but an answer by default"),
    meanwhile: Target.describe("the positive control: where the same client is answered; a target as `at`"),
    objects: Objects,
  }),
  example: {
    at: { service: "nobody", port: 81 },
    with: ["refused"],
    meanwhile: { service: "web" },
    objects: { services: { nobody: { selector: { app: "nobody" }, ports: [{ port: 81, targetPort: 8080 }] } } },
  },
  make: ({ from, at, with: ends, meanwhile, objects }) => ({
    ...pace(objects),
    observe: async (lab) => {
      const made = await makeObjects(lab, objects);
      const client = made.peer(from);
      const [target, other] = [await locate(lab, made, at), await locate(lab, made, meanwhile)];
      return {
        target,
        meanwhile: other === null ? null : await whoAnswers(lab, client, other),
        end:
          target === null
            ? null
            : await lab.eventually(
                () => meet(client, target, lab.timeouts.silence),
                ({ outcome }) => ends.some((end) => end === outcome),
              ),
      };
    },
    judge: ({ target, meanwhile: other, end }) => {
      positiveControl(target !== null && end !== null, `there is an address to ask at: ${inWords(at)}`);
      positiveControl(other?.outcome === "answered", `${from} is answered at ${inWords(meanwhile)}`);
      expect(ends, `how http://${end.to} ends, asked from ${end.from}`).toContain(end.outcome);
    },
    control: live(
      `the nodes lead what ${from} sends to ${inWords(at)} to a pod that answers`,
      async (lab) => {
        const server = lab.pod("server-1").address;
        const destination = hostPort(server, 8080);
        for (const node of lab.nodes) {
          await rules(lab, node).redirect(flow(lab, from, at, objects), destination);
          // The answer has to come back by the same node.
          if (from === "outside") await rules(lab, node).masquerade({ from: lab.outsider.address, to: server });
        }
      },
      { alone: true },
    ),
  }),
});

interface Call {
  readonly client: string;
  readonly server: string;
  readonly meeting: Answer;
}

export const sourceAddressIsKept = readyMade({
  says: "Each of these pods sees the address of each client as it is: there is no NAT between them.",
  turnedBy: "the nodes masquerade what pods send to pods",
  parameters: z
    .strictObject({
      from: z.array(z.string()).min(1).default(["client-1"]).describe("pods of the cast or of `objects` that ask"),
      to: z.array(z.string()).min(1).describe("pods of the cast or of `objects` that are asked at their own address"),
      protocol: Protocol,
      port: Port.optional().describe("on which each pod listens; 8080 by default, 8081 by UDP"),
      objects: Objects,
    })
    .refine(({ from, protocol, objects }) => canAsk(from, protocol, objects), cannotAsk),
  example: { from: ["client-1", "client-2"], to: ["server-1", "server-2"] },
  make: ({ from, to, protocol, port, objects }) => ({
    ...pace(objects),
    observe: async (lab): Promise<{ calls: Call[] }> => {
      const made = await makeObjects(lab, objects);
      const pairs = from.flatMap((client) =>
        to.filter((server) => server !== client).map((server) => ({ client, server })),
      );
      return {
        calls: await Promise.all(
          pairs.map(async ({ client, server }) => {
            const target = hostPort(made.addressOf(server), port ?? listensOn(server, protocol));
            return {
              client: made.addressOf(client),
              server,
              meeting: await whoAnswersBy(protocol, lab, made, client, target),
            };
          }),
        ),
      };
    },
    judge: ({ calls }) => {
      positiveControl(calls.length > 0, "somebody asked another pod");
      for (const { client, server, meeting } of calls) {
        expect(meeting.outcome, `${meeting.from} asked ${meeting.to}`).toBe("answered");
        expect(meeting.pod, `who answered ${meeting.from} at ${meeting.to}, the address of ${server}`).toBe(server);
        expect(meeting.source, `the address from which ${server} saw ${meeting.from} come`).toBe(client);
      }
    },
    control: live(
      "the nodes masquerade what pods send to pods",
      async (lab) => {
        const [subnet = ""] = lab.world.podSubnets;
        for (const node of lab.nodes) await rules(lab, node).masquerade({ from: subnet, to: subnet });
      },
      { alone: true },
    ),
  }),
});
