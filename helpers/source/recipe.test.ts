import { expect, test } from "vitest";
import { readImageLock, splitReference } from "./image-lock.ts";
import { packagesOfDockerfile, readRecipe } from "./recipe.ts";

const lock = readImageLock();
const recipe = readRecipe(lock.node.kubernetes);

test("the recipe builds every workload of the image lock, from parts that it makes", () => {
  expect(Object.keys(recipe.images)).toEqual(expect.arrayContaining(Object.keys(lock.workloads)));
  for (const { rootfs, programs } of Object.values(recipe.images)) {
    if (rootfs !== undefined) expect(recipe.rootfs[rootfs]).toBeDefined();
    for (const [part, names] of Object.entries(programs)) {
      const made = (recipe.modules[part] ?? recipe.sources[part])?.programs ?? {};
      expect(Object.keys(made)).toEqual(expect.arrayContaining(names));
    }
  }
});

test("the version of kind is the same everywhere, and Kubernetes' stands in its programs", () => {
  expect(recipe.modules["kind"]?.version).toBe(lock.kind.version);
  expect(recipe.modules["kubernetes"]).toMatchObject({
    version: lock.node.kubernetes,
    ldflags: expect.stringContaining(`gitVersion=${lock.node.kubernetes}`) as string,
  });
});

test("no placeholder is left, and older versions have what they need", () => {
  const older = readRecipe("v1.24.17");
  expect(JSON.stringify(older)).not.toContain("${");
  expect(older.modules["etcd"]?.version).toMatch(/^v3\.5\./);
  expect(older.modules["kubernetes"]?.ldflags).toContain("gitVersion=v1.24.17");
  expect(JSON.stringify(recipe)).not.toContain("otherwise");
});

test("what a version has otherwise is all that fits it, and nothing of it stands in other versions", () => {
  const { replace, ldflags } = readRecipe("v1.25.16").modules["kubernetes"] ?? {};
  expect(replace).toMatchObject({ "k8s.io/kube-proxy": "v0.25.9" });
  expect(ldflags).toContain("-checklinkname=0");
  expect(readRecipe("v1.25.3").modules["kubernetes"]).not.toHaveProperty("replace");
});

test("a reference by digest splits into what is pulled and what it has to be", () => {
  expect(splitReference("docker.io/library/nginx:1.21@sha256:ab")).toEqual({
    tagged: "docker.io/library/nginx:1.21",
    digest: "sha256:ab",
  });
});

test("the packages of a Dockerfile are those of its first stage", () => {
  const first =
    "ARG BASE\nFROM $BASE AS base\nCOPY x /\nRUN echo one && \\\n    clean-install \\\n      a \\\n      b c \\\n    && rm -f d";
  const text = `${first}\nFROM base AS other\nRUN clean-install e`;
  expect(packagesOfDockerfile(text)).toEqual(["a", "b", "c"]);
  expect(() => packagesOfDockerfile("FROM scratch\nRUN clean-install && true")).toThrow("installs no packages");
});
