import { type Article, readArticle } from "../helpers/article/article.ts";
import { exitCodeOf, type Results } from "../helpers/claim/results.ts";
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
import { readSettings } from "../helpers/host/settings.ts";
import { generateAllureReport } from "../reports/allure.ts";
import { tellGitHub } from "../reports/github.ts";
import { writePages } from "../reports/pages.ts";
import { collectResults, usualPhases } from "../reports/results.ts";
import { summaryOf } from "../reports/summary.ts";
import { selectionOf } from "./selection.ts";
import { beginRun, runSpecs, takeOutput, writeOutput } from "./specs.ts";

/** The main job: a cluster, all claims, the reports, and nothing left behind. Arguments go to vitest. */
await main(async () => {
  const settings = readSettings();
  // Before anything is started: a broken catalogue or lock file must not cost a cluster.
  const article = readArticle(settings.article);
  const selection = await selectionOf(process.argv.slice(2), article.claims);
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
      const found = await check(session, cluster, { article, selection, interrupt });
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
  process.stdout.write(asTyped(`\n${summaryOf(value.results, article)}\n`));
  tellGitHub(value.results, article);
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
  { article, selection, interrupt }: { article: Article; selection: readonly string[]; interrupt: AbortSignal },
): Promise<{ results: Results; failed: boolean; report: Promise<string> }> {
  const { settings, progress } = session;
  await beginRun(session, cluster, selection);
  const failed = await progress.phase("claims", () => runSpecs(session, selection));
  writeOutput(settings, "phases.json", progress.phases);
  const results = collectResults(settings.out, article);
  writePages(settings.out, results, article);
  // Made while the cluster is deleted: it reads only what is on disk.
  const report = generateAllureReport(settings.out, interrupt);
  report.catch(() => {});
  return { results, failed, report };
}

function keep(session: Session, cluster: RunningCluster): void {
  keepCluster(session, cluster);
  session.progress.say("cluster", `kept: ${cluster.name}`);
  for (const line of howToUse(cluster)) session.progress.say("cluster", line);
}
