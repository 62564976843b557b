import { existsSync } from "node:fs";
import { join } from "node:path";
import { parse, stringify } from "yaml";
import { z } from "zod";
import type { Article, Claim } from "./article.ts";
import { parsed } from "./files.ts";

/** The list of Kubernetes' conformance tests in an article's folder. */
export const conformanceFile = "conformance.yaml";

const ConformanceTest = z.strictObject({ codename: z.string(), file: z.string(), release: z.string() });
/** A test of Kubernetes' own conformance suite: its name with its tags, its source file, and since when it is one. */
export type ConformanceTest = z.infer<typeof ConformanceTest>;

const ConformanceList = z.strictObject({ kubernetes: z.string(), tests: z.array(ConformanceTest).min(1) });
/** The conformance tests of a version, of networking alone, in Kubernetes' order. */
export type ConformanceList = z.infer<typeof ConformanceList>;

/** Returns the list in an article's folder, or undefined if there is none. @throws UserError if it is malformed */
export function conformanceListOf(folder: string): ConformanceList | undefined {
  return existsSync(join(folder, conformanceFile)) ? parsed(ConformanceList, folder, conformanceFile) : undefined;
}

/** Returns the tests of networking in the text of Kubernetes' `test/conformance/testdata/conformance.yaml`. @throws ZodError if it is no such text */
export function networkTestsIn(text: string): ConformanceTest[] {
  const all = z.array(z.looseObject(ConformanceTest.shape)).parse(parse(text));
  return all
    .filter(({ codename }) => codename.startsWith("[sig-network]"))
    .map(({ codename, file, release }) => ({ codename, file, release }));
}

/** Returns a list as its file has it. */
export function conformanceListAsYaml(list: ConformanceList): string {
  return `# What npm run conformance took from ${conformanceSource} of the module k8s.io/kubernetes.\n${stringify(list, { lineWidth: 0 })}`;
}

/** Where Kubernetes' module has the list of all its conformance tests. */
export const conformanceSource = "test/conformance/testdata/conformance.yaml";

/** Returns a test's name as claims have it: without its [tags]. */
export function untagged({ codename }: Pick<ConformanceTest, "codename">): string {
  return codename
    .replaceAll(/\[[^\]]*\]/g, "")
    .replaceAll(/ {2,}/g, " ")
    .trim();
}

/** A test and the claims that cover it. */
export interface Covered {
  readonly test: ConformanceTest;
  readonly by: readonly Claim[];
}

/** Returns each test of a list with the claims that cover it, and names in claims that no test of the list has. */
export function conformanceCoverage(
  { claims }: Pick<Article, "claims">,
  { tests }: ConformanceList,
): { readonly tests: readonly Covered[]; readonly unknown: readonly string[] } {
  const names = new Set(tests.map(untagged));
  return {
    tests: tests.map((test) => ({ test, by: claims.filter(({ covers }) => covers.includes(untagged(test))) })),
    unknown: claims.flatMap(({ id, covers }) =>
      covers.filter((name) => !names.has(name)).map((name) => `${id}: ${name}`),
    ),
  };
}
