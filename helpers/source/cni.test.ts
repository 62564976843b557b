import { expect, test } from "vitest";
import { readCells } from "../cluster/cells.ts";
import { adaptManifest } from "./cni.ts";
import { readImageLock } from "./image-lock.ts";
import { readCniRecipe, readRecipe } from "./recipe.ts";

const lock = readImageLock();
const plugins = new Set(readCells().flatMap(({ cni }) => cni ?? []));

test.each([...plugins])("what %s is built from is there, and every program has a place", (name) => {
  const { modules, rootfs, folders, manifest } = readCniRecipe(name);
  expect(readRecipe(lock.node.kubernetes).rootfs[rootfs]).toBeDefined();
  expect(modules[manifest.part]?.files).toContain(manifest.file);
  const programs = Object.values(modules).flatMap((module) => Object.keys(module.programs));
  expect(Object.keys(folders).toSorted()).toEqual(programs.toSorted());
});

test("a plugin that no recipe has is named", () => {
  expect(() => readCniRecipe("weave")).toThrow("fixtures/images/cni.yaml has no weave");
});

const manifest = `kind: ConfigMap
data: { a: b }
---
kind: DaemonSet
spec:
  template:
    spec:
      initContainers: [{ name: install, image: "published:1", args: [-f, /a] }]
      containers: [{ name: main, image: "published:2", command: [run] }]
`;
const recipe = {
  image: "localhost/built:1",
  published: ["published:1", "published:2"],
  arguments: { install: ["/b"] },
};

test("the image that was built stands for the published ones, and all else stays", () => {
  const [configMap, daemonSet] = adaptManifest(manifest, recipe).split("---\n");
  expect(configMap).toContain("a: b");
  expect(daemonSet).not.toContain("published");
  expect(daemonSet?.match(/localhost\/built:1/g)).toHaveLength(2);
  expect(daemonSet).toMatch(/args:\s+- \/b\n/);
  expect(daemonSet).toMatch(/command:\s+- run\n/);
});

test("a container of an image that nobody thought of is named", () => {
  const published = ["published:1"];
  expect(() => adaptManifest(manifest, { ...recipe, published })).toThrow(
    "the manifest's container main is of published:2",
  );
});
