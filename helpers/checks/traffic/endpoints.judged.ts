import type { Judged } from "../samples.judged.ts";

const other = { from: "client-1", to: "10.96.0.9:80", outcome: "answered", pod: "server-1", milliseconds: 1 };
const grown = {
  ...{ target: { kind: "Pod", namespace: "cast", name: "grown-1", uid: "u-1" }, address: "10.244.1.9" },
  ...{ port: "", number: 8080, protocol: "TCP", ready: true },
};
const slices = { managedBy: ["endpointslice-controller.k8s.io"], mappings: [], answers: [] };
const grownIn = (mapping: object, more: object = {}) => ({
  ...{ namespace: "cast", pods: { "grown-1": { uid: "u-1", address: "10.244.1.9" } } },
  steps: [slices, { ...slices, mappings: [mapping], ...more }, slices],
});

/** What of the checks of endpoints.ts is judged; the other checks' are in the test. */
export const judgedOfEndpoints: readonly Judged[] = [
  {
    check: "endpoints-are",
    holds: grownIn(grown),
    refuted: [
      [
        { ...grownIn(grown), steps: [{ ...slices, managedBy: [] }] },
        "EndpointSlices of the Service, in the beginning: 0, and",
      ],
      [
        grownIn({ ...grown, ready: false }),
        "endpoints in the EndpointSlices of the Service, once grown-1 was started: 'grown-1 at 10.244.1.9, TCP 8080, not …'",
      ],
      [
        grownIn({ ...grown, target: { ...grown.target, uid: "u-0" } }),
        "endpoints in the EndpointSlices of the Service, once grown-1 was started: 'somebody else (Pod cast/grown-1 u-0)",
      ],
      [grownIn(grown, { managedBy: ["me"] }), "whose the EndpointSlices are, by the label "],
      [
        grownIn(grown, { answers: [{ port: 80, pods: ["grown-1"], meeting: other }] }),
        "who answers at 10.96.0.9:80, once grown-1 was started: ",
      ],
      [
        { ...grownIn(grown), steps: [slices, ...Array.from({ length: 2 }, () => grownIn(grown).steps[1])] },
        "endpoints in the EndpointSlices of the Service, after grown-1 was deleted: ",
      ],
    ],
    inconclusive: [],
  },
  {
    check: "ports-lead-to",
    holds: {
      ports: [
        { port: 80, connections: 25, answered: ["server-1"] },
        { port: 81, connections: 25, answered: ["server-2"] },
      ],
    },
    refuted: [
      [
        {
          ports: [
            { port: 80, connections: 25, answered: ["server-1"] },
            { port: 81, connections: 25, answered: ["server-1", "server-2"] },
          ],
        },
        "pods that answer 25 connections at port 81 of by-hand: ",
      ],
      [
        { ports: [{ port: 80, connections: 25, answered: [] }] },
        "pods that answer 25 connections at port 80 of by-hand: none, not ",
      ],
    ],
    inconclusive: [],
  },
];
