import { expect } from "vitest";
import { mutate } from "../../helpers/changes/admission.ts";
import { patch } from "../../helpers/changes/json-patch.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { answered } from "../../helpers/lab/ask.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import { leadsTo } from "../../helpers/lab/objects.ts";
import { live } from "../../helpers/lab/spec.ts";
import { inBackground } from "../../helpers/probe/background.ts";
import { meet, meetOften, podsAmong } from "../../helpers/probe/http.ts";
import { outputOf, type Peer } from "../../helpers/probe/peer.ts";
import { claim } from "./article.ts";

/** No program is known by it, and no kernel gives it to a client: who listens there does so for the Service. */
const unlikelyPort = 61_765;

claim("service-is-an-abstraction", {
  observe: async (lab) => {
    const service = await lab.services.create("abstract", {
      selector: { app: "server" },
      ports: [{ port: unlikelyPort, targetPort: 8080 }],
    });
    const { clusterIP } = service;
    const target = service.on(unlikelyPort);
    const answer = await lab.until(
      "the Service to answer",
      () => meet(lab.pod("client-1"), target, lab.timeouts.attempt),
      answered,
    );
    const nodes = await Promise.all(
      lab.nodes.map(async (node) => {
        const access = node;
        const [sockets, words] = await Promise.all([
          outputOf(access, "sockets that listen", ["ss", "--listening", "--tcp", "--numeric", "--no-header"]),
          outputOf(access, "words of all processes", [
            "sh",
            "-c",
            "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'",
          ]),
        ]);
        return {
          node: node.name,
          sockets: sockets.split("\n").filter((line) => line.includes(`:${unlikelyPort} `) || line.includes(clusterIP)),
          listening: sockets.split("\n").filter(Boolean).length,
          processes: words.split("\n").filter((word) => word.split(/[^0-9a-f.:]+/).includes(clusterIP)),
        };
      }),
    );
    const pods = await lab.api.list("pods that belong to the Service", "Pod", { namespace: lab.namespace });
    const owned = pods.filter(({ metadata }) => metadata?.ownerReferences?.some(({ kind }) => kind === "Service"));
    return { clusterIP, answer, nodes, owned: owned.length };
  },
  judge: ({ clusterIP, answer, nodes, owned }) => {
    positiveControl(answered(answer), "the Service answers");
    positiveControl(
      nodes.every(({ listening }) => listening > 0),
      "every node shows sockets that listen",
    );
    expect(owned, "pods that were made for the Service").toBe(0);
    for (const { node, sockets, processes } of nodes) {
      expect(sockets, `sockets of ${node} that listen for the Service`).toEqual([]);
      expect(processes, `processes of ${node} that name ${clusterIP}`).toEqual([]);
    }
  },
  control: live("a process on a node listens on the Service's port", async (lab) => {
    // A pod on the node's own network: of the programs that listen, nodes need not have any.
    const command = ["nc", "-l", "-p", String(unlikelyPort)];
    const process = await inBackground(lab.pod("host-1"), `a process on port ${unlikelyPort}`, command);
    lab.afterwards(() => process.stop());
    await lab.until(
      "it to listen",
      () => outputOf(lab.worker(0), "sockets that listen", ["ss", "--listening", "--tcp", "--numeric"]),
      (sockets) => sockets.includes(`:${unlikelyPort} `),
    );
  }),
});

claim("service-defines-policies-for-access", {
  slow: true,
  observe: async (lab) => {
    const client = lab.pod("client-1");
    return {
      none: await podsThatAnswer(lab, client, "without", {}),
      affinity: await podsThatAnswer(lab, client, "affine", { sessionAffinity: "ClientIP" }),
      local: await podsThatAnswer(lab, client, "local", { internalTrafficPolicy: "Local" }),
    };
  },
  judge: ({ none, affinity, local }) => {
    positiveControl(none.length === 2, "without a policy both pods answer");
    expect(affinity.length, "pods that answer one client with sessionAffinity ClientIP").toBe(1);
    expect(local, "pods that answer with internalTrafficPolicy Local: those of the client's node").toEqual([
      "server-1",
    ]);
  },
  control: live("the Service does without its sessionAffinity", (lab) =>
    mutate.service(
      lab,
      "affine",
      patch.add("/spec/sessionAffinity", "None"),
      patch.add("/spec/sessionAffinityConfig", null),
    ),
  ),
});

/** Returns the pods that answer many new connections of one client by a Service with that policy. */
async function podsThatAnswer(
  lab: Lab,
  client: Peer,
  name: string,
  policy: Readonly<Record<string, unknown>>,
): Promise<string[]> {
  const service = await lab.services.create(name, { ...leadsTo({ app: "server" }), ...policy });
  const target = service.on(80);
  await lab.until(
    "both pods among the endpoints",
    () => lab.services.endpointsOf(name),
    (found) => found.length === 2,
  );
  await lab.until(`an answer of ${name}`, () => meet(client, target, lab.timeouts.attempt), answered);
  return podsAmong(await meetOften(client, target, 50, lab.timeouts.answer));
}
