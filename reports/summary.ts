import type { ClaimResult, Results } from "../helpers/claim/results.ts";

/**
 * Returns the end of a run in plain text: what came out otherwise than expected, which sentences of the article are
 * wrong on this cluster and why, how many claims came out how, and how long it took.
 */
export function summaryOf(results: Results): string {
  const judged = results.claims.filter(({ verdict }) => verdict !== undefined);
  const surprises = judged.filter(({ verdict, expected }) => verdict !== expected);
  const refuted = judged.filter(({ verdict, expected }) => verdict === "refuted" && expected === "refuted");
  const count = (verdict: string) => judged.filter((claim) => claim.verdict === verdict).length;
  const excluded = results.claims.filter((claim) => claim.excluded !== undefined).length;
  const { world } = results;
  return [
    ...(refuted.length === 0
      ? []
      : [
          `On this cluster the article is wrong in ${refuted.length} of ${judged.length} claims:`,
          ...refuted.flatMap(wrongHere),
          "",
        ]),
    ...(surprises.length === 0 ? [] : [`Not as expected: ${surprises.length}`, ...surprises.flatMap(surprise), ""]),
    ...(results.complete ? [] : ["Not every claim has a verdict: the run is not complete.", ""]),
    `Kubernetes ${world.kubernetes}, kind ${world.kind}, kube-proxy ${world.proxyMode}, ${world.ipFamilies.join("+")}, ${world.nodes.length} nodes`,
    `${judged.length} claims: ${count("holds")} hold, ${count("refuted")} refuted, ${count("external")} external, ${count("inconclusive")} inconclusive${excluded === 0 ? "" : `; ${excluded} excluded`}`,
    `seconds: ${results.phases.map(({ name, milliseconds }) => `${name} ${(milliseconds / 1000).toFixed(1)}`).join(", ")}`,
  ].join("\n");
}

function wrongHere({ quote, en, because, since, id }: ClaimResult): string[] {
  return [
    `  ${quote}`,
    `    says: ${en}`,
    `    here: ${because?.en ?? ""}`,
    ...(since === undefined ? [] : [`    since: ${since}`]),
    `    claim: ${id}`,
  ];
}

function surprise({ id, en, expected, verdict, why }: ClaimResult): string[] {
  return [
    `  ${id}: ${en}`,
    `    expected ${expected}, got ${verdict}`,
    ...(why === undefined || why === "" ? [] : [`    seen: ${why}`]),
    `    again: npm test -- -t '${en.replaceAll("'", "")}'`,
  ];
}
