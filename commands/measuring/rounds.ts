import { join } from "node:path";
import { performance } from "node:perf_hooks";
import type { Results } from "../../helpers/claim/results.ts";
import { imageLockFor } from "../../helpers/cluster/cells.ts";
import { createCluster, findKind } from "../../helpers/cluster/kind.ts";
import { findImage, planCluster, withEngine } from "../../helpers/cluster/lifecycle.ts";
import { runMarker } from "../../helpers/host/process.ts";
import { Progress } from "../../helpers/host/progress.ts";
import { readSettings } from "../../helpers/host/settings.ts";
import { readLedger } from "../../reports/ledger.ts";
import { resultsAt } from "../../reports/results.ts";
import type { Growth, Kept, Round } from "../../reports/speed.ts";
import { refuseFailed, refuseKept, startNpm } from "./npm.ts";

/** One round: its seconds, and what each of its whole runs came to. */
interface MeasuredRound {
  readonly seconds: Round;
  readonly results: readonly Results[];
}

/**
 * Measures one round: a bare cluster first, then what it is compared with, each on a cluster of its own. A whole run in which a
 * verdict is not the expected one is measured, too: its results tell.
 *
 * @param outsOfAll the output folders of all articles
 */
export async function measureRound(outsOfAll: readonly string[], interrupt: AbortSignal): Promise<MeasuredRound> {
  const { out } = readSettings();
  const bare = await bareCluster(interrupt);
  const { seconds: quick } = await timed(["test", "--", "--tags-filter", "not slow"], interrupt);
  const { seconds: whole, begun } = await timed(["test"], interrupt, judgedAll);
  const verdicts = readLedger(out).flatMap((entry) => (entry.kind === "claim" ? [entry.begun + entry.lasted] : []));
  const first = (Math.min(...verdicts) - begun) / 1000;
  const resultsOf = (folders: readonly string[]) =>
    folders.flatMap((folder) => resultsAt(join(folder, "results.json")) ?? []);
  const ofWhole = resultsOf([out]);
  if (outsOfAll.length < 2) return { seconds: { bare, first, quick, whole }, results: ofWhole };
  const { seconds: both } = await timed(everyArticle, interrupt, judgedAll);
  return { seconds: { bare, first, quick, whole, both }, results: [...ofWhole, ...resultsOf(outsOfAll)] };
}

/** With these codes `npm test` ends where all was judged, as expected or not. */
const judgedAll = { codes: [0, 1] };

/** The words after `npm` that have all articles checked. */
const everyArticle = ["test", "--", "--article", "all"];

/** Returns the seconds that a claim, and all that are not slow, take on a cluster that is kept, each as often as asked. */
export async function measureKept(claim: string, times: number, interrupt: AbortSignal): Promise<Kept> {
  refuseKept();
  await timed(["run", "cluster", "--", "up"], interrupt);
  try {
    const repeat = async (...words: string[]) => {
      const seconds: number[] = [];
      for (let time = 0; time < times; time++) seconds.push((await timed(["test", "--", ...words], interrupt)).seconds);
      return seconds;
    };
    return { claim: await repeat("-t", `^(${claim})$`), quick: await repeat("--tags-filter", "not slow") };
  } finally {
    await timed(["run", "cluster", "--", "down"], undefined);
  }
}

/** Worlds of fixtures/clusters/worlds.yaml that have another number of workers than the two that are usual. */
const worldsOfWorkers = { 0: "one-node", 5: "five-workers" } as const;

/** Returns how the seconds grow with the claims that are judged, with articles, and with workers. */
export async function measureGrowth(
  claims: readonly string[],
  articles: number,
  interrupt: AbortSignal,
): Promise<Growth> {
  const bare = await bareCluster(interrupt);
  const share = async (one: number) => {
    const some = claims.filter((_, index) => index % one === 0);
    const selection = one === 1 ? [] : ["-t", `^(${some.join("|")})$`];
    const { seconds } = await timed(["test", "--", ...selection], interrupt);
    return { claims: some.length, seconds };
  };
  const judged = () => {
    const { claims = [] } = resultsAt(join(readSettings().out, "results.json")) ?? {};
    return claims.filter(({ verdict }) => verdict !== undefined && verdict !== "external").length;
  };
  const withWorkers = async (workers: keyof typeof worldsOfWorkers) => {
    const environment = { KNC_WORLDS: worldsOfWorkers[workers] };
    const { seconds } = await timed(["test"], interrupt, { ...judgedAll, environment });
    return { workers, seconds, claims: judged() };
  };
  const whole = await share(1);
  const usual = { workers: 2, seconds: whole.seconds, claims: judged() };
  return {
    bare,
    claims: [await share(4), await share(2), whole],
    articles: [
      { articles: 1, seconds: whole.seconds },
      ...(articles < 2 ? [] : [{ articles, seconds: (await timed(everyArticle, interrupt)).seconds }]),
    ],
    workers: [await withWorkers(0), usual, await withWorkers(5)],
  };
}

/** Returns how long an npm command took, in seconds. @throws UserError where it ended with none of the codes */
async function timed(
  words: readonly string[],
  interrupt: AbortSignal | undefined,
  {
    codes,
    environment = {},
  }: { readonly codes?: readonly number[]; readonly environment?: Readonly<Record<string, string>> } = {},
): Promise<{ readonly begun: number; readonly seconds: number }> {
  const begun = Date.now();
  const started = performance.now();
  const result = await startNpm(words, interrupt, environment);
  interrupt?.throwIfAborted();
  refuseFailed(words, result, codes);
  return { begun, seconds: (performance.now() - started) / 1000 };
}

/** Returns the seconds of `kind create cluster --wait` with the suite's image and configuration. */
async function bareCluster(interrupt: AbortSignal): Promise<number> {
  refuseKept();
  const settings = readSettings();
  const { value } = await withEngine(settings, new Progress(() => {}), interrupt, async (session) => {
    const { engine, run, signal } = session;
    const say = () => {};
    const lock = imageLockFor(settings);
    const image = await findImage(session, lock, settings.nodeImage, say);
    const kind = await findKind(lock.kind, engine, settings.cache, say, signal);
    const { plan } = planCluster(session, lock, image);
    const begun = performance.now();
    await createCluster(kind, engine, plan, say, signal, { [runMarker]: run.id });
    return (performance.now() - begun) / 1000;
  });
  return value;
}
