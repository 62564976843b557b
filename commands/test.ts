import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Article, readArticle } from "../helpers/article/article.ts";
import type { Corrected } from "../helpers/article/corrected.ts";
import { correctedOn, correctedVariable } from "../helpers/claim/correction.ts";
import { exitCodeOf, type Results } from "../helpers/claim/results.ts";
import { World } from "../helpers/claim/world.ts";
import { imageLockFor } from "../helpers/cluster/cells.ts";
import {
  howToUse,
  keepCluster,
  openCluster,
  type RunningCluster,
  type Session,
  saveLogs,
  withEngine,
} from "../helpers/cluster/lifecycle.ts";
import { changeCluster, worldsOf } from "../helpers/cluster/worlds.ts";
import { asTyped } from "../helpers/host/command.ts";
import { interruption, UserError } from "../helpers/host/errors.ts";
import { main } from "../helpers/host/main.ts";
import { Progress } from "../helpers/host/progress.ts";
import { readSettings, type Settings } from "../helpers/host/settings.ts";
import { missingCapability } from "../helpers/world/capabilities.ts";
import { generateAllureReport } from "../reports/allure.ts";
import { writeCorrected } from "../reports/corrected.ts";
import { tellGitHub } from "../reports/github.ts";
import { writePages } from "../reports/pages.ts";
import { collectResults, usualPhases } from "../reports/results.ts";
import { summaryOf } from "../reports/summary.ts";
import { selectionOf } from "./selection.ts";
import { beginRun, runSpecs, takeOutput, writeOutput } from "./specs.ts";

/**
 * The main job: a cluster, all claims, the reports, and nothing left behind. `--corrected` judges the corrected text instead of the
 * article's own; other arguments go to vitest.
 */
await main(async () => {
  const settings = readSettings();
  // Before anything is started: a broken catalogue or lock file must not cost a cluster.
  const article = readArticle(settings.article);
  const words = process.argv.slice(2);
  const corrected = words.includes("--corrected");
  const selection = await selectionOf(
    words.filter((word) => word !== "--corrected"),
    article.claims,
  );
  imageLockFor(settings);
  const worlds = worldsOf(settings);
  const progress = new Progress(undefined, () => usualPhases(settings.out, selection.join(" ")));
  const interrupt = interruption((line) => progress.say("signal", line));
  using _ = await takeOutput(settings, (line) => progress.say("output", line), interrupt);
  const { value, leftovers } = await withEngine(settings, progress, interrupt, async (session) => {
    const cluster = await openCluster(session);
    let undo = async () => {};
    try {
      await progress.phase("worlds", async (say) => {
        undo = await changeCluster(worlds, cluster, say);
      });
      const found = await check(session, cluster, { article, selection, corrected, interrupt });
      if (exitCodeOf(found.results) !== 0) await saveLogs(session, cluster);
      if (settings.keepCluster && cluster.fresh) keep(session, cluster);
      return found;
    } catch (error) {
      if (!session.signal.aborted) await saveLogs(session, cluster);
      throw error;
    } finally {
      await undo().catch((error: unknown) => {
        // A fresh cluster goes as it is.
        if (!cluster.fresh || settings.keepCluster) throw error;
      });
    }
  });
  progress.say("reports", `report: ${await value.report}`);
  process.stdout.write(asTyped(`\n${summaryOf(value.results, value.article)}\n`));
  tellGitHub(value.results, value.article);
  if (leftovers.length > 0) throw new UserError(`left behind: ${leftovers.join(", ")}`, "npm run clean");
  const code = exitCodeOf(value.results);
  if (code === 2 && !value.results.claims.some(({ verdict }) => verdict === "holds" || verdict === "refuted"))
    process.stdout.write("nothing was tested: no claim holds or is refuted here\n");
  // Something broke beside the verdicts, such as a clean-up: they may be right, the run is not.
  return code === 0 && value.failed ? 2 : code;
});

async function check(
  session: Session,
  cluster: RunningCluster,
  {
    article: original,
    selection,
    corrected,
    interrupt,
  }: { article: Article; selection: readonly string[]; corrected: boolean; interrupt: AbortSignal },
): Promise<{ article: Article; results: Results; failed: boolean; report: Promise<string> }> {
  const { settings, progress } = session;
  await beginRun(session, cluster, selection, corrected);
  const variables = corrected ? { [correctedVariable]: "1" } : {};
  const failed = await progress.phase("claims", () => runSpecs(session, "vitest.config", selection, variables));
  writeOutput(settings, "phases.json", progress.phases);
  const text = corrected ? correctedText(original, settings) : undefined;
  const article = text?.article ?? original;
  const results = collectResults(settings.out, article);
  if (text !== undefined) writeCorrected(settings.out, results, original, text);
  writePages(settings.out, results, article);
  // Made while the cluster is deleted: it reads only what is on disk.
  const report = generateAllureReport(settings.out, interrupt);
  report.catch(() => {});
  return { article, results, failed, report };
}

/** The article with all corrections that are to hold on the cluster of this run. */
function correctedText(article: Article, { out }: Settings): Corrected {
  const world = World.parse(JSON.parse(readFileSync(join(out, "world.json"), "utf8")));
  return correctedOn(article, world, (needs) => missingCapability(needs, world));
}

function keep(session: Session, cluster: RunningCluster): void {
  keepCluster(session, cluster);
  session.progress.say("cluster", `kept: ${cluster.name}`);
  for (const line of howToUse(cluster)) session.progress.say("cluster", line);
}
