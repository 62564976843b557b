import { readArticle } from "../helpers/article/article.ts";
import { controlsVariable } from "../helpers/claim/control.ts";
import { exitCodeOf } from "../helpers/claim/results.ts";
import { imageLockFor } from "../helpers/cluster/cells.ts";
import { makeCluster, saveLogs, withEngine } from "../helpers/cluster/lifecycle.ts";
import { asTyped } from "../helpers/host/command.ts";
import { interruption, UserError } from "../helpers/host/errors.ts";
import { ledgerFile } from "../helpers/host/ledger.ts";
import { main } from "../helpers/host/main.ts";
import { Progress } from "../helpers/host/progress.ts";
import { readSettings } from "../helpers/host/settings.ts";
import { generateAllureReport } from "../reports/allure/allure.ts";
import { tellGitHub } from "../reports/github.ts";
import { writePages } from "../reports/pages/pages.ts";
import { collectResults } from "../reports/results.ts";
import { summaryOf } from "../reports/summary.ts";
import { selectionOf } from "./running/selection.ts";
import { beginRun, removeOutput, startSpecs, takeOutput, writeOutput } from "./running/specs.ts";

/**
 * Proves that each check can fail, on a cluster of its own: all claims are judged, then each under the change that has to
 * turn it and without that change again, and in the end all once more. Arguments go to vitest.
 */
await main(async () => {
  const settings = readSettings();
  const article = readArticle(settings.article);
  const selection = await selectionOf(process.argv.slice(2), article.claims);
  imageLockFor(settings);
  if (settings.kubeconfig !== undefined)
    throw new UserError("controls change the cluster, and make one of their own", "leave KNC_KUBECONFIG out");
  const progress = new Progress();
  const interrupt = interruption((line) => progress.say("signal", line));
  using _ = await takeOutput(settings, (line) => progress.say("output", line), interrupt);
  const { value, leftovers } = await withEngine(settings, progress, interrupt, async (session) => {
    const cluster = await makeCluster(session);
    try {
      await beginRun(session, cluster, article, selection);
      const run = async (environment = {}) => (await startSpecs(session, selection, environment)).ended();
      const claims = () => run();
      await progress.phase("claims", claims);
      await progress.phase("controls", () => run({ [controlsVariable]: "1" }));
      // The report is of the last judging, on the cluster as the changes left it.
      removeOutput(settings, ["allure-results", "claims", "junit.xml", ledgerFile, "tests.json"]);
      const failed = await progress.phase("claims", claims);
      writeOutput(settings, "phases.json", progress.phases);
      const results = collectResults(settings.out, article);
      writePages(settings.out, results, article);
      if (exitCodeOf(results) !== 0) await saveLogs(session, cluster);
      return { results, failed };
    } catch (error) {
      if (!session.signal.aborted) await saveLogs(session, cluster);
      throw error;
    }
  });
  const { results, failed } = value;
  progress.say("reports", `report: ${await generateAllureReport(settings.out, interrupt)}`);
  process.stdout.write(asTyped(`\n${summaryOf(results, article, settings.out)}\n`));
  tellGitHub(results, article);
  if (leftovers.length > 0) throw new UserError(`left behind: ${leftovers.join(", ")}`, "npm run clean");
  if (results.controls.proven < results.controls.executed) return 1;
  const code = exitCodeOf(results);
  return code === 0 && failed ? 2 : code;
});
