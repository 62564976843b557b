import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { readArticle } from "../helpers/article/article.ts";
import type { ClaimResult, Results } from "../helpers/claim/results.ts";
import { readSettings } from "../helpers/host/settings.ts";
import { collectResults } from "./results.ts";
import { sampleResult, writeResult, writeRun } from "./samples.ts";
import { summaryOf } from "./summary.ts";

const article = readArticle(readSettings().article);
const { claims } = article;
const claimOf = (id: string) => {
  const claim = claims.find((candidate) => candidate.id === id);
  if (claim === undefined) throw new RangeError(`no claim ${id}`);
  return claim;
};
const holding = claimOf("kindnet-uses-ptp");
const wrong = claimOf("pod-ip-changes-on-restart");

/** Returns the results of a run in which just these claims ran. */
function run(...found: ClaimResult[]): Results {
  const out = mkdtempSync(join(tmpdir(), "summary-"));
  onTestFinished(() => rmSync(out, { recursive: true }));
  writeRun(out, "some");
  for (const result of found) writeResult(out, result);
  return { ...collectResults(out, article), complete: true };
}

test("tells what the article says, where, and how one knows that it is not so", () => {
  const results = run(
    sampleResult(wrong, { verdict: "refuted", why: "it answered" }),
    sampleResult(holding, { verdict: "holds", why: "" }),
  );
  expect(summaryOf(results, article, "/somewhere/out")).toBe(
    [
      "How one knows what is wrong here:",
      "   1  ✗ A restart that kubectl counts under RESTARTS gives a pod another address.",
      "    tried: A pod's container was made to exit; once the kubelet had restarted it, its address was",
      "           compared with that before.",
      "    seen:  it answered",
      "    why:   What restarts is the pod's container, and after that the pod has the address that it had",
      "           before.",
      "    file:  /somewhere/out/evidence/pod-ip-changes-on-restart",
      "",
      "Kubernetes v1.37.0, kind v0.33.0, kube-proxy iptables, ipv4, 2 nodes",
      "2 claims: 1 hold, 1 refuted, 0 external, 0 inconclusive",
      "coverage: 100 % of the article's 6483 letters and digits",
      "seconds: claims 27.2",
      "written: 2025-07-20; all were wrong already then",
      "1 sentence misleads on this version (why: above):",
      "   1  ✗ A restart that kubectl counts under RESTARTS gives a pod another address. (54)",
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
    sampleResult(wrong, { verdict: "inconclusive", why: "positive control failed: the outsider runs" }),
    sampleResult(holding, { verdict: "refuted", why: "the plugin's type: expected 'bridge' to be 'ptp'" }),
  );
  const lines = summaryOf(results, article, "/somewhere/out").split("\n");
  expect(lines.slice(0, 14)).toEqual([
    "Not as expected: 1",
    "  kindnet-uses-ptp: expected holds, got refuted",
    "    says:  「基於 ptp (point-to-point) 和 host-local IPAM 插件」 kindnet is based on the ptp",
    "           (point-to-point) plugin.",
    "    seen:  the plugin's type: expected 'bridge' to be 'ptp'",
    "    known: The node's CNI configuration names ptp, and a pod's link ends on the node as a veth that",
    "           is part of no bridge.",
    '    again: npm test -- -t "kindnet is based on the ptp .point-to-point. plugin."',
    "",
    "Could not be tested: 1",
    "  pod-ip-changes-on-restart: expected refuted, got inconclusive",
    "    says:  「當 Pod 重啟」 A restart that kubectl counts under RESTARTS gives a pod another address.",
    "    seen:  positive control failed: the outsider runs",
    '    again: npm test -- -t "A restart that kubectl counts under RESTARTS gives a pod another address."',
  ]);
  expect(new RegExp(/-t "(.*)"/.exec(lines[7] ?? "")?.[1] ?? "").test(holding.en)).toBe(true);
});

test("tells of claims without a verdict, of missing features, and that nothing is complete", () => {
  const results = run(sampleResult(holding, { verdict: "holds", why: "" }));
  const [first] = results.claims;
  if (first === undefined) throw new Error("no claim");
  const { verdict: _verdict, ...unjudged } = first;
  const missing = { ...first, verdict: "external", expected: "external", why: "no IPv6 here" } as const;
  const text = summaryOf({ ...results, complete: false, claims: [unjudged, missing] }, article, "/somewhere/out");
  expect(text).toContain("Without a verdict: 1\n  kindnet-uses-ptp: kindnet is based");
  expect(text).toContain("Not every claim has a verdict: the run is not complete.");
  expect(text).toContain(
    "Not to be seen on this cluster:\n  kindnet is based on the ptp (point-to-point) plugin.\n    needs: no IPv6 here",
  );
  expect(text).toContain("1 claims: 0 hold, 0 refuted, 1 external, 0 inconclusive");
});
