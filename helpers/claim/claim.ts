import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, type TestContext, type TestFunction, test } from "vitest";
import { Evidence } from "../evidence/evidence.ts";
import { missingCapability } from "../world/capabilities.ts";
import { describeClaim, reportVerdict } from "./allure.ts";
import { type Claim, readCatalogue } from "./catalogue.ts";
import { type Check, claimTimeout, decide, remember } from "./check.ts";
import { controlsVariable } from "./control.ts";
import { expectationIn, expectedResult, statementResult } from "./expectation.ts";
import { decidingValues } from "./mutants.ts";
import { prove } from "./prove.ts";
import { judgeRecording, observationFile, recordingVariable, store } from "./recording.ts";
import { ClaimResult, ControlResult } from "./results.ts";
import { type OpenRun, openRun } from "./stage.ts";
import { Inconclusive } from "./verdict.ts";

const catalogue = readCatalogue();

/** Checks a claim of the catalogue live; the test passes when the verdict is the expected one. */
export function claim<Observation>(id: string, check: Check<Observation>): void {
  const entry = catalogue.claims.find((candidate) => candidate.id === id);
  if (entry === undefined) throw new RangeError(`no claim ${id} in fixtures/article/claims.yaml`);
  if (entry.expect === undefined) throw new RangeError(`claim ${id} is excluded: ${entry.excluded}`);
  remember(entry, check);
  const { timeout, carryOut } = wayOf(entry, check);
  test(
    entry.en,
    { ...(timeout === undefined ? {} : { timeout }), tags: check.slow === true ? ["slow"] : [] },
    carryOut,
  );
}

/** What this process does with claims: judge a stored run again, try their controls, or judge them live. */
function wayOf<Observation>(
  entry: Claim,
  check: Check<Observation>,
): { readonly timeout?: number; readonly carryOut: TestFunction } {
  const recording = process.env[recordingVariable];
  if (recording !== undefined) return { carryOut: () => judgeRecording(recording, entry.id, check) };
  const named = ({ task }: TestContext) => void ((task.meta as { claim?: string }).claim = entry.id);
  if (process.env[controlsVariable] !== undefined)
    return {
      // It waits for its turn among the others, so only its checks have a time-out.
      timeout: 0,
      carryOut: async (context) => {
        named(context);
        const notExecuted = await prove(entry.id, context.signal);
        if (notExecuted !== undefined) context.skip(notExecuted);
      },
    };
  const opened = openRun();
  return {
    timeout: claimTimeout(opened.run.context.timeoutFactor),
    carryOut: async (context) => {
      named(context);
      await run(entry, check, opened, context.signal);
    },
  };
}

async function run<Observation>(
  entry: Claim,
  check: Check<Observation>,
  { run: { context, world }, stage }: OpenRun,
  signal: AbortSignal,
): Promise<void> {
  const { out } = context;
  const place = {
    section: catalogue.sections.findIndex(({ id }) => id === entry.section),
    claim: catalogue.claims.indexOf(entry) + 1,
  };
  const section = catalogue.sections[place.section];
  if (section === undefined) throw new RangeError(`no section ${entry.section}`);
  const missing = missingCapability(entry.needs, world);
  const expectation = expectationIn(entry, world);
  await describeClaim({
    claim: entry,
    section,
    place: { ...place, section: place.section + 1 },
    article: catalogue.article,
    world,
    expectation,
  });
  const evidence = new Evidence(out, entry.id);
  const shared = await stage.catch((error: unknown) => new Inconclusive((error as Error).message));
  const started = performance.now();
  const { judgement, observation, notUndone } = await decide(check, missing, shared, evidence, signal);
  const observationText = observation === undefined ? undefined : JSON.stringify(observation, undefined, 2);
  if (observationText !== undefined) store(join(out, observationFile(entry.id)), observationText);
  const { id } = entry;
  const result = ClaimResult.parse({
    ...statementResult(entry),
    ...judgement,
    ...expectedResult(expectation),
    ...(observationText === undefined
      ? {}
      : {
          observation: observationFile(id),
          deciding: decidingValues(observation as Observation, (seen) => check.judge(seen)),
        }),
    standIns: [...evidence.standIns],
    milliseconds: Math.round(performance.now() - started),
    evidence: evidence.items.map(({ file }) => file),
    controls: controlsOf(out, id),
  } satisfies ClaimResult);
  store(join(out, "claims", `${id}.json`), JSON.stringify(result, undefined, 2));
  await reportVerdict({
    claim: entry,
    judgement,
    expectation,
    observation: result.observation,
    evidence,
    out,
    controls: result.controls,
  });
  if (judgement.verdict === "inconclusive") throw new Inconclusive(judgement.why);
  expect(judgement.verdict, judgement.why === "" ? "the verdict" : judgement.why).toBe(expectation.verdict);
  if (notUndone !== undefined) throw new Error(`the verdict is as expected, but the clean-up failed: ${notUndone}`);
}

/** What `npm run controls` found out on this cluster, before the claims were judged once more. */
function controlsOf(out: string, id: string): ControlResult[] {
  const file = join(out, "controls", `${id}.json`);
  return existsSync(file) ? [ControlResult.parse(JSON.parse(readFileSync(file, "utf8")))] : [];
}
