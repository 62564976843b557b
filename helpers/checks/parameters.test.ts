import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { UserError } from "../host/errors.ts";
import { celPatch } from "./parts/objects.ts";
import { readyMadeCheck } from "./ready-made.ts";
import { example } from "./samples.judged.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "checks-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

test.each([
  [{ "no-such-check": {} }, "claim a-claim: there is no ready-made check no-such-check"],
  [{ toString: {} }, "claim a-claim: there is no ready-made check toString"],
  [{ "name-is-answered": { name: "web" } }, "claim a-claim: check name-is-answered: by: "],
  [{ "name-is-answered": { name: "web", by: ["a"], colour: 1 } }, "claim a-claim: check name-is-answered: "],
  [
    { "port-is-answered": { at: { name: "web", pod: "server-1" } } },
    "check port-is-answered: at: must have one of name,",
  ],
  [{ "port-is-answered": { at: { node: "worker-1" } } }, "check port-is-answered: at: a node needs either port or"],
  [{ "port-is-answered": { at: { service: "web", "node-port-of": "web" } } }, "at: node-port-of needs a node"],
  [
    { "port-is-answered": { at: { pod: "server-1" }, protocol: "udp" } },
    "from: by UDP only pods that run the suite's server",
  ],
  [{ "source-address-is-kept": { from: ["pair"], to: ["server-1"], protocol: "udp" } }, "from: by UDP only pods that"],
  [
    {
      "pods-are-reached": {
        from: ["c"],
        to: ["server-1"],
        protocol: "udp",
        objects: { pods: { c: { runs: "client" } } },
      },
    },
    "from: by UDP only pods that run the suite's server can ask",
  ],
  [
    { "nodes-print": { command: ["a"], prints: ["("], control: { name: "c", run: [["b"]], undo: [["b"]] } } },
    "check nodes-print: prints.0: must be a regular expression",
  ],
  [
    { "nodes-print": { command: ["a"], never: ["b"], control: { name: "c", run: [["b"]], undo: [["b"]] } } },
    "besides: is needed with never",
  ],
  [{ "pods-are-reached": { to: ["client-1"] } }, "to: must have another pod than the one that asks"],
  [{ "every-pod-answers": { service: "web", pods: ["a", "b"] } }, "service: must be one of objects.services"],
  [
    {
      "only-these-pods-answer": {
        ...{ service: "plain", pods: ["a"], others: ["b"] },
        objects: { services: { plain: { ports: [{ port: 80 }] } } },
      },
    },
    "service: must have one of sessionAffinity, ",
  ],
  [{ "dns-records": { of: "web", are: [], from: ["outside"] } }, "from: must be pods"],
  [{ "ports-lead-to": { service: "web", ports: { 80: ["server-1"] } } }, "service: must be one of objects.services"],
  [
    { "endpoints-are": { service: "s", steps: [{ start: "p", endpoints: [] }], objects: { services: { s: {} } } } },
    "steps: can start, relabel and delete pods of objects.pods only",
  ],
  [{ "object-is-stored-with": { object: { kind: "Service" } } }, "object.apiVersion: "],
  [{ "address-is-in": { pod: "client-1", range: "pods" } }, "check address-is-in: must be one of objects"],
  [{ "name-is-answered": undefined }, "claim a-claim: check name-is-answered: "],
  [{ "port-is-answered": { at: { name: "web" }, objects: "none.yaml" } }, "objects: none.yaml cannot be read: "],
])("%j is told in one line", (named, message) => {
  const make = () => readyMadeCheck("a-claim", named, folder);
  expect(make).toThrow(UserError);
  expect(make).toThrow(message);
  expect(make).not.toThrow(/\n/);
});

test("objects may be in a file beside the claims", () => {
  const text = "services: { shared: { selector: { app: server }, ports: [{ port: 80 }] } }";
  writeFileSync(join(folder, "shared.yaml"), text);
  expect(() => example("every-pod-answers", { objects: "shared.yaml" }, folder)).not.toThrow();
  writeFileSync(join(folder, "shared.yaml"), "services: { another: {} }");
  expect(() => example("every-pod-answers", { objects: "shared.yaml" }, folder)).toThrow("service: must be one of");
});

test.each([
  [{ op: "remove", path: "/spec/x" }, "JSONPatch{op: 'remove', path: '/spec/x'}"],
  [
    { op: "add", path: "/spec/type", value: "it's" },
    String.raw`JSONPatch{op: 'add', path: '/spec/type', value: 'it\'s'}`,
  ],
  [{ op: "replace", path: "/p", value: 8098 }, "JSONPatch{op: 'replace', path: '/p', value: 8098}"],
  [{ op: "add", path: "/p", value: null }, "JSONPatch{op: 'add', path: '/p', value: null}"],
  [
    { op: "replace", path: "/p", value: [{ port: 80, protocol: "TCP" }] },
    "JSONPatch{op: 'replace', path: '/p', value: [{'port': dyn(80), 'protocol': dyn('TCP')}]}",
  ],
] as const)("%j in CEL", (patch, cel) => expect(celPatch(patch)).toBe(cel));
