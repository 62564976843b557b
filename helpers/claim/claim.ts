import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, type TestContext, type TestFunction, test } from "vitest";
import { type Article, type Claim, todoWord } from "../article/article.ts";
import { forClaim } from "../host/ledger.ts";
import { type Check, type CheckedClaim, claimTimeout, decide } from "./check.ts";
import { controlsVariable } from "./control.ts";
import { correctedOn, correctedVariable, correctionOf, wordsOf } from "./correction.ts";
import type { Environment, Workspace } from "./environment.ts";
import { Evidence } from "./evidence.ts";
import { expectationIn, expectedResult, statementResult } from "./expected.ts";
import { decidingValues } from "./mutants.ts";
import { Proofs } from "./proofs.ts";
import {
  judgeRecording,
  type Observations,
  observationFile,
  observationsOf,
  recordingVariable,
  store,
} from "./recording.ts";
import { claimReporters } from "./report.ts";
import { ClaimResult, ControlResult } from "./results.ts";
import { todo } from "./todo.ts";
import { Inconclusive } from "./verdict.ts";

/**
 * Checks a claim of an article live, and returns what it states; the test passes when the verdict is the expected one.
 *
 * @template Sentences what the claims state, by their ids, as the article's sentences.ts has it
 */
export type ClaimFunction<Lab, Sentences = Readonly<Record<string, string>>> = <
  Id extends keyof Sentences & string,
  Observation,
>(
  id: Id,
  check: Check<Lab, Observation>,
) => Sentences[Id];

/**
 * Returns the function by which an article's specs check its claims.
 *
 * @param openEnvironment what they are checked on; not called if a stored run is judged again
 */
export function claimsOf<Lab extends Workspace>(
  article: Article,
  openEnvironment: () => Environment<Lab>,
): ClaimFunction<Lab> {
  const checks = new Map<string, CheckedClaim<Lab>>();
  const proofs = new Proofs(checks, article.sentinels);
  const recording = process.env[recordingVariable];
  const recorded = recording === undefined ? undefined : observationsOf(recording);
  return (id, check) => {
    const entry = article.claims.find((candidate) => candidate.id === id);
    if (entry === undefined) throw new RangeError(`${article.id} has no claim ${id}`);
    if (entry.expect === undefined) throw new RangeError(`claim ${id} is excluded: ${entry.excluded}`);
    // A check is not believed before something can turn it.
    const given = check.control?.name.startsWith(todoWord)
      ? { ...check, observe: async () => todo("its control, and what else says so in the spec") }
      : check;
    checks.set(id, { entry, check: given as Check<Lab, unknown> });
    const { timeout, carryOut } = wayOf({ article, entry, check: given, openEnvironment, proofs, recorded });
    test(
      entry.en,
      { ...(timeout === undefined ? {} : { timeout }), tags: check.slow === true ? ["slow"] : [] },
      carryOut,
    );
    return entry.en;
  };
}

interface Specified<Lab extends Workspace, Observation> {
  readonly article: Article;
  readonly entry: Claim;
  readonly check: Check<Lab, Observation>;
}

/** What this process does with claims: judge a stored run again, try their controls, or judge them live. */
function wayOf<Lab extends Workspace, Observation>({
  openEnvironment,
  proofs,
  recorded,
  ...specified
}: Specified<Lab, Observation> & {
  readonly openEnvironment: () => Environment<Lab>;
  readonly proofs: Proofs<Lab>;
  readonly recorded: Observations | undefined;
}): {
  readonly timeout?: number;
  readonly carryOut: TestFunction;
} {
  const { entry, check } = specified;
  if (recorded !== undefined) return { carryOut: () => judgeRecording(recorded, entry, check) };
  const named = ({ task }: TestContext) => void ((task.meta as { claim?: string }).claim = entry.id);
  const environment = openEnvironment();
  if (process.env[controlsVariable] !== undefined)
    return {
      // It waits for its turn among the others, so only its checks have a time-out.
      timeout: 0,
      carryOut: async (context) => {
        named(context);
        const notExecuted = await proofs.prove(entry.id, environment, context.signal);
        if (notExecuted !== undefined) context.skip(notExecuted);
      },
    };
  return {
    timeout: claimTimeout(environment.timeoutFactor),
    carryOut: async (context) => {
      named(context);
      await forClaim(entry.id, () => run(specified, environment, context.signal));
    },
  };
}

/** Returns what is to be judged where the corrected text is: the correction of a claim that is refuted here. */
function asCorrected<Lab extends Workspace, Observation>(
  specified: Specified<Lab, Observation>,
  environment: Environment<Lab>,
): Specified<Lab, Observation> {
  const { article, entry, check } = specified;
  const corrected = correctedOn(article, environment.world, (needs) => environment.missing(needs));
  const said = corrected.article.claims.find(({ id }) => id === entry.id);
  if (said === undefined) throw new RangeError(`the corrected text does not have ${entry.id}`);
  if (!corrected.ids.has(entry.id)) return { article: corrected.article, entry: said, check };
  const words = wordsOf(expectationIn(entry, environment.world, environment.missing(entry.needs)));
  return {
    article: corrected.article,
    entry: said,
    check: {
      ...check,
      judge: (observation) => {
        if (check.corrected === undefined) throw new Inconclusive("its check does not judge its correction");
        check.corrected(observation, words);
      },
    },
  };
}

async function run<Lab extends Workspace, Observation>(
  specified: Specified<Lab, Observation>,
  environment: Environment<Lab>,
  signal: AbortSignal,
): Promise<void> {
  const corrected = process.env[correctedVariable] !== undefined;
  const { article, entry, check } = corrected ? asCorrected(specified, environment) : specified;
  const { world, out } = environment;
  const index = article.sections.findIndex(({ id }) => id === entry.section);
  const section = article.sections[index];
  if (section === undefined) throw new RangeError(`no section ${entry.section}`);
  const expectation = expectationIn(entry, world, environment.missing(entry.needs));
  const place = { section: index + 1, claim: article.claims.indexOf(entry) + 1 };
  for (const reporter of claimReporters)
    await reporter.describe({ claim: entry, section, place, article, world, expectation });
  const evidence = new Evidence(out, entry.id);
  const started = performance.now();
  const { judgement, observation, notUndone } = await decide(check, entry.needs, environment, evidence, signal);
  const observationText = observation === undefined ? undefined : JSON.stringify(observation, undefined, 2);
  if (observationText !== undefined) store(join(out, observationFile(entry.id)), observationText);
  const { id } = entry;
  const result = ClaimResult.parse({
    ...statementResult(entry, article),
    ...judgement,
    ...expectedResult(expectation),
    ...(observationText === undefined
      ? {}
      : {
          observation: observationFile(id),
          deciding: decidingValues(observation as Observation, (seen) => check.judge(seen)),
          ...correctionOf(check, expectation, observation as Observation),
        }),
    standIns: [...evidence.standIns],
    milliseconds: Math.round(performance.now() - started),
    evidence: evidence.items.map(({ file }) => file),
    controls: controlsOf(out, id),
  } satisfies ClaimResult);
  store(join(out, "claims", `${id}.json`), JSON.stringify(result, undefined, 2));
  const { observation: stored, controls } = result;
  for (const reporter of claimReporters)
    await reporter.judged({ claim: entry, judgement, expectation, observation: stored, evidence, out, controls });
  if (judgement.verdict === "inconclusive") throw new Inconclusive(judgement.why);
  expect(judgement.verdict, judgement.why === "" ? "the verdict" : judgement.why).toBe(expectation.verdict);
  if (notUndone !== undefined) throw new Error(`the verdict is as expected, but the clean-up failed: ${notUndone}`);
}

/** What `npm run controls` found out on this cluster, before the claims were judged once more. */
function controlsOf(out: string, id: string): ControlResult[] {
  const file = join(out, "controls", `${id}.json`);
  return existsSync(file) ? [ControlResult.parse(JSON.parse(readFileSync(file, "utf8")))] : [];
}
