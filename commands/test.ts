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
import { keepLedger } from "../helpers/host/ledger.ts";
import { main } from "../helpers/host/main.ts";
import { Progress } from "../helpers/host/progress.ts";
import { readSettingsOfAll, type Settings } from "../helpers/host/settings.ts";
import { leaveCluster } from "../helpers/lab/leave.ts";
import { timeouts } from "../helpers/probe/timeouts.ts";
import { missingCapability } from "../helpers/world/capabilities.ts";
import { generateAllureReport } from "../reports/allure/allure.ts";
import { tellGitHub } from "../reports/github.ts";
import { writeCorrected } from "../reports/pages/diff-page.ts";
import { writePages } from "../reports/pages/pages.ts";
import { collectResults, usualPhases } from "../reports/results.ts";
import { summaryOf } from "../reports/summary.ts";
import { selectionOf } from "./running/selection.ts";
import { changedSince, touchedBy } from "./running/since.ts";
import { beginRun, emptyOutput, type RunningSpecs, startSpecs, takeOutput, writeOutput } from "./running/specs.ts";

/** An article that is checked, and which of its claims. */
interface Asked {
  readonly settings: Settings;
  readonly article: Article;
  readonly selection: readonly string[];
  /** Its corrected text is judged. */
  readonly corrected: boolean;
}

interface Checked extends Pick<Asked, "settings" | "article"> {
  readonly results: Results;
  readonly failed: boolean;
}

/**
 * The main job: a cluster, all claims, the reports, and nothing left behind; of several articles one after another on the same
 * cluster. `--corrected` judges the corrected text instead of the article's own; `--since COMMIT` judges what a change since then
 * can have touched; other arguments go to vitest.
 */
await main(async () => {
  // Before anything is started: a broken catalogue or lock file must not cost a cluster.
  const asked = await articlesAsked(process.argv.slice(2));
  const [first] = asked;
  if (first === undefined) return 0;
  const { settings, selection } = first;
  imageLockFor(settings);
  const worlds = worldsOf(settings);
  const progress = new Progress(undefined, () => usualPhases(settings.out, selection.join(" ")));
  const interrupt = interruption((line) => progress.say("signal", line));
  using held = new DisposableStack();
  held.use(await takeOutput(settings, (line) => progress.say("output", line), interrupt));
  for (const { settings: others } of asked.slice(1)) emptyOutput(others);
  // What is done for all articles stands in the first one's ledger.
  let ledger = keepLedger(settings.out);
  held.defer(() => ledger[Symbol.dispose]());
  let left: Error | undefined;
  const { value, leftovers } = await withEngine(settings, progress, interrupt, async (session) => {
    await using firstSpecs = await specsOf(session, first);
    const cluster = await openCluster(session);
    let stays = !cluster.fresh;
    let undo = async () => {};
    try {
      await progress.phase("worlds", async (say) => {
        undo = await changeCluster(worlds, cluster, say);
      });
      const shared = progress.phases.length;
      const checked: Checked[] = [];
      for (const each of asked) {
        if (asked.length > 1) progress.say("article", each.article.id);
        if (each !== first) {
          ledger[Symbol.dispose]();
          ledger = keepLedger(each.settings.out);
        }
        const specs = each === first ? firstSpecs : undefined;
        checked.push(await check({ ...session, settings: each.settings }, cluster, each, specs));
        // What was done once is a part of each article's run.
        progress.phases.length = shared;
      }
      if (settings.keepCluster && cluster.fresh) {
        keep(session, cluster);
        stays = true;
      }
      // Made while the cluster is deleted: they read only what is on disk.
      progress.say("reports", "Allure's report is being made");
      const reports = reportsOf(checked, interrupt);
      reports.catch(() => {});
      return { checked, reports };
    } catch (error) {
      if (!session.signal.aborted) await saveLogs(session, cluster);
      throw error;
    } finally {
      try {
        await undo().catch((error: unknown) => {
          // A fresh cluster goes as it is.
          if (stays) throw error;
        });
      } finally {
        if (stays) left = await leave(session, cluster);
      }
    }
  });
  for (const report of await value.reports) progress.say("reports", `report: ${report}`);
  for (const { settings: its, results, article } of value.checked) {
    process.stdout.write(asTyped(`\n${summaryOf(results, article, its.out)}\n`));
    tellGitHub(results, article);
  }
  if (leftovers.length > 0) throw new UserError(`left behind: ${leftovers.join(", ")}`, "npm run clean");
  if (left !== undefined) throw left;
  return Math.max(...value.checked.map(codeOf));
});

/**
 * Returns the articles that are meant; of several, those of which `-t` names a claim, or `--since` finds one touched.
 *
 * @throws UserError where none is named
 */
async function articlesAsked(given: readonly string[]): Promise<Asked[]> {
  const corrected = given.includes("--corrected");
  const { commit, words } = sinceIn(given.filter((word) => word !== "--corrected"));
  if (commit !== undefined) return articlesTouched(commit, words, corrected);
  const asked: Asked[] = [];
  let refused: unknown;
  for (const settings of readSettingsOfAll()) {
    const article = readArticle(settings.article);
    try {
      asked.push({ settings, article, corrected, selection: await selectionOf(words, article.claims) });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      refused = error;
    }
  }
  if (asked.length === 0) throw refused;
  return asked;
}

/** Takes `--since COMMIT` out of a command's words. @throws UserError where it names none, or claims are named too */
function sinceIn(given: readonly string[]): { commit?: string; words: readonly string[] } {
  const at = given.findIndex((word) => /^--since(?:=|$)/.test(word));
  if (at === -1) return { words: given };
  const inOne = given[at] !== "--since";
  const commit = inOne ? given[at]?.slice("--since=".length) : given[at + 1];
  const words = given.toSpliced(at, inOne ? 1 : 2);
  if (commit === undefined || commit === "") throw new UserError("--since names no commit", "npm test -- --since main");
  if (words.some((word) => /^(?:-t|--testNamePattern)/.test(word)))
    throw new UserError("--since chooses the claims itself", "leave -t out");
  return { commit, words };
}

/** Returns the articles of which a change since a commit can have touched claims, and tells of each what is left out. */
async function articlesTouched(commit: string, words: readonly string[], corrected: boolean): Promise<Asked[]> {
  const found = await Promise.all(
    readSettingsOfAll().map(async (settings): Promise<Asked[]> => {
      const article = readArticle(settings.article);
      const touched = touchedBy(changedSince(commit, article.folder), article);
      const say = (line: string) => process.stdout.write(`${article.id}, since ${commit}: ${line}\n`);
      const count = article.claims.filter(({ expect }) => expect !== undefined).length;
      if ("all" in touched) {
        say(`all ${count} claims are judged, for ${touched.all} is not as it was`);
        return [{ settings, article, corrected, selection: words }];
      }
      const left = `${count - touched.size} of ${count} claims are left out: nothing has changed on which their verdicts depend`;
      say(touched.size === 0 ? left : `judged are ${[...touched].join(", ")}; ${left}`);
      if (touched.size === 0) return [];
      const selection = await selectionOf([...words, "-t", `^(${[...touched].join("|")})$`], article.claims);
      return [{ settings, article, corrected, selection }];
    }),
  );
  return found.flat();
}

async function specsOf(
  session: Session,
  { selection, corrected }: Pick<Asked, "selection" | "corrected">,
): Promise<RunningSpecs> {
  return startSpecs(session, selection, corrected ? { [correctedVariable]: "1" } : {});
}

async function check(
  session: Session,
  cluster: RunningCluster,
  asked: Asked,
  specs: RunningSpecs | undefined,
): Promise<Checked> {
  const { article: original, selection, corrected } = asked;
  const { settings, progress } = session;
  await beginRun(session, cluster, original, selection, { corrected });
  const failed = await progress.phase("claims", async () => (specs ?? (await specsOf(session, asked))).ended());
  writeOutput(settings, "phases.json", progress.phases);
  const text = corrected ? correctedText(original, settings) : undefined;
  const article = text?.article ?? original;
  const results = collectResults(settings.out, article);
  if (text !== undefined) writeCorrected(settings.out, results, original, text);
  writePages(settings.out, results, article);
  if (exitCodeOf(results) !== 0) await saveLogs(session, cluster);
  return { settings, article, results, failed };
}

/** Makes the Allure reports, one at a time, and returns where they are. */
async function reportsOf(checked: readonly Checked[], interrupt: AbortSignal): Promise<string[]> {
  const reports: string[] = [];
  for (const { settings } of checked) reports.push(await generateAllureReport(settings.out, interrupt));
  return reports;
}

/** Returns the exit code of an article's run, and tells where nothing was tested. */
function codeOf({ results, failed }: Checked): number {
  const code = exitCodeOf(results);
  if (code === 2 && !results.claims.some(({ verdict }) => verdict === "holds" || verdict === "refuted"))
    process.stdout.write("nothing was tested: no claim holds or is refuted here\n");
  // Something broke beside the verdicts, such as a clean-up: they may be right, the run is not.
  return code === 0 && failed ? 2 : code;
}

/** The article with all corrections that are to hold on the cluster of this run. */
function correctedText(article: Article, { out }: Settings): Corrected {
  const world = World.parse(JSON.parse(readFileSync(join(out, "world.json"), "utf8")));
  return correctedOn(article, world, (needs) => missingCapability(needs, world));
}

/** Deletes what was made in a cluster that stays, and returns why that could not be done. */
async function leave({ settings, progress, engine }: Session, { name }: RunningCluster): Promise<Error | undefined> {
  if (engine.died.aborted) return undefined;
  try {
    await leaveCluster(engine, name, timeouts(settings.timeoutFactor).propagation);
    return undefined;
  } catch (error) {
    progress.say("clean-up", (error as Error).message);
    return error as Error;
  }
}

function keep(session: Session, cluster: RunningCluster): void {
  keepCluster(session, cluster);
  session.progress.say("cluster", `kept: ${cluster.name}`);
  for (const line of howToUse(cluster)) session.progress.say("cluster", line);
}
