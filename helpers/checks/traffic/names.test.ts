import { expect, test } from "vitest";
import { readyMadeCheck } from "../ready-made.ts";
import { dns, example, known, srv, told, unknown, variables, verdictOf } from "../samples.judged.ts";

// What the checks by which names are found judge of parameters that their examples have not.

test("a name beside that has such a record, or is not known, leaves it open whether DNS tells them apart", () => {
  const check = example("dns-records", { "not-of": "web" });
  expect(verdictOf(check, { ...dns, beside: known })).toBe("holds");
  expect(verdictOf(check, { ...dns, beside: unknown })).toBe("inconclusive");
  expect(verdictOf(check, { ...dns, beside: srv })).toBe("inconclusive");
});

test("if no record is wanted, the name must not be there, while another is", () => {
  const check = example("dns-records", { of: "nobody", type: "address", are: [] });
  const web = { ...known, records: [{ name: "web.", type: "A", data: "10.96.0.9" }] };
  const nobody = { name: "nobody.cast.svc.cluster.local", type: "A", ...unknown };
  expect(verdictOf(check, { wanted: [], answer: nobody, beside: web })).toBe("holds");
  expect(verdictOf(check, { wanted: [], answer: { ...nobody, ...known }, beside: web })).toBe("refuted");
  expect(verdictOf(check, { wanted: [], answer: { ...nobody, ...web }, beside: web })).toBe("refuted");
  expect(verdictOf(check, { wanted: [], answer: nobody, beside: unknown })).toBe("inconclusive");
});

test("each way of asking for a name has to give the records", () => {
  const check = example("dns-records");
  const further = { ...srv, from: "client-2", name: "_http._tcp.named", over: "tcp" };
  expect(verdictOf(check, { ...dns, again: [further] })).toBe("holds");
  expect(verdictOf(check, { ...dns, again: [further, { ...further, records: [] }] })).toBe("refuted");
});

test("a line may go on where three dots end it, and others may be there unless the check says otherwise", () => {
  const wanted = ["search a b ..."];
  const some = example("file-in-pod", { has: wanted, exactly: undefined });
  expect(verdictOf(some, { wanted, lines: ["nameserver 192.0.2.1", "search a b"] })).toBe("holds");
  expect(verdictOf(some, { wanted, lines: ["nameserver 192.0.2.1", "search a b corp.example.com"] })).toBe("holds");
  expect(verdictOf(some, { wanted, lines: ["search a bc"] })).toBe("refuted");
  const only = example("file-in-pod", { has: wanted, exactly: "search" });
  expect(verdictOf(only, { wanted, lines: ["nameserver 192.0.2.1", "search a b c"] })).toBe("holds");
  expect(verdictOf(only, { wanted, lines: ["search c", "search a b"] })).toBe("refuted");
});

test("a variable may have to be absent, others too, and all of them from an earlier pod", () => {
  const check = example("environment-variables", {
    ...{ "not-in": "client-1", exactly: true, objects: { services: { web: {} } } },
  });
  const absent = { ...told, wanted: { ...variables, OTHER_SERVICE_HOST: null } };
  const found = { ...variables, OTHER_SERVICE_HOST: null };
  const earlier = { told: "10.96.0.1", variables: [] };
  expect(verdictOf(check, { ...absent, variables: found, earlier })).toBe("holds");
  expect(verdictOf(check, { ...absent, variables: { ...found, OTHER_SERVICE_HOST: "10.96.0.7" }, earlier })).toBe(
    "refuted",
  );
  expect(verdictOf(check, { ...told, others: ["FOO_SERVICE_HOST"], earlier })).toBe("refuted");
  expect(verdictOf(check, { ...told, earlier: { ...earlier, variables: ["WEB_SERVICE_HOST"] } })).toBe("refuted");
  expect(verdictOf(check, { ...told, earlier: { ...earlier, told: null } })).toBe("inconclusive");
});

test("a Service that is stored otherwise may be the control of records", () => {
  const control = { service: "named", name: "what is changed", patch: [{ op: "remove", path: "/spec/ports" }] };
  expect(example("dns-records", { control }).control?.name).toBe("what is changed");
});

test.each([
  [
    {
      "dns-records": {
        of: "web",
        are: [],
        control: { service: "web", name: "n", patch: [{ op: "remove", path: "/a" }] },
      },
    },
    "control.service: must be one of objects.services",
  ],
  [{ "dns-records": { of: "web", type: "PTR", are: ["web."], as: ["svc"] } }, "as: must be full"],
  [
    { "environment-variables": { service: "web", variables: { A: "1" }, "not-in": "client-1" } },
    "service: must be one",
  ],
  [
    { "environment-variables": { service: "web", variables: { A: "1" }, "service-links": false } },
    "variables: must have",
  ],
  [
    { "file-in-pod": { file: "/etc/hosts", pod: "p", has: ["<adress> p"], control: { name: "n", patch: [] } } },
    "has.0: must have no <…> but ",
  ],
])("%j is told", (named, message) => {
  expect(() => readyMadeCheck("a-claim", named, "")).toThrow(message);
});
