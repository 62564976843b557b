import { expect } from "vitest";
import { z } from "zod";
import { uncached, whoAnswers } from "../../lab/ask.ts";
import type { Lab } from "../../lab/lab.ts";
import type { Service } from "../../lab/services.ts";
import { live } from "../../lab/spec.ts";
import { lookUp } from "../../probe/dns.ts";
import { hostPort, type Meeting, meet } from "../../probe/http.ts";
import { podsAt } from "../cluster/pods.ts";
import { Client, readyMade, ServiceName, ServicePort } from "../parts/define.ts";
import {
  isMade,
  type Made,
  makeObjects,
  notMade,
  Objects,
  pace,
  StoredOtherwise,
  storePatched,
} from "../parts/objects.ts";
import { dropped } from "./answers.ts";

const Place = z.enum(["name", "cluster-ip", "node-ports"]);
type Place = z.infer<typeof Place>;

/** Who answers a client at a place of a Service; null if the Service has no such place. */
interface Answer {
  readonly client: string;
  readonly where: string;
  readonly meeting: Meeting | null;
}

/** Returns the addresses at which a Service can be asked, each with its place in words. */
function placesOf(lab: Lab, { name, spec, nodePorts }: Service, port: number, places: readonly Place[]) {
  const { clusterIP = "" } = spec;
  const [nodePort] = nodePorts;
  return places.flatMap((place): { where: string; target: string | null }[] => {
    if (place === "name") return [{ where: `the name ${name}`, target: `${name}:${port}` }];
    if (place === "cluster-ip") {
      const target = clusterIP === "" || clusterIP === "None" ? null : hostPort(clusterIP, port);
      return [{ where: `the cluster IP of ${name}`, target }];
    }
    return lab.nodes.map((node) => ({
      where: `the node port of ${name} on ${node.name}`,
      target: nodePort === undefined ? null : node.on(nodePort),
    }));
  });
}

/** Returns who answers each client at each place; names are asked by pods alone. */
async function answersAt(
  lab: Lab,
  made: Made,
  clients: readonly string[],
  places: ReturnType<typeof placesOf>,
  by: readonly string[],
): Promise<Answer[]> {
  const asked = clients.flatMap((client) => places.map((place) => ({ client, ...place })));
  return Promise.all(
    asked.map(async ({ client, where, target }) => ({
      ...{ client, where },
      meeting:
        target === null
          ? null
          : // Until a name is known that was something else, or nothing, before.
            await lab.eventually(
              () => meet(made.peer(client), target, lab.timeouts.answer),
              ({ pod = "" }) => by.includes(pod),
              uncached(lab),
            ),
    })),
  );
}

function judgeAnswers(answers: readonly Answer[], by: readonly string[], when = ""): void {
  expect(answers.length, `places at which it can be asked${when}`).toBeGreaterThan(0);
  for (const { client, where, meeting } of answers) {
    expect(meeting?.outcome ?? "no such address", `${where}, asked from ${client}${when}`).toBe("answered");
    expect(by, `who answers ${client} at ${where}${when}`).toContain(meeting?.pod);
  }
}

export const serviceIsAnswered = readyMade({
  says: "Each of these clients is answered by one of these pods at each of the named places of a Service.",
  turnedBy: "the nodes drop what these clients send to the first of these places",
  parameters: z
    .strictObject({
      service: ServiceName,
      port: ServicePort,
      at: z.array(Place).min(1).describe("`node-ports`: its node port on every node"),
      from: z.array(Client).min(1).default(["client-1"]).describe("who asks; `outside` at node ports only"),
      by: z.array(z.string()).min(1).describe("pods of which one has to answer"),
      objects: Objects,
    })
    .refine(({ at, from }) => !from.includes("outside") || at.every((place) => place === "node-ports"), {
      error: "a client outside has a way to node ports only",
      path: ["from"],
    }),
  example: {
    service: "web-nodeport",
    at: ["node-ports"],
    from: ["client-1", "outside"],
    by: ["server-1", "server-2"],
  },
  make: ({ service, port, at, from, by, objects }) => ({
    ...pace(objects),
    observe: async (lab) => {
      const made = await makeObjects(lab, objects);
      const places = placesOf(lab, await lab.services.get(service), port, at);
      return { answers: await answersAt(lab, made, from, places, by) };
    },
    judge: ({ answers }) => judgeAnswers(answers, by),
    control: dropped(
      from,
      at[0] === "node-ports" ? { node: "worker-1", "node-port-of": service } : { service, port },
      objects,
    ),
  }),
});

/** So many connections as would hardly ever all go to one of two pods: once in 2^49 times. */
const connections = 50;

const State = z.strictObject({
  "cluster-ip": z.boolean().optional().describe("whether it has one, which then is the address of its name in DNS"),
  "node-port": z.boolean().optional().describe("whether it has one"),
  cname: z.string().optional().describe("the name that its own is a `CNAME` of; addresses come with it"),
  "answered-by": z
    .array(z.string())
    .min(1)
    .optional()
    .describe(
      "pods of which one answers at its name, its cluster IP and, if it is to have one, its node port on every node",
    ),
  "connections-go-to": z
    .enum(["one", "several"])
    .optional()
    .describe(
      "to how many pods new connections of a client go, at its cluster IP and, if it is to have one, at its node port on every node",
    ),
  freed: z
    .literal(true)
    .optional()
    .describe("another Service is given the cluster IP and the node port that it had before"),
});
type State = z.infer<typeof State>;

/** What was seen of a Service; what was not looked at is absent. */
interface Seen {
  /** HTTP status of the change that was asked for. */
  readonly code?: number;
  readonly type: string;
  readonly clusterIP: string;
  readonly nodePort: number | null;
  cname?: readonly string[];
  addresses?: readonly string[];
  answers?: readonly Answer[];
  pods?: readonly { readonly where: string; readonly pods: readonly string[] }[];
  /** Whether others have what the Service had. */
  given?: readonly boolean[];
}

export const serviceFollowsChanges = readyMade({
  says: "A Service is as named when it was created, and after each change of it.",
  turnedBy: "`control`, which has the API server store another Service, when it is created and at each change",
  parameters: z
    .strictObject({
      service: ServiceName.describe("one of `objects.services`, so that the control can change it"),
      port: ServicePort,
      from: Client.default("client-1").describe("a pod that asks; at node ports the client outside does, too"),
      created: State.describe("how it is when it was created; only what is named is looked at"),
      changes: z
        .array(
          z.strictObject({
            patch: z
              .record(z.string(), z.unknown())
              .describe("of its `spec`: a merge patch, in which null takes a field away"),
            after: State.describe("how it is then"),
          }),
        )
        .min(1)
        .describe("one after another: `patch` of its `spec`, and how it is `after` that"),
      control: StoredOtherwise.describe(
        "`name`, what is changed in words, and `patch`, a JSON Patch of the stored Service",
      ),
      objects: Objects,
    })
    .refine(isMade, notMade),
  example: {
    service: "becomes-external",
    created: { "cluster-ip": true },
    changes: [
      {
        patch: { type: "ExternalName", externalName: "kubernetes.default.svc.cluster.local" },
        after: { "cluster-ip": false, cname: "kubernetes.default.svc.cluster.local", freed: true },
      },
    ],
    control: {
      name: "it stays a ClusterIP Service",
      patch: [{ op: "add", path: "/spec/type", value: "ClusterIP" }],
    },
    objects: {
      services: { "becomes-external": { selector: { app: "server" }, ports: [{ port: 80, targetPort: 8080 }] } },
    },
  },
  make: ({ service, port, from, created, changes, control, objects }) => ({
    ...pace(objects),
    observe: async (lab): Promise<{ seen: Seen[] }> => {
      const made = await makeObjects(lab, objects);
      const object = lab.objects.service(service, {});
      const look = async (wanted: State, before?: Seen) =>
        seenOf(lab, made, await lab.services.get(service), { port, from, wanted, before });
      const seen: Seen[] = [await look(created)];
      for (const { patch, after } of changes) {
        const { code } = await lab.api.patch(`change the Service ${service}`, object, { spec: patch });
        seen.push({ code, ...(await look(after, seen.at(-1))) });
      }
      return { seen };
    },
    judge: ({ seen }) => {
      const states = [
        { wanted: created, when: "as it was created" },
        ...changes.map(({ patch, after }) => ({ wanted: after, when: `after the change ${JSON.stringify(patch)}` })),
      ];
      for (const [index, { wanted, when }] of states.entries()) judgeState(seen[index], wanted, when);
    },
    control: live(control.name, (lab) => storePatched(lab, "Service", service, control.patch, ["CREATE", "UPDATE"])),
  }),
});

interface Look {
  readonly port: number;
  readonly from: string;
  readonly wanted: State;
  readonly before: Seen | undefined;
}

/** Looks at all of a Service that is named, and waits for what the claim says will come about. */
async function seenOf(lab: Lab, made: Made, service: Service, { port, from, wanted, before }: Look): Promise<Seen> {
  const { name, spec, nodePorts } = service;
  const { type = "", clusterIP = "" } = spec;
  const { cname, "answered-by": by, "connections-go-to": spread } = wanted;
  const client = made.peer(from);
  const full = `${name}.${lab.namespace}.svc.${lab.world.dnsDomain}`;
  const recordsOnce = async (of: "CNAME" | "A" | "AAAA", done: (found: readonly string[]) => boolean) =>
    lab.eventually(
      async () =>
        (await lookUp(client, full, of)).records.filter((record) => record.type === of).map(({ data }) => data),
      done,
      uncached(lab),
    );
  const atNodes = placesOf(lab, service, port, wanted["node-port"] === true ? ["node-ports"] : []);
  const inside = placesOf(lab, service, port, ["cluster-ip"]);
  const seen: Seen = { type, clusterIP, nodePort: nodePorts[0] ?? null };
  if (cname !== undefined) {
    seen.cname = await recordsOnce("CNAME", (found) => found.join() === `${cname}.`);
    seen.addresses = await recordsOnce(lab.addressRecord, ({ length }) => length > 0);
  } else if (wanted["cluster-ip"] === true)
    seen.addresses = await recordsOnce(lab.addressRecord, (found) => found.join() === clusterIP);
  if (by !== undefined) {
    const named = placesOf(lab, service, port, ["name"]);
    seen.answers = [
      ...(await answersAt(lab, made, [from], [...named, ...inside, ...atNodes], by)),
      ...(await answersAt(lab, made, ["outside"], atNodes, by)),
    ];
  }
  if (spread !== undefined) {
    const enough = ({ length }: readonly string[]) => (spread === "one" ? length === 1 : length > 1);
    seen.pods = await Promise.all(
      [...inside, ...atNodes].map(async ({ where, target }) => {
        // Connections that nobody answers yet would be missing among those that are counted.
        if (target !== null) await whoAnswers(lab, client, target);
        return { where, pods: await lab.eventually(() => podsAt(lab, client, target, connections), enough) };
      }),
    );
  }
  if (wanted.freed === true && before !== undefined) seen.given = await givenToOthers(lab, name, before);
  return seen;
}

/** Returns whether others are given the cluster IP and the node port that a Service had, once they ask for them. */
async function givenToOthers(lab: Lab, name: string, { clusterIP, nodePort }: Seen): Promise<boolean[]> {
  const ports = [{ port: 80, ...(nodePort === null ? {} : { nodePort }) }];
  const heir = lab.objects.service(`${name}-heir`, {
    type: nodePort === null ? "ClusterIP" : "NodePort",
    clusterIP,
    ports,
  });
  const look = async () => {
    const { code } = await lab.api.tryCreate("another Service that asks for them", heir);
    if (code === 201) return nodePort === null ? [true] : [true, true];
    // Somebody else may have been given one meanwhile.
    const others = (await lab.api.list("all Services", "Service")).filter(({ metadata }) => metadata?.name !== name);
    const taken = new Set<string | number | undefined>(
      others.flatMap(({ spec }) => [...(spec?.clusterIPs ?? []), ...(spec?.ports ?? []).map((each) => each.nodePort)]),
    );
    return [clusterIP, ...(nodePort === null ? [] : [nodePort])].map((each) => taken.has(each));
  };
  return lab.eventually(look, (given) => given.every(Boolean));
}

function judgeState(seen: Seen | undefined, wanted: State, when: string): void {
  const {
    "cluster-ip": clusterIP,
    "node-port": nodePort,
    cname,
    "answered-by": by,
    "connections-go-to": spread,
  } = wanted;
  if (clusterIP !== undefined) {
    const address = seen?.clusterIP ?? "";
    expect(address !== "" && address !== "None", `it has a cluster IP, ${when}`).toBe(clusterIP);
    if (clusterIP) expect(seen?.addresses, `addresses of its name, ${when}`).toEqual([address]);
  }
  if (nodePort !== undefined) expect((seen?.nodePort ?? null) !== null, `it has a node port, ${when}`).toBe(nodePort);
  if (cname !== undefined) {
    expect(seen?.cname, `what its name is a CNAME of, ${when}`).toEqual([`${cname}.`]);
    expect(seen?.addresses?.length, `addresses that its name leads to, ${when}`).toBeGreaterThan(0);
  }
  if (by !== undefined) judgeAnswers(seen?.answers ?? [], by, `, ${when}`);
  if (spread !== undefined) {
    expect(seen?.pods?.length, `places at which it can be asked, ${when}`).toBeGreaterThan(0);
    for (const { where, pods } of seen?.pods ?? []) {
      if (spread === "one") expect(pods.length, `pods that answer at ${where}, ${when}`).toBe(1);
      else expect(pods.length, `pods that answer at ${where}, ${when}`).toBeGreaterThan(1);
    }
  }
  if (wanted.freed === true)
    expect(seen?.given?.every(Boolean), `others are given what it had before, ${when}`).toBe(true);
  if (seen?.code !== undefined) expect(seen.code, `the API server's answer, ${when}`).toBe(200);
}
