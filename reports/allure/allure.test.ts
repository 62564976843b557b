import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestResult } from "allure-js-commons";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Claim, readArticle } from "../../helpers/article/article.ts";
import { contextVariable, filesVariable, writeContext } from "../../helpers/cluster/context.ts";
import { projectRoot } from "../../helpers/host/settings.ts";
import { collectResults } from "../results.ts";
import { sampleFolder, writeRun } from "../samples.ts";
import { generateAllureReport } from "./allure.ts";

const article = readArticle(sampleFolder);
const claimOf = (id: string): Claim => {
  const claim = article.claims.find((candidate) => candidate.id === id);
  if (claim === undefined) throw new RangeError(`no claim ${id}`);
  return claim;
};
const refuted = claimOf("restart-changes-the-address");
const holding = claimOf("a-service-is-reached-by-a-node");
const surprising = claimOf("pods-have-veth-pairs");
const untested = claimOf("addresses-are-unique");

/** Does with judgements made up here what helpers/claim/claim.ts does with those of a cluster. */
const spec = `
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { describeClaim, reportVerdict } from "${projectRoot}reports/allure/allure-claim.ts";
import { readArticle } from "${projectRoot}helpers/article/article.ts";
import { observationFile, store } from "${projectRoot}helpers/claim/recording.ts";
import { Evidence } from "${projectRoot}helpers/claim/evidence.ts";
import { sampleResult, writeResult } from "${projectRoot}reports/samples.ts";

const article = readArticle("${sampleFolder}");
const { sections, claims } = article;
const out = process.env.KNC_OUT;
const world = JSON.parse(readFileSync(out + "/world.json", "utf8"));

function claim(id, judgement) {
  const index = claims.findIndex((candidate) => candidate.id === id);
  const entry = claims[index];
  const section = sections.findIndex(({ id }) => id === entry.section);
  test(entry.en, async ({ task }) => {
    task.meta.claim = id;
    const [expectation] = entry.expect;
    await describeClaim({ claim: entry, section: sections[section], place: { section: section + 1, claim: index + 1 }, article, world, expectation });
    const evidence = new Evidence(out, id);
    evidence.add("look at the nodes", "kubectl get nodes", "worker Ready\\n[exit 0 after 12 ms]");
    evidence.add("all lines", "seq 400", Array.from({ length: 400 }, (_, index) => index + 1).join("\\n"));
    writeResult(out, sampleResult(entry, judgement, article));
    store(join(out, observationFile(id)), '{"code":200}');
    await reportVerdict({ claim: entry, judgement, expectation, observation: observationFile(id), evidence, out });
    expect(judgement.verdict, judgement.why || "the verdict").toBe(expectation.verdict);
  });
}
`;
const specs: Readonly<Record<string, string>> = {
  // Bigger than the next one: vitest by itself would take it first.
  "02-later.spec.ts": `${spec}// ${"x".repeat(1000)}
    claim("${refuted.id}", { verdict: "refuted", why: "the outsider was answered" });
    claim("${holding.id}", { verdict: "holds", why: "" });
    test("skipped > with a reason", ({ skip }) => skip("there is no IPv6 here"));
    test("an assertion tells Allure nothing", ({ task }) => {
      expect(task.meta.allureRuntimeMessages, "before any assertion").toBeUndefined();
      expect(task.meta.allureRuntimeMessages, "after one").toBeUndefined();
    });
    test("two things are wrong", () => { expect.soft(1, "one").toBe(2); expect.soft(3, "three").toBe(4); });`,
  "01-first.spec.ts": `${spec}
    claim("${surprising.id}", { verdict: "refuted", why: "the plugin's type: expected 'bridge' to be 'ptp'" });
    claim("${untested.id}", { verdict: "inconclusive", why: "positive control failed: a pod runs" });`,
  "03-broken.spec.ts": "throw new Error('this file cannot be loaded');",
};

let folder: string;
let out: string;
let exitCode: number | undefined;
let printed: string[];
let found: Map<string, TestResult>;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "claims [of] a run-"));
  out = join(folder, "out");
  mkdirSync(join(folder, "specs"));
  mkdirSync(out);
  mkdirSync(join(folder, "node_modules"));
  // Not the whole folder: vitest would keep what it learned of these specs among what it knows of the real ones.
  for (const name of ["vitest", "allure-vitest"])
    symlinkSync(join(projectRoot, "node_modules", name), join(folder, "node_modules", name));
  for (const [name, text] of Object.entries(specs)) writeFileSync(join(folder, "specs", name), text);
  // vitest only looks whether it is there.
  writeFileSync(join(folder, "specs", "article.yaml"), "");
  writeRun(out);
  // A run that has begun, on a cluster that nobody reaches: no claim here asks it.
  const context = join(folder, "context.json");
  writeContext(context, {
    ...{ run: "none", out, castFile: join(folder, "cast.json"), kubeconfig: join(folder, "none") },
    ...{ controlPlane: "none", outsider: "none", images: {}, timeoutFactor: 1, selection: "" },
    engine: { cli: "docker", program: "docker", environment: {} },
  });
  const program = join(projectRoot, "node_modules", "vitest", "vitest.mjs");
  const configuration = ["--config", join(projectRoot, "vitest.config.ts"), "--root", folder];
  const result = await execa(process.execPath, [program, "run", ...configuration], {
    cwd: folder,
    // The variables of the vitest that runs this test are none of its business.
    extendEnv: false,
    env: {
      ...{ PATH: process.env["PATH"], KNC_OUT: out, KNC_ARTICLE: join(folder, "specs") },
      ...{ [contextVariable]: context, [filesVariable]: JSON.stringify(Object.keys(specs)) },
    },
    stdin: "ignore",
    reject: false,
  });
  ({ exitCode } = result);
  printed = result.stdout.split("\n");
  const files = readdirSync(join(out, "allure-results")).filter((name) => name.endsWith("-result.json"));
  const results = files.map(
    (name) => JSON.parse(readFileSync(join(out, "allure-results", name), "utf8")) as TestResult,
  );
  found = new Map(results.map((one) => [one.name ?? "", one]));
}, 30_000);

afterAll(() => rmSync(folder, { recursive: true, force: true }));

function resultOf(title: string): TestResult {
  const result = found.get(title);
  if (result === undefined) throw new Error(`no result for ${title} among ${[...found.keys()].join(", ")}`);
  return result;
}

function labelsOf(result: TestResult): Record<string, string> {
  return Object.fromEntries(result.labels.map(({ name, value }) => [name, value]));
}

test("progress tells each verdict, and the reason of what was not expected", () => {
  expect(exitCode).toBe(1);
  const told = printed
    .join("\n")
    .replaceAll(/\d+\.\d s$/gm, "N s")
    .split(/\n(?= {2}[✓✗]|JUNIT)/);
  const line = (mark: string, verdict: string, id: string) => `  ${mark} ${verdict.padEnd(12)}  ${id.padEnd(46)}   N s`;
  const reason = (...reasons: string[]) => reasons.map((text) => `\n      ${text}`).join("");
  // Claims run side by side.
  const expected = [
    line("✓", "holds", holding.id),
    line("✓", "refuted", refuted.id),
    line("✗", "inconclusive", untested.id) + reason("expected: holds", "positive control failed: a pod runs"),
    line("✗", "refuted", surprising.id) + reason("expected: holds", "the plugin's type: expected 'bridge' to be 'ptp'"),
    line("✓", "passed", "an assertion tells Allure nothing"),
    line("✗", "no verdict", "two things are wrong") +
      reason("one: expected 1 to be 2 // Object.is equality", "three: expected 3 to be 4 // Object.is equality"),
    line("✗", "skipped", "skipped > with a reason") + reason("there is no IPv6 here"),
    line("✗", "no verdict", "03-broken.spec.ts cannot be read") + reason("this file cannot be loaded"),
  ];
  const [legend, ...claims] = told;
  expect(legend).toMatch(/^ {2}✓ .* ✗ /);
  expect(claims.slice(0, 8).toSorted()).toEqual(expected.toSorted());
});

describe("Allure's result of a claim", () => {
  test("has its place in the article, its verdict and its world", () => {
    const result = resultOf(refuted.en);
    expect(result.status).toBe("passed");
    expect(result.testCaseId).toBe(refuted.id);
    expect(labelsOf(result)).toMatchObject({
      epic: "Les Services en quelques phrases",
      feature: expect.stringMatching(/^01 Les Services · Services$/),
      story: "001 A restart of a container gives its pod another address.",
      claim: refuted.id,
      verdict: "refuted",
      "verdict-expected": "refuted",
      tag: "refuted",
      severity: "critical",
    });
    expect(labelsOf(resultOf(holding.en))).toMatchObject({ verdict: "holds", severity: "normal" });
    expect(result.parameters).toEqual([
      { name: "kubernetes", value: "v1.37.0" },
      { name: "proxyMode", value: "iptables" },
      { name: "ipFamilies", value: "ipv4" },
    ]);
    expect(result.links.map(({ url }) => url)).toEqual([refuted.expect?.[0]?.link]);
  });

  test("has the quote on top, as it stands in the article", () => {
    const [quote, english, french, expected, because] = (resultOf(refuted.en).description ?? "").split("\n\n");
    expect(quote).toBe(`> ${refuted.quote}`);
    expect(english).toBe(refuted.en);
    expect(french).toBe("Le redémarrage d'un conteneur change l'adresse de son Pod.");
    expect(because).toBe("L'adresse appartient au bac à sable du Pod, qui reste.");
    expect(expected).toContain(`**Expected: refuted.** ${refuted.expect?.[0]?.because.en}`);
    expect(resultOf(holding.en).description?.split("\n")[0]).toBe(
      "> On joint un Service de l'extérieur par \\<nœud\\>:\\<port\\>.",
    );
  });

  test("says in words what came out, then shows the evidence and the observation", () => {
    const [verdict, ...evidence] = resultOf(refuted.en).steps;
    expect(verdict?.name).toBe("Refuted: the cluster does not do what the article says, as expected");
    expect(verdict?.steps.map(({ name }) => name)).toEqual([
      `The article says: 「${refuted.quote}」 ${refuted.en}`,
      `The cluster: ${refuted.expect?.[0]?.because.en}`,
      "Seen in this run: the outsider was answered",
      `Since: ${refuted.expect?.[0]?.since}`,
    ]);
    // expect()'s own steps are left out.
    expect(evidence.map(({ name }) => name)).toEqual(["what was done"]);
    const [done] = evidence.flatMap(({ attachments }) => attachments);
    expect(done).toMatchObject({ name: "what was done", type: "text/plain" });
    const content = readFileSync(join(out, "allure-results", done?.source ?? ""), "utf8");
    const [look = "", long = "", ...beside] = content.split("\n\n");
    expect(look).toBe("# look at the nodes\n$ kubectl get nodes\nworker Ready\n[exit 0 after 12 ms]");
    expect(long).toMatch(/^# all lines\n\$ seq 400\n1\n2\n[^]*\n… \d+ more characters: evidence\/.*02-all-lines\.txt$/);
    expect(long.length).toBeLessThan(700);
    expect(beside.join()).toMatch(/^# beside this report: observations\/.*\.json\n$/);
  });

  test("that was not expected says what was", () => {
    const result = resultOf(surprising.en);
    expect(result.status).toBe("failed");
    expect(result.statusDetails.message).toContain("the plugin's type: expected 'bridge' to be 'ptp'");
    expect(result.steps[0]?.name).toBe("Refuted: the cluster does not do what the article says");
    expect(result.steps[0]?.steps.at(-1)).toMatchObject({
      name: `Expected was: holds. ${surprising.expect?.[0]?.because.en}`,
      status: "failed",
    });
  });
});

test("Allure keeps the reason of a skip and every soft error", () => {
  expect(resultOf("skipped > with a reason")).toMatchObject({
    status: "skipped",
    statusDetails: { message: "there is no IPv6 here" },
  });
  expect(resultOf("two things are wrong").statusDetails.message).toMatch(/^1\. one: .*\n2\. three: /);
});

test("the report is one file that needs nothing else", { timeout: 30_000 }, async () => {
  expect(collectResults(out, article).complete).toBe(true);
  const index = await generateAllureReport(out);
  expect(readdirSync(join(out, "allure-report"))).toEqual(["index.html"]);
  expect(index).toBe(join(out, "allure-report", "index.html"));
  const html = readFileSync(index, "utf8");
  expect(html).toContain(`<title> ${article.title.en} </title>`);
  expect(html.match(/<(?:script|link|img|iframe)[^>]*\s(?:src|href)="(?!data:)[^"]*"/g)).toBeNull();
  expect(html).not.toContain("googletagmanager");
  expect(html).not.toContain("gtag");
  expect(html).toContain('"defaultSortBy":"name,asc"');
  const widget = (name: string): unknown => {
    const base64 = new RegExp(`d\\("widgets/${name}","([^"]*)"`).exec(html)?.[1] ?? "";
    return JSON.parse(Buffer.from(base64, "base64").toString("utf8"));
  };
  const environment = widget("allure_environment.json") as { name: string; values: string[] }[];
  expect(Object.fromEntries(environment.map(({ name, values }) => [name, values.join()]))).toMatchObject({
    Kubernetes: "v1.37.0",
    kind: "v0.33.0",
    "kube-proxy mode": "iptables",
    "Image nginx": "docker.io/library/nginx:1.29",
    "Part node image": "kindest/node:v1.37.0: pulled by digest, sha256=0123\\4567",
  });
  const { roots, nodes } = widget("categories.json") as {
    roots: string[];
    nodes: Record<string, { name: string; statistic?: { total: number } }>;
  };
  expect(roots.map((id) => [nodes[id]?.name, nodes[id]?.statistic?.total])).toEqual([
    ["Unexpected verdict", 1],
    ["Could not be tested (inconclusive)", 4],
    ["Refuted, as expected: the article is wrong here", 1],
    ["Holds, as expected: the article is right here", 1],
  ]);
});

test("a report that cannot be made says why", async () => {
  await expect(generateAllureReport(join(folder, "nowhere"))).rejects.toThrow("no claim left an Allure result");
  const interrupted = AbortSignal.abort(new Error("interrupted by SIGINT"));
  await expect(generateAllureReport(out, interrupted)).rejects.toThrow("interrupted by SIGINT");
});
