import { type ComponentChild, h } from "preact";
import { renderToString } from "preact-render-to-string";
import type { Article } from "../../helpers/article/article.ts";
import type { ClaimResult, Results } from "../../helpers/claim/results.ts";
import { regionsOf } from "../places.ts";

/** What XML 1.0 cannot have in it, not even escaped: what a program printed can. */
const noXml = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/gu;

/**
 * Returns a run's verdicts as JUnit's XML: a test for each claim, at its line of the article (`file` and `line`, as GitLab reads
 * them), failed where the verdict is not the expected one, an error where it could not be tested.
 *
 * @param file of the article's text, relative to the repository's top
 */
export function junitOf(results: Results, article: Article, file: string): string {
  const judged = results.claims.filter(({ verdict }) => verdict !== undefined);
  const bySection = [...Map.groupBy(judged, ({ section }) => section)];
  const count = (claims: readonly ClaimResult[]) => ({
    tests: claims.length,
    failures: claims.filter(failed).length,
    errors: claims.filter(({ verdict }) => verdict === "inconclusive").length,
    skipped: claims.filter(skipped).length,
    time: seconds(claims.reduce((sum, { milliseconds = 0 }) => sum + milliseconds, 0)),
  });
  const suites = bySection.map(([section, claims]) =>
    h(
      "testsuite",
      { name: article.sections.find(({ id }) => id === section)?.en ?? section, file, ...count(claims) },
      claims.map((claim) => testOf(claim, article, file)),
    ),
  );
  const name = `${results.article.en}, Kubernetes ${results.world.kubernetes}`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n${renderToString(h("testsuites", { name, ...count(judged) }, suites)).replaceAll(noXml, "\uFFFD")}\n`;
}

function testOf(claim: ClaimResult, article: Article, file: string): ComponentChild {
  const { id, section, en, verdict, expected, why = "", because, since, milliseconds = 0 } = claim;
  const [{ startLine, startColumn }] = regionsOf(id, article);
  const properties = Object.entries({ claim: id, verdict, expected, since, column: String(startColumn) });
  const place = { classname: `${article.id}.${section}`, name: en, file, line: startLine, time: seconds(milliseconds) };
  return h("testcase", place, [
    h(
      "properties",
      {},
      properties.flatMap(([name, value]) => (value === undefined ? [] : [h("property", { name, value })])),
    ),
    ...(skipped(claim) ? [h("skipped", { message: why })] : []),
    ...(failed(claim) ? [h("failure", { message: `expected ${expected}, and is ${verdict}` }, why)] : []),
    ...(verdict === "inconclusive" ? [h("error", { message: "could not be tested" }, why)] : []),
    ...(verdict === "refuted" && verdict === expected ? [h("system-out", {}, because?.en ?? why)] : []),
  ]);
}

function failed({ verdict, expected }: ClaimResult): boolean {
  return verdict !== expected && verdict !== "inconclusive";
}

function skipped({ verdict, expected }: ClaimResult): boolean {
  return verdict === "external" && verdict === expected;
}

function seconds(milliseconds: number): string {
  return (milliseconds / 1000).toFixed(3);
}
