import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readArticle } from "../helpers/article/article.ts";
import { capabilityNames, missingCapability } from "../helpers/world/capabilities.ts";

const needed = new Set(
  readdirSync(import.meta.dirname, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .flatMap(({ name }) => readArticle(join(import.meta.dirname, name)).claims)
    .flatMap(({ needs }) => needs),
);

test("every need of a claim is known", () => {
  expect(needed.size).toBeGreaterThan(10);
  for (const need of needed)
    expect(() => missingCapability([need], { nodes: [], engine: {}, features: {} } as never)).not.toThrow(RangeError);
});

test("every capability is needed by a claim of some article", () => {
  expect(capabilityNames.filter((name) => !needed.has(name))).toEqual([]);
});

test("policies need a plugin of which is known that it enforces them", () => {
  const lacks = (cni: string, networkPolicies: boolean) =>
    missingCapability(["network-policies"], { cni, features: { networkPolicies } } as never);
  expect(lacks("kindnet", true)).toBeUndefined();
  expect(lacks("kindnet", false)).toContain("this one's kindnet knows none");
  expect(lacks("flannel", false)).toContain("this cluster has flannel");
});
