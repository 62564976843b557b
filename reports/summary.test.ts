import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, onTestFinished, test } from "vitest";
import { readArticle } from "../helpers/article/article.ts";
import type { ClaimResult, Results } from "../helpers/claim/results.ts";
import { cellNamed } from "../helpers/cluster/cells.ts";
import { matrixOf, recordedMatrix } from "./matrix.ts";
import { collectResults } from "./results.ts";
import { sampleFolder, sampleResult, writeResult, writeRun } from "./samples.ts";
import { summaryOf } from "./summary.ts";

const folder = mkdtempSync(join(tmpdir(), "summary-article-"));
afterAll(() => rmSync(folder, { recursive: true }));
/** With recordings of its own. */
const article = { ...readArticle(sampleFolder), folder };
const { claims } = article;
const claimOf = (id: string) => {
  const claim = claims.find((candidate) => candidate.id === id);
  if (claim === undefined) throw new RangeError(`no claim ${id}`);
  return claim;
};
const holding = claimOf("pods-have-veth-pairs");
const wrong = claimOf("restart-changes-the-address");

/** Returns the results of a run in which just these claims ran. */
function run(...found: ClaimResult[]): Results {
  const out = mkdtempSync(join(tmpdir(), "summary-"));
  onTestFinished(() => rmSync(out, { recursive: true }));
  writeRun(out, "some");
  for (const result of found) writeResult(out, result);
  return { ...collectResults(out, article), complete: true };
}

test("tells what the article says, where, and how one knows that it is not so", () => {
  const written = run(sampleResult(wrong, { verdict: "refuted", why: "" }, article));
  mkdirSync(join(folder, "recordings"));
  writeFileSync(recordedMatrix(article), JSON.stringify(matrixOf([{ cell: cellNamed("1.33.1"), results: written }])));
  const results = run(
    sampleResult(wrong, { verdict: "refuted", why: "it answered" }, article),
    sampleResult(holding, { verdict: "holds", why: "" }, article),
  );
  expect(summaryOf(results, article, "/somewhere/out")).toBe(
    [
      "How one knows what is wrong here:",
      "   1  ✗ A restart of a container gives its pod another address.",
      "    tried: A container was made to exit; once it ran again, the address of its pod was compared",
      "           with the one before.",
      "    seen:  it answered",
      "    why:   The address belongs to the pod's sandbox, which stays.",
      "    file:  /somewhere/out/evidence/restart-changes-the-address",
      "",
      "Kubernetes v1.37.0, kind v0.33.0, kube-proxy iptables, ipv4, 2 nodes",
      "2 claims: 1 hold, 1 refuted, 0 external, 0 inconclusive",
      "coverage: 100 % of the article's 193 letters and digits",
      "seconds: claims 27.2",
      "written: 2026-03-04; all were wrong already then",
      "1 sentence misleads on this version (why: above):",
      "   1  ✗ A restart of a container gives its pod another address. (3)",
      "",
      "errata:  /somewhere/out/errata.md: under the same numbers, what each sentence could say",
      "pages:   /somewhere/out/index.html: the article with verdicts in it, what should be corrected, what changed",
      "report:  /somewhere/out/allure-report/index.html",
      "results: /somewhere/out/results.json, /somewhere/out/junit.xml",
    ].join("\n"),
  );
});

test("tells first what was not expected or could not be tested, and how to run it again", () => {
  const results = run(
    sampleResult(wrong, { verdict: "inconclusive", why: "positive control failed: the outsider runs" }, article),
    sampleResult(holding, { verdict: "refuted", why: "no pair of the pod's" }, article),
  );
  const lines = summaryOf(results, article, "/somewhere/out").split("\n");
  expect(lines.slice(0, 14)).toEqual([
    "Not as expected: 1",
    "  pods-have-veth-pairs: expected holds, got refuted",
    "    says:  「Une paire d'interfaces (veth) relie chaque Pod à son nœud.」 A pair of interfaces (veth)",
    "           joins each pod to its node.",
    "    seen:  no pair of the pod's",
    "    known: One end of the pair is in the pod, and the other one is on its node.",
    `    again: npm test -- --article ${folder} -t "A pair of interfaces .veth. joins each pod to its node."`,
    "",
    "Could not be tested: 1",
    "  restart-changes-the-address: expected refuted, got inconclusive",
    "    says:  「Un conteneur qui redémarre donne à son Pod une autre adresse.」 A restart of a container",
    "           gives its pod another address.",
    "    seen:  positive control failed: the outsider runs",
    `    again: npm test -- --article ${folder} -t "A restart of a container gives its pod another address."`,
  ]);
  expect(new RegExp(/-t "(.*)"/.exec(lines[6] ?? "")?.[1] ?? "").test(holding.en)).toBe(true);
});

test("tells of claims without a verdict, of missing features, and that nothing is complete", () => {
  const results = run(sampleResult(holding, { verdict: "holds", why: "" }, article));
  const [first] = results.claims;
  if (first === undefined) throw new Error("no claim");
  const { verdict: _verdict, ...unjudged } = first;
  const missing = { ...first, verdict: "external", expected: "external", why: "no IPv6 here" } as const;
  const text = summaryOf({ ...results, complete: false, claims: [unjudged, missing] }, article, "/somewhere/out");
  expect(text).toContain("Without a verdict: 1\n  pods-have-veth-pairs: A pair of interfaces");
  expect(text).toContain("Not every claim has a verdict: the run is not complete.");
  expect(text).toContain(
    "Not to be seen on this cluster:\n  A pair of interfaces (veth) joins each pod to its node.\n    needs: no IPv6 here",
  );
  expect(text).toContain("1 claims: 0 hold, 0 refuted, 1 external, 0 inconclusive");
});
