import { expect, test } from "vitest";
import { verdictOf } from "../samples.judged.ts";
import { endpointsAre } from "./endpoints.ts";

test("endpoints in full: of one port, at another number, not ready, in the Endpoints object", () => {
  const check = endpointsAre.make({
    service: "grown",
    in: "endpoints",
    steps: [{ endpoints: [{ pod: "grown-1", ports: { two: 9090 }, ready: false }] }],
    objects: {
      services: {
        grown: {
          ports: [
            { name: "one", port: 80, targetPort: "x" },
            { name: "two", port: 81, targetPort: "y" },
          ],
        },
      },
      pods: { "grown-1": {} },
    },
  });
  const mapping = {
    ...{ target: { kind: "Pod", namespace: "cast", name: "grown-1", uid: "u-1" }, address: "10.244.1.9" },
    ...{ protocol: "TCP", ready: true },
  };
  const pods = { "grown-1": { uid: "u-1", address: "10.244.1.9" } };
  const verdictOn = (step: unknown) => verdictOf(check, { namespace: "cast", pods, steps: [step] });
  const seen = { managedBy: [""], mappings: [{ ...mapping, port: "two", number: 9090, ready: false }], answers: [] };
  expect(verdictOn(seen)).toBe("holds");
  const other = { ...seen, mappings: [{ ...mapping, port: "one", number: 9090, ready: false }] };
  expect(verdictOn(other)).toBe("refuted");
});
