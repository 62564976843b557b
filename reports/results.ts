import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { type Claim, readArticle, readCatalogue } from "../helpers/claim/catalogue.ts";
import { ClaimResult, Phase, Results } from "../helpers/claim/results.ts";
import { projectRoot } from "../helpers/host/settings.ts";
import { World } from "../helpers/world/world.ts";

const RunFile = z.strictObject({ started: z.iso.datetime(), selection: z.string() });

/**
 * Puts a run's results together from what is on disk, writes them to `results.json` and returns them: every claim of
 * the catalogue in its order or, where the run was asked for some only, those that ran.
 */
export function collectResults(out: string): Results {
  const catalogue = readCatalogue();
  const read = (file: string): unknown => JSON.parse(readFileSync(join(out, file), "utf8"));
  const run = RunFile.parse(read("run.json"));
  const resultOf = (claim: Claim): ClaimResult | undefined => {
    const file = join("claims", `${claim.id}.json`);
    if (existsSync(join(out, file))) return ClaimResult.parse(read(file));
    return claim.excluded === undefined ? undefined : unchecked(claim);
  };
  const found = catalogue.claims.map(resultOf);
  const { version } = JSON.parse(readFileSync(join(projectRoot, "package.json"), "utf8")) as { version: string };
  const results = Results.parse({
    format: "kind-network-conformance/results/1",
    suite: { version, commit: commit() },
    article: { ...catalogue.article, sha256: createHash("sha256").update(readArticle()).digest("hex") },
    sections: catalogue.sections,
    started: run.started,
    finished: new Date().toISOString(),
    complete: run.selection !== "" || found.every((result) => result !== undefined),
    selection: run.selection,
    world: World.parse(read("world.json")),
    phases: z.array(Phase).parse(read("phases.json")),
    claims: found.filter((result) => result !== undefined),
  } satisfies Results);
  writeFileSync(join(out, "results.json"), `${JSON.stringify(results, undefined, 2)}\n`);
  return results;
}

function unchecked({ id, ref, section, quote, en, zh, needs, excluded }: Claim): ClaimResult {
  return {
    id,
    ref,
    section,
    quote,
    en,
    zh,
    needs,
    ...(excluded === undefined ? {} : { excluded }),
    evidence: [],
    controls: [],
  };
}

function commit(): string {
  try {
    return execFileSync("git", ["rev-parse", "HEAD"], {
      cwd: projectRoot,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    return "unknown";
  }
}
