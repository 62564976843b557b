import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { UserError } from "../host/errors.ts";
import { type Article, type Claim, readArticle } from "./article.ts";
import {
  conformanceCoverage,
  conformanceFile,
  conformanceListAsYaml,
  conformanceListOf,
  networkTestsIn,
  untagged,
} from "./conformance.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "conformance-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const upstream = `
- testname: Of another group
  codename: '[sig-node] Pods should run [Conformance]'
  description: Pods MUST run.
  release: v1.9
  file: test/e2e/node/pods.go
- testname: Affinity
  codename: '[sig-network] Services should have session affinity work for NodePort
    service [LinuxOnly] [Conformance]'
  description: Whatever.
  release: v1.19
  file: test/e2e/network/service.go
- testname: Ports
  codename: '[sig-network] Ports a|b [Conformance] [NodeConformance]'
  description: Whatever.
  release: v1.9, v1.18
  file: test/e2e/network/ports.go
`;
const list = { kubernetes: "v1.37.0", tests: networkTestsIn(upstream) };

test("of Kubernetes' list only networking's tests are taken, with their names, files and releases", () => {
  expect(list.tests).toEqual([
    {
      codename:
        "[sig-network] Services should have session affinity work for NodePort service [LinuxOnly] [Conformance]",
      file: "test/e2e/network/service.go",
      release: "v1.19",
    },
    {
      codename: "[sig-network] Ports a|b [Conformance] [NodeConformance]",
      file: "test/e2e/network/ports.go",
      release: "v1.9, v1.18",
    },
  ]);
  expect(list.tests.map(untagged)).toEqual([
    "Services should have session affinity work for NodePort service",
    "Ports a|b",
  ]);
  expect(() => networkTestsIn("- codename: 1")).toThrow("file");
});

test("a list is read as it was written; one that is malformed is told in one line", () => {
  expect(conformanceListOf(folder)).toBeUndefined();
  writeFileSync(join(folder, conformanceFile), conformanceListAsYaml(list));
  expect(conformanceListOf(folder)).toEqual(list);
  writeFileSync(join(folder, conformanceFile), "kubernetes: v1.37.0\ntests: []\n");
  expect(() => conformanceListOf(folder)).toThrow(UserError);
});

/** The example, of which the claims say that they cover tests. */
function covering(...covers: readonly (readonly string[])[]): Article {
  const article = readArticle(join(import.meta.dirname, "..", "..", "specs", "tiny"));
  const claims = article.claims.map((claim, index): Claim => ({ ...claim, covers: [...(covers[index] ?? [])] }));
  return { ...article, claims };
}

test("each test has its claims, and a name that no test has is told", () => {
  const { tests, unknown } = conformanceCoverage(covering(["Ports a|b"], ["Ports a|b", "Ports of old"]), list);
  expect(tests.map(({ by }) => by.length)).toEqual([0, 2]);
  expect(unknown).toEqual(["a-service-is-found-by-its-name: Ports of old"]);
});
