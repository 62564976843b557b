import { describe, expect, test } from "vitest";
import { isLive } from "../claim/control.ts";
import { judgementOf } from "../claim/verdict.ts";
import { judgedOfOperations } from "./cluster/operations.judged.ts";
import { checks } from "./ready-made.ts";
import { answer, dns, example, type Judged, known, silent, srv, told, variables, verdictOf } from "./samples.judged.ts";
import { judgedOfEndpoints } from "./traffic/endpoints.judged.ts";
import { judgedOfKubeProxy, takes } from "./traffic/kube-proxy.judged.ts";
import { judgedOfPolicies } from "./traffic/policies.judged.ts";

test.each(Object.keys(checks))("%s takes its own example, and has a control that changes the cluster", (name) => {
  const { control } = example(name);
  expect(control !== undefined && isLive(control)).toBe(true);
});

const followed = {
  addresses: { "picked-1": "10.244.1.2", "picked-2": "10.244.2.2" },
  endpoints: [["10.244.2.2", "10.244.1.2"], ["10.244.1.2"]],
};
const call = { client: "10.244.1.2", server: "server-1", meeting: answer };
const narrowed = { answered: ["server-1"], others: [{ ...answer, pod: "server-2" }] };
const refused = {
  object: {
    code: 422,
    message: "spec.ports[0].nodePort: Invalid value: 1024: provided port is not in the valid range.",
  },
  not: { code: 201, message: "" },
};
const resolver = {
  wanted: ["nameserver 192.0.2.53", "search example.test"],
  lines: ["search example.test", "nameserver 192.0.2.53"],
};
const printed = (text: string) => ({
  ...{ prints: [], never: [String.raw`^\s+bridge\b`] },
  nodes: [{ node: "node-1", printed: text }],
});
const ruled = { node: "worker", rules: 3, ofAnotherService: 5 };

const judged: readonly Judged[] = [
  {
    check: "name-is-answered",
    holds: { ...answer, to: "web" },
    refuted: [
      [
        { ...silent, to: "web", outcome: "unresolved" },
        "http://web, asked from client-1: 'unresolved', not 'answered'",
      ],
      [
        { ...answer, pod: "somebody-else" },
        "who answers at http://web: [ 'server-1', 'server-2' ], without 'somebody-else'",
      ],
    ],
    inconclusive: [],
  },
  {
    check: "port-is-answered",
    holds: { target: "10.0.0.2:31000", answers: [answer] },
    refuted: [
      [
        { target: "10.0.0.2:31000", answers: [silent] },
        "http://10.96.0.9:80, asked from client-1: 'silent', not 'answered'",
      ],
      [
        { target: null, answers: [] },
        "the node port of web-nodeport on worker-2: an address and a port to ask at: null, which",
      ],
      [{ target: "10.0.0.2:31000", answers: [{ ...answer, pod: "x" }] }, "who answers client-1 at 10.96.0.9:80: "],
    ],
    inconclusive: [],
  },
  {
    check: "port-is-not-answered",
    holds: { target: "10.96.0.8:81", meanwhile: answer, end: { ...silent, outcome: "refused" } },
    refuted: [
      [
        { target: "10.96.0.8:81", meanwhile: answer, end: answer },
        "how http://10.96.0.9:80 ends, asked from client-1: ",
      ],
      [
        { target: "10.96.0.8:81", meanwhile: answer, end: silent },
        "how http://10.96.0.9:80 ends, asked from client-1: ",
      ],
    ],
    inconclusive: [
      { target: "10.96.0.8:81", meanwhile: silent, end: { ...silent, outcome: "refused" } },
      { target: null, meanwhile: answer, end: null },
    ],
  },
  {
    check: "source-address-is-kept",
    holds: { calls: [call] },
    refuted: [
      [{ calls: [{ ...call, meeting: silent }] }, "client-1 asked 10.96.0.9:80: 'silent', not 'answered'"],
      [
        { calls: [{ ...call, server: "server-2" }] },
        "who answered client-1 at 10.96.0.9:80, the address of server-2: 'server-1', not 'server-2'",
      ],
      [
        { calls: [{ ...call, meeting: { ...answer, source: "10.0.0.2" } }] },
        "the address from which server-1 saw client-1 come: '10.0.0.2', not '10.244.1.2'",
      ],
    ],
    inconclusive: [{ calls: [] }],
  },
  {
    check: "pods-are-reached",
    holds: { calls: [{ server: "server-1", answer }] },
    refuted: [
      [{ calls: [{ server: "server-1", answer: silent }] }, "udp://10.96.0.9:80, asked from client-1: 'silent', not"],
      [
        { calls: [{ server: "server-2", answer }] },
        "who answered at udp://10.96.0.9:80, asked from client-1: 'server-1', not 'server-2'",
      ],
    ],
    inconclusive: [{ calls: [] }],
  },
  {
    check: "every-pod-answers",
    holds: { pods: ["server-1", "server-2"], answered: ["server-1", "server-2"] },
    refuted: [
      [
        { pods: ["server-1", "server-2"], answered: ["server-1"] },
        "pods of the Service that nobody meets at its one address: ",
      ],
    ],
    inconclusive: [{ pods: ["server-1", "server-2"], answered: [] }],
  },
  {
    check: "only-these-pods-answer",
    holds: narrowed,
    refuted: [[{ ...narrowed, answered: ["server-1", "server-2"] }, "pods that answer client-1 at the Service near: "]],
    inconclusive: [
      { ...narrowed, others: [silent] },
      { ...narrowed, answered: [] },
    ],
  },
  {
    check: "endpoints-follow-pods",
    holds: followed,
    refuted: [
      [{ ...followed, endpoints: [[], []] }, "ready endpoints of the Service: none, not "],
      [
        { ...followed, endpoints: [followed.endpoints[0], followed.endpoints[0]] },
        "its ready endpoints after the labels of picked-2 were changed: ",
      ],
    ],
    inconclusive: [],
  },
  ...judgedOfEndpoints,
  {
    check: "dns-records",
    holds: dns,
    refuted: [
      [
        { ...dns, answer: { ...srv, records: [{ name: srv.name, type: "A", data: "127.0.0.1" }] } },
        "the SRV records of _http._tcp.named.cast.svc.cluster.local: ",
      ],
    ],
    inconclusive: [{ ...dns, beside: known }],
  },
  {
    check: "environment-variables",
    holds: told,
    refuted: [
      [
        { ...told, variables: { ...variables, WEB_SERVICE_HOST: null } },
        "WEB_SERVICE_HOST in a container that started after the Service web: null, not '10.96.0.9'",
      ],
      [
        { ...told, variables: { ...variables, WEB_SERVICE_PORT: "81" } },
        "WEB_SERVICE_PORT in a container that started after the Service web: '81', not '80'",
      ],
    ],
    inconclusive: [{ ...told, told: null }],
  },
  {
    check: "file-in-pod",
    holds: resolver,
    refuted: [
      [
        { ...resolver, lines: ["search example.test"] },
        "lines of /etc/resolv.conf in the pod asks-nobody: [ 'search example.test' ], without 'nameserver 192.0.2.53'",
      ],
      [
        { ...resolver, lines: [...resolver.lines, "options ndots:5"] },
        "further lines of /etc/resolv.conf in the pod asks-nobody: [ 'options ndots:5' ], not none",
      ],
    ],
    inconclusive: [],
  },
  {
    check: "object-is-stored-with",
    holds: { fields: { "spec.type": "ClusterIP" } },
    refuted: [
      [{ fields: { "spec.type": "NodePort" } }, "spec.type of the Service no-type: 'NodePort', not 'ClusterIP'"],
    ],
    inconclusive: [],
  },
  {
    check: "api-accepts",
    holds: { object: { code: 201, message: "" }, not: { code: 422, message: "" } },
    refuted: [
      [
        { object: { code: 422, message: "no" }, not: { code: 422, message: "" } },
        "the answer to the Service legal: HTTP status 422 no: 422, not 201",
      ],
    ],
    inconclusive: [{ object: { code: 201, message: "" }, not: { code: 201, message: "" } }],
  },
  {
    check: "api-refuses",
    holds: refused,
    refuted: [
      [{ ...refused, object: { code: 201, message: "" } }, "the HTTP status for the Service below: 201, not 422"],
      [{ ...refused, object: { code: 422, message: "quota" } }, "the reason for refusing it: 'quota', without "],
    ],
    inconclusive: [{ ...refused, not: { code: 403, message: "" } }],
  },
  ...judgedOfOperations,
  {
    check: "api-warns",
    holds: { code: 201, message: "", warnings: ["another one", "spec.externalIPs is deprecated and may no longer"] },
    refuted: [
      [
        { code: 201, message: "", warnings: [] },
        "what the API server warns of at the Service warned-of: 'none', without ",
      ],
      [
        { code: 201, message: "", warnings: ["another one"] },
        "what the API server warns of at the Service warned-of: ",
      ],
    ],
    inconclusive: [{ code: 422, message: "no", warnings: [] }],
  },
  {
    check: "rules-on-every-node",
    holds: { nodes: [ruled] },
    refuted: [
      [{ nodes: [ruled, { ...ruled, node: "other", rules: 0 }] }, "rules of other that name the Service ruled: 0, and"],
    ],
    inconclusive: [{ nodes: [{ ...ruled, ofAnotherService: 0 }] }],
  },
  {
    check: "address-is-in",
    holds: { address: "10.244.1.2", ranges: ["10.244.1.0/24"] },
    refuted: [
      [
        { address: "10.0.0.2", ranges: ["10.244.1.0/24"] },
        "10.0.0.2, of in-range, is in 10.244.1.0/24: false, not true",
      ],
      [{ address: "", ranges: ["10.244.1.0/24"] }, "no address, of in-range, is in 10.244.1.0/24: false, not true"],
    ],
    inconclusive: [{ address: "10.244.1.2", ranges: [] }],
  },
  ...judgedOfKubeProxy,
  ...judgedOfPolicies,
  {
    check: "nodes-print",
    holds: printed("    veth addrgenmode eui64"),
    refuted: [
      [
        printed("    veth addrgenmode eui64\n    bridge forward_delay 1500"),
        "what ip -details link show up printed on node-1 that matches",
      ],
    ],
    inconclusive: [printed("")],
  },
];

/** What service-changes.test.ts tries. */
const elsewhere = ["service-is-answered", "service-follows-changes"];

test("every check's judge is tried", () => {
  expect([...judged.map(({ check }) => check), ...elsewhere].toSorted()).toEqual(Object.keys(checks).toSorted());
});

describe.each(judged)("$check", ({ check: name, holds, refuted, inconclusive }) => {
  const judge = (observation: unknown) => judgementOf(() => example(name).judge(observation));

  test("holds", () => expect(judge(holds)).toEqual({ verdict: "holds", why: "" }));
  test.each(refuted)("%j is refuted", (observation, why) =>
    expect(judge(observation)).toEqual({ verdict: "refuted", why: expect.stringContaining(why) as string }),
  );
  test.each(inconclusive)("%j is inconclusive", (observation) =>
    expect(judge(observation)).toMatchObject({ verdict: "inconclusive" }),
  );
});

test("with `one`, another pod's answer is a second one too many", () => {
  const check = example("only-these-pods-answer", { pods: "one" });
  expect(verdictOf(check, { ...narrowed, answered: ["server-2"] })).toBe("holds");
  expect(verdictOf(check, { ...narrowed, answered: ["server-1", "server-2"] })).toBe("refuted");
});

test("a kube-proxy that has to refuse its flags says why, and one that has to warn says so", () => {
  const said = "must be iptables, nftables or blank";
  const refuses = example("kube-proxy-takes", { taken: false, says: "must be iptables" });
  expect(verdictOf(refuses, { ...takes, asked: 1, said })).toBe("holds");
  expect(verdictOf(refuses, { ...takes, asked: 1, said: "permission denied" })).toBe("refuted");
  expect(verdictOf(refuses, { ...takes, said })).toBe("refuted");
});

test("what the API server always warns of is turned by an answer without warnings", () => {
  const check = example("api-warns", { control: undefined });
  const { control } = check;
  const observation = { code: 201, message: "", warnings: ["spec.externalIPs is deprecated"] };
  if (control === undefined || isLive(control)) throw new Error("a control that alters the observation is expected");
  expect(verdictOf(check, control.alter(observation))).toBe("refuted");
});

test("that the API server does not take the Service refutes what its policy does", () => {
  const invalid = 'spec.trafficDistribution: Unsupported value: "PreferSameNode" (HTTP 422)';
  const judgement = judgementOf(() => example("only-these-pods-answer").judge({ invalid, answered: [], others: [] }));
  expect(judgement).toMatchObject({ verdict: "refuted", why: expect.stringContaining("Unsupported value") as string });
});

test("a check that starts pods is slow", () => {
  expect(example("endpoints-follow-pods").slow).toBe(true);
  expect(example("port-is-not-answered").slow).toBeUndefined();
});
