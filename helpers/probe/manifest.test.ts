import { expect, test } from "vitest";
import { collectionPath } from "./api.ts";
import { readManifest } from "./manifest.ts";

const values = {
  namespace: "cast",
  otherNamespace: "elsewhere",
  worker1: "w1",
  worker2: "w2",
  controlPlane: "cp",
  readiness: "3",
  "image.agnhost": "a:1",
  "image.probe": "p:1",
  "image.nginx": "n:1",
};

test("the cast stands on two workers, in two namespaces, and the API has a place for each object", () => {
  const objects = readManifest("cast.yaml", values);
  expect(JSON.stringify(objects)).not.toContain("${");
  expect(new Set(objects.map(({ metadata }) => metadata.namespace))).toEqual(new Set(["cast", "elsewhere"]));
  for (const object of objects)
    expect(collectionPath(object)).toMatch(/^\/api\/v1\/namespaces\/(cast|elsewhere)\/(pods|services)$/);
});

test("a placeholder without a value is an error that names it", () => {
  const { worker2: _, ...rest } = values;
  expect(() => readManifest("cast.yaml", rest)).toThrow("cast.yaml: no value for ${worker2}");
});
