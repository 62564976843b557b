import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { stringifyEnvInfo } from "allure-js-commons/sdk/reporter";
import { execa } from "execa";
import { z } from "zod";
import { Results } from "../../helpers/claim/results.ts";
import { moduleEnding, projectRoot } from "../../helpers/host/settings.ts";
import type { Matrix } from "../matrix.ts";

/**
 * Makes `allure-report/index.html`, one self-contained file, from a run's results on disk, and returns its path.
 *
 * @throws Error with the last lines of the generator where it fails, or where there is nothing to report
 */
export async function generateAllureReport(out: string, signal?: AbortSignal): Promise<string> {
  const found = join(out, "allure-results");
  if (!existsSync(found))
    throw new Error(`no claim left an Allure result in ${found}: look at the lines above for why none ran`);
  const results = Results.parse(JSON.parse(readFileSync(join(out, "results.json"), "utf8")));
  writeFileSync(join(found, "environment.properties"), stringifyEnvInfo(environmentOf(results)));
  const report = join(out, "allure-report");
  const index = await generate(out, "allure-results", "allurerc", report, results.article.en, signal);
  for (const name of readdirSync(report)) if (name !== "index.html") rmSync(join(report, name), { recursive: true });
  return index;
}

const AllureResult = z.object({
  uuid: z.string(),
  start: z.number().default(0),
  labels: z.array(z.object({ name: z.string(), value: z.string().default("") })),
});

/**
 * Returns where in `allure-report/index.html` each claim's test will be, by the claims' ids, from a run's results on disk.
 * Allure 3 names a test in its report by the MD5 of its result's UUID.
 */
export function placesInAllure(out: string): Map<string, string> {
  const found = join(out, "allure-results");
  const files = existsSync(found) ? readdirSync(found).filter((name) => name.endsWith("-result.json")) : [];
  const results = files.map((name) => AllureResult.parse(JSON.parse(readFileSync(join(found, name), "utf8"))));
  return new Map(
    results
      .toSorted((a, b) => a.start - b.start)
      .flatMap(({ uuid, labels }) => {
        const claim = labels.find(({ name }) => name === "claim")?.value;
        return claim === undefined ? [] : [[claim, createHash("md5").update(uuid).digest("hex")] as const];
      }),
  );
}

/**
 * Makes `matrix-report/`, the Allure report of all cells that are in `matrix.json`, each an environment of its own, and
 * returns its path. It is a folder that has to be served: in one file it would be too large for a browser.
 *
 * @throws Error with the last lines of the generator where it fails
 */
export async function generateMatrixReport(out: string, { article }: Pick<Matrix, "article">): Promise<string> {
  const report = join(out, "matrix-report");
  await generate(out, "cells/*/allure-results", "allurerc.matrix", report, article.en);
  return report;
}

async function generate(
  out: string,
  found: string,
  config: string,
  report: string,
  title: string,
  signal?: AbortSignal,
): Promise<string> {
  rmSync(report, { recursive: true, force: true });
  const generator = fileURLToPath(new URL("../cli.js", import.meta.resolve("allure")));
  const configuration = ["--config", join(projectRoot, `${config}${moduleEnding}`), "--report-name", title];
  const result = await execa(process.execPath, [generator, "generate", found, ...configuration], {
    // Allure takes the folder for a pattern: what leads to it must not be part of that.
    cwd: out,
    env: { KNC_OUT: out, JITI_FS_CACHE: "false" },
    reject: false,
    all: true,
    stdin: "ignore",
    ...(signal === undefined ? {} : { cancelSignal: signal }),
  });
  signal?.throwIfAborted();
  const index = join(report, "index.html");
  if (result.failed || !existsSync(index))
    throw new Error(`allure generate failed:\n${(result.all ?? "").trim().split("\n").slice(-8).join("\n")}`);
  writeFileSync(index, withoutTracker(readFileSync(index, "utf8")));
  return index;
}

/** Allure's template has each reader's browser tell Google of the report, and has no switch for that. */
function withoutTracker(html: string): string {
  return html
    .replace(/<script async src="https:\/\/www\.googletagmanager\.com[^>]*><\/script>/, "")
    .replace(/<script>\s*window\.dataLayer = [\s\S]*?<\/script>/, "");
}

/** What was checked, on what, by what; the report shows the first eight at once. */
function environmentOf({ world, suite, article, controls, claims }: Results): Record<string, string> {
  const ofNodes = (value: (node: Results["world"]["nodes"][number]) => string) =>
    [...new Set(world.nodes.map(value))].join(", ");
  return {
    Kubernetes: world.kubernetes,
    kind: world.kind,
    "kube-proxy mode": world.proxyMode,
    "IP families": world.ipFamilies.join(" + "),
    "CNI plugin": world.cni,
    Nodes: world.nodes.map(({ name, role }) => `${name} (${role})`).join(", "),
    Kubelet: ofNodes(({ kubelet }) => kubelet),
    "Container runtime": ofNodes(({ runtime }) => runtime),
    Kernel: ofNodes(({ kernel }) => kernel),
    "Node OS": ofNodes(({ os }) => os),
    "Pod subnets": world.podSubnets.join(", "),
    "Service subnets": world.serviceSubnets.join(", "),
    "DNS domain": world.dnsDomain,
    Engine: `${world.engine.name} ${world.engine.version} (${world.engine.owner === "suite" ? "private" : "the user's"}), cgroup ${world.engine.cgroup}`,
    Cluster: `${world.cluster}, ${world.fresh ? "fresh" : "kept from an earlier run"}`,
    ...(claims.every((claim) => claim.controls.length === 0)
      ? {}
      : { Controls: `${controls.proven} of ${controls.executed} checks proven able to fail` }),
    "Node.js": process.version,
    Suite: `${suite.version} (${suite.commit.slice(0, 12)})`,
    Article: `${article.date}, sha256 ${article.sha256.slice(0, 12)}`,
    ...Object.fromEntries(world.adaptations.map((text, index) => [`Adapted ${index + 1}`, text])),
    ...Object.fromEntries(Object.entries(world.images).map(([name, reference]) => [`Image ${name}`, reference])),
    ...Object.fromEntries(Object.entries(world.provenance).map(([part, origin]) => [`Part ${part}`, origin])),
  };
}
