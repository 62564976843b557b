import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, type TestFunction, test } from "vitest";
import { Evidence } from "../evidence/evidence.ts";
import { missingCapability } from "../world/capabilities.ts";
import { describeClaim, reportVerdict } from "./allure.ts";
import { type Claim, readCatalogue } from "./catalogue.ts";
import { expectationIn } from "./expectation.ts";
import { Lab } from "./lab.ts";
import { judgeRecording, recordingVariable } from "./recording.ts";
import { ClaimResult } from "./results.ts";
import { type OpenRun, openRun, type Stage } from "./stage.ts";
import { Inconclusive, type Judgement, judgementOf, judgementOfError, NeedsFeature } from "./verdict.ts";

const claimTimeoutMs = 120_000;
const slowClaimTimeoutMs = 240_000;

/** What decides a claim. */
export interface Check<Observation> {
  /** Needs a long window or many pods; `npm test -- --tags-filter 'not slow'` leaves it out. */
  readonly slow?: true;
  /** Talks to the cluster and returns plain JSON; it decides nothing. */
  observe(lab: Lab): Promise<Observation>;
  /** Looks at that JSON only. A failed assertion is the refutation, and its message the explanation. */
  judge(observation: Observation): void;
}

const catalogue = readCatalogue();

/** Checks a claim of the catalogue live; the test passes when the verdict is the expected one. */
export function claim<Observation>(id: string, check: Check<Observation>): void {
  const entry = catalogue.claims.find((candidate) => candidate.id === id);
  if (entry === undefined) throw new RangeError(`no claim ${id} in fixtures/article/claims.yaml`);
  if (entry.expect === undefined) throw new RangeError(`claim ${id} is excluded: ${entry.excluded}`);
  const options = check.slow === true ? { timeout: slowClaimTimeoutMs, tags: ["slow"] } : { timeout: claimTimeoutMs };
  const live: TestFunction = async ({ task, signal }) => {
    (task.meta as { claim?: string }).claim = id;
    await run(entry, check, openRun(), signal);
  };
  const recording = process.env[recordingVariable];
  const recorded = () => judgeRecording(recording ?? "", id, (observation) => check.judge(observation));
  test(entry.en, options, recording === undefined ? live : recorded);
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
  const { judgement, observation } = await decide(check, missing, shared, evidence, signal);
  const observationText = observation === undefined ? undefined : JSON.stringify(observation, undefined, 2);
  const observationFile = join("observations", `${entry.id}.json`);
  if (observationText !== undefined) write(join(out, observationFile), observationText);
  const { id, ref, quote, en, zh, needs } = entry;
  const result = ClaimResult.parse({
    ...{ id, ref, section: entry.section, quote, en, zh, needs },
    ...{
      verdict: judgement.verdict,
      expected: expectation.verdict,
      why: judgement.why,
      because: expectation.because,
      link: expectation.link,
    },
    ...(expectation.since === undefined ? {} : { since: expectation.since }),
    ...(observationText === undefined ? {} : { observation: observationFile }),
    standIns: [...evidence.standIns],
    milliseconds: Math.round(performance.now() - started),
    attempts: evidence.items.length,
    evidence: evidence.items.map(({ file }) => file),
    controls: [],
  } satisfies ClaimResult);
  write(join(out, "claims", `${id}.json`), JSON.stringify(result, undefined, 2));
  await reportVerdict({
    claim: entry,
    judgement,
    expectation,
    observationText: observationText ?? "",
    evidence,
  });
  if (judgement.verdict === "inconclusive") throw new Inconclusive(judgement.why);
  expect(judgement.verdict, judgement.why === "" ? "the verdict" : judgement.why).toBe(expectation.verdict);
}

async function decide<Observation>(
  check: Check<Observation>,
  missing: string | undefined,
  stage: Stage | Inconclusive,
  evidence: Evidence,
  signal: AbortSignal,
): Promise<{ judgement: Judgement; observation?: unknown }> {
  let lab: Lab | undefined;
  try {
    if (missing !== undefined) throw new NeedsFeature(missing);
    if (stage instanceof Inconclusive) throw stage;
    lab = new Lab(stage, evidence, signal);
    // Judged as it is stored: what JSON cannot hold must not decide anything.
    const observation = JSON.parse(JSON.stringify(await check.observe(lab))) as Observation;
    return { judgement: judgementOf(() => check.judge(observation)), observation };
  } catch (error) {
    const judgement = judgementOfError(error);
    return {
      judgement:
        judgement.verdict === "refuted"
          ? { verdict: "inconclusive", why: `an assertion failed while observing: ${judgement.why}` }
          : judgement,
    };
  } finally {
    await lab?.close();
  }
}

function write(file: string, text: string): void {
  mkdirSync(join(file, ".."), { recursive: true });
  writeFileSync(file, text);
}
