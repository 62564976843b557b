import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { Results } from "../helpers/claim/results.ts";
import { projectRoot } from "../helpers/host/settings.ts";

/**
 * Makes `allure-report/index.html`, one self-contained file, from a run's results on disk, and returns its path.
 *
 * @throws Error with the last lines of the generator where it fails, or where there is nothing to report
 */
export async function generateAllureReport(out: string, signal?: AbortSignal): Promise<string> {
  const results = join(out, "allure-results");
  if (!existsSync(results))
    throw new Error(`no claim left an Allure result in ${results}: look at the lines above for why none ran`);
  writeFileSync(
    join(results, "environment.properties"),
    environmentOf(Results.parse(JSON.parse(readFileSync(join(out, "results.json"), "utf8")))),
  );
  rmSync(join(out, "allure-report"), { recursive: true, force: true });
  const result = await execa(
    process.execPath,
    [
      join(projectRoot, "node_modules", "allure", "cli.js"),
      "generate",
      results,
      "--config",
      join(projectRoot, "allurerc.ts"),
    ],
    {
      cwd: projectRoot,
      env: { KNC_OUT: out },
      reject: false,
      all: true,
      stdin: "ignore",
      ...(signal === undefined ? {} : { cancelSignal: signal }),
    },
  );
  signal?.throwIfAborted();
  const index = join(out, "allure-report", "index.html");
  if (result.failed || !existsSync(index))
    throw new Error(`allure generate failed:\n${result.all.split("\n").slice(-8).join("\n")}`);
  return index;
}

/** The environment block: what was checked, on what, by what. */
function environmentOf({ world, suite, article }: Results): string {
  const entries: [string, string][] = [
    ["Kubernetes", world.kubernetes],
    ["kind", world.kind],
    ["kube-proxy mode", world.proxyMode],
    ["IP families", world.ipFamilies.join(" + ")],
    ["Nodes", String(world.nodes.length)],
    ["Node OS", [...new Set(world.nodes.map(({ os }) => os))].join(", ")],
    ["Container runtime", [...new Set(world.nodes.map(({ runtime }) => runtime))].join(", ")],
    ["Kernel", [...new Set(world.nodes.map(({ kernel }) => kernel))].join(", ")],
    [
      "Engine",
      `${world.engine.name} ${world.engine.version} (${world.engine.owner === "suite" ? "private" : "the user's"}), cgroup ${world.engine.cgroup}`,
    ],
    ["Cluster", `${world.cluster}${world.fresh ? ", fresh" : ", kept from an earlier run"}`],
    ["Node.js", process.version],
    ["Suite", `${suite.version} (${suite.commit.slice(0, 12)})`],
    ["Article", `${article.date}, sha256 ${article.sha256.slice(0, 12)}`],
    ...world.adaptations.map((text, index): [string, string] => [`Adapted ${index + 1}`, text]),
    ...Object.entries(world.images).map(([name, reference]): [string, string] => [`Image ${name}`, reference]),
    ...Object.entries(world.provenance).map(([part, origin]): [string, string] => [`Part ${part}`, origin]),
  ];
  return entries.map(([key, value]) => `${key.replaceAll(/[\s=:]/g, "\\$&")} = ${value}\n`).join("");
}
