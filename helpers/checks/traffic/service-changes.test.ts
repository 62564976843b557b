import { describe, expect, test } from "vitest";
import { type Judgement, judgementOf } from "../../claim/verdict.ts";
import { checks } from "../ready-made.ts";

/** Returns what a check with the parameters of its example, some of them given otherwise, judges of an observation. */
function judge(name: string, observation: unknown, otherwise: object = {}): Judgement {
  const made = checks[name]?.make({ ...(checks[name].example as object), ...otherwise });
  return judgementOf(() => made?.judge(observation));
}

const answer = {
  ...{ from: "client-1", to: "10.0.0.2:31000", outcome: "answered", milliseconds: 1 },
  ...{ pod: "server-1", source: "10.244.1.2" },
};
const silent = { from: "client-1", to: "10.0.0.2:31000", outcome: "silent", milliseconds: 4_000 };
const atWorker = { client: "outside", where: "the node port of web-nodeport on worker", meeting: answer };
const external = "kubernetes.default.svc.cluster.local.";
const asCreated = { type: "ClusterIP", clusterIP: "10.96.0.9", nodePort: null, addresses: ["10.96.0.9"] };
const changed = {
  ...{ code: 200, type: "ExternalName", clusterIP: "", nodePort: null },
  ...{ cname: [external], addresses: ["10.96.0.1"], given: [true] },
};
const after = "after the change {";

test("what is seen as it should be holds", () => {
  expect(judge("service-is-answered", { answers: [atWorker] })).toEqual({ verdict: "holds", why: "" });
  expect(judge("service-follows-changes", { seen: [asCreated, changed] })).toEqual({ verdict: "holds", why: "" });
});

test.each([
  [[], "places at which it can be asked: 0, and"],
  [[atWorker, { ...atWorker, meeting: silent }], `${atWorker.where}, asked from outside: 'silent', not`],
  [[{ ...atWorker, meeting: null }], "asked from outside: 'no such address', not 'answered'"],
  [[{ ...atWorker, meeting: { ...answer, pod: "x" } }], `who answers outside at ${atWorker.where}: `],
])("the answers %j are too few", (answers, why) =>
  expect(judge("service-is-answered", { answers })).toEqual({
    verdict: "refuted",
    why: expect.stringContaining(why) as string,
  }),
);

test.each([
  [[{ ...asCreated, clusterIP: "None" }, changed], "it has a cluster IP, as it was created: false, not true"],
  [[{ ...asCreated, addresses: [] }, changed], "addresses of its name, as it was created: none, not "],
  [[asCreated, { ...changed, clusterIP: "10.96.0.9" }], `it has a cluster IP, ${after}`],
  [[asCreated, { ...changed, cname: [] }], `what its name is a CNAME of, ${after}`],
  [[asCreated, { ...changed, addresses: [] }], `addresses that its name leads to, ${after}`],
  [[asCreated, { ...changed, given: [false] }], `others are given what it had before, ${after}`],
  [[asCreated, { ...changed, given: undefined }], `others are given what it had before, ${after}`],
  [[asCreated, { ...changed, code: 422 }], `the API server's answer, ${after}`],
])("%j is refuted", (seen, why) =>
  expect(judge("service-follows-changes", { seen })).toEqual({
    verdict: "refuted",
    why: expect.stringContaining(why) as string,
  }),
);

test("a client outside asks at node ports only", () => {
  const asked = { at: ["name"], from: ["outside"] };
  expect(() => judge("service-is-answered", {}, asked)).toThrow("a client outside has a way to node ports only");
});

describe("a Service after changes", () => {
  const otherwise = {
    ...{ service: "spread", objects: { services: { spread: { type: "NodePort" } } } },
    changes: [{ patch: { sessionAffinity: "None" }, after: {} }],
  };
  const plain = { type: "NodePort", clusterIP: "10.96.0.9", nodePort: 31_000 };
  const verdict = (wanted: object, first: object) => {
    const seen = [
      { ...plain, ...first },
      { ...plain, code: 200 },
    ];
    return judge("service-follows-changes", { seen }, { ...otherwise, created: wanted }).verdict;
  };

  test("has a node port, or has none", () => {
    expect(verdict({ "node-port": true }, {})).toBe("holds");
    expect(verdict({ "node-port": false }, {})).toBe("refuted");
    expect(verdict({ "node-port": true }, { nodePort: null })).toBe("refuted");
  });

  test("is answered at each place", () => {
    const wanted = { "answered-by": ["server-1"] };
    expect(verdict(wanted, { answers: [atWorker] })).toBe("holds");
    expect(verdict(wanted, { answers: [atWorker, { ...atWorker, meeting: null }] })).toBe("refuted");
    expect(verdict(wanted, { answers: [] })).toBe("refuted");
  });

  test.each([
    ["one", [["server-1"], ["server-2"]], "holds"],
    ["one", [["server-1"], ["server-1", "server-2"]], "refuted"],
    ["one", [[]], "refuted"],
    ["one", [], "refuted"],
    ["several", [["server-1", "server-2"]], "holds"],
    ["several", [["server-1", "server-2"], ["server-1"]], "refuted"],
  ])("leads to %s: %j", (spread, each, expected) => {
    const pods = each.map((found) => ({ where: "the cluster IP of spread", pods: found }));
    expect(verdict({ "connections-go-to": spread }, { pods })).toBe(expected);
  });
});
