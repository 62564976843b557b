import type { V1Service } from "@kubernetes/client-node";
import { expect, test } from "vitest";
import { hostPort } from "../probe/http.ts";
import { ProbeFailed } from "../probe/peer.ts";
import { Service } from "./services.ts";

const service = (spec: V1Service["spec"] & object) => new Service({ metadata: { name: "web" }, spec });

const node = { on: (port: number) => hostPort("172.18.0.2", port) };

test("where a Service is asked", () => {
  const web = service({ clusterIP: "10.96.0.7", ports: [{ port: 80, nodePort: 31_000 }, { port: 81 }] });
  expect([web.on(80), web.at(node), web.nodePorts]).toEqual(["10.96.0.7:80", "172.18.0.2:31000", [31_000]]);
  expect(service({ clusterIP: "fd00::7" }).on(80)).toBe("[fd00::7]:80");
});

test.each([
  ["an ExternalName Service", {}],
  ["a headless one", { clusterIP: "None" }],
  ["one that was not given any", { clusterIP: "" }],
])("%s is asked at no address", (_name, spec) => {
  expect(() => service(spec).on(80)).toThrow(new ProbeFailed("the Service web has no clusterIP"));
});

test("a Service without node port is asked at no node", () => {
  expect(() => service({ ports: [{ port: 80 }] }).at(node)).toThrow(
    new ProbeFailed("the Service web has no node port"),
  );
});
