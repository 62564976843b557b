import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Mutex, Semaphore } from "async-mutex";
import { Evidence } from "../evidence/evidence.ts";
import { missingCapability } from "../world/capabilities.ts";
import { failureOfPolicy } from "./changes.ts";
import { type CheckedClaim, claimTimeout, type Decision, decide, rememberedChecks } from "./check.ts";
import { type AlteredControl, isLive, type LiveControl } from "./control.ts";
import { expectationIn } from "./expectation.ts";
import { Lab } from "./lab.ts";
import { observationFile, store } from "./recording.ts";
import { ClaimResult, ControlResult } from "./results.ts";
import { openRun, type Stage } from "./stage.ts";
import { type Judgement, judgementOf, type Verdict } from "./verdict.ts";

/** So many changes at a time; one that others would feel takes all places. */
const places = 4;

/** What a claim says `claimed` is waited for under a change that has it not come; the verdicts before and after are measured alike. */
const claimedMs = 8_000;

/** Claims that are judged under every change too: one that turns them all proves little. */
const sentinels = [
  "pods-talk-without-nat-on-one-node",
  "pods-talk-without-nat-across-nodes",
  "kubelet-reaches-pods-of-its-node",
  "containers-reach-each-other-on-localhost",
  "kindnet-uses-host-local",
  "clusterip-is-virtual",
  "nodeport-on-every-node",
  "dns-full-name",
  "externalname-answers-a-cname",
  "nodeport-reachable-from-outside",
] as const;

const semaphore = new Semaphore(places);
const lanes = new Map<string, Mutex>();
const groups = new Map<LiveControl, Promise<ReadonlyMap<string, ControlResult>>>();

/**
 * Proves that a claim's check can give the opposite verdict: it gave the expected one on the untouched cluster, gives the
 * opposite under its control, and the expected one again afterwards. Writes `controls/<id>.json`.
 *
 * @returns why there is nothing to prove, where the claim is neither to hold nor to be refuted on this world
 * @throws Error saying what is not proven and what was seen
 */
export async function prove(id: string, signal: AbortSignal): Promise<string | undefined> {
  const { run, stage } = openRun();
  const { out } = run.context;
  const claim = rememberedChecks().get(id);
  if (claim === undefined) throw new RangeError(`no check for claim ${id}`);
  const { verdict: expected, because } = expectationIn(claim.entry, run.world);
  if (expected === "external") return because.en;
  const before = baselineOf(out, id);
  if (before?.verdict !== expected)
    throw new Error(`on the untouched cluster it was ${before?.verdict ?? "not judged"}, and has to be ${expected}`);
  const { control } = claim.check;
  if (control === undefined) throw new Error("it has no control");
  const result = isLive(control)
    ? (await inGroup(control, await stage, signal)).get(id)
    : proveByAltering(out, claim, control, before);
  if (result === undefined) throw new Error("it was not judged under its control");
  storeJson(join(out, "controls", `${id}.json`), result);
  if (!result.proven) throw new Error(`${result.name}: ${result.why}`);
}

/** What the claims' own run on this cluster found, a moment ago. */
function baselineOf(out: string, id: string): ClaimResult | undefined {
  const file = join(out, "claims", `${id}.json`);
  return existsSync(file) ? ClaimResult.parse(JSON.parse(readFileSync(file, "utf8"))) : undefined;
}

function opposite(verdict: Verdict): Verdict {
  return verdict === "holds" ? "refuted" : "holds";
}

function proveByAltering(
  out: string,
  { check }: CheckedClaim,
  control: AlteredControl<unknown>,
  before: ClaimResult,
): ControlResult {
  const started = performance.now();
  const observation: unknown = JSON.parse(readFileSync(join(out, before.observation ?? ""), "utf8"));
  const { verdict, why } = judgementOf(() => check.judge(control.alter(observation)));
  const proven = verdict === opposite(before.verdict ?? "inconclusive");
  const milliseconds = Math.round(performance.now() - started);
  return {
    name: control.name,
    live: false,
    proven,
    verdict,
    why: proven ? why : notTurned(verdict, why),
    turned: [],
    milliseconds,
  };
}

function notTurned(verdict: Verdict, why: string): string {
  return `it should have turned and was ${verdict}${why === "" ? "" : `: ${why}`}`;
}

/** Tries a change once for all claims that have it as their control. */
async function inGroup(
  control: LiveControl,
  stage: Stage,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, ControlResult>> {
  const earlier = groups.get(control);
  if (earlier !== undefined) return earlier;
  const members = [...rememberedChecks().values()].filter(
    ({ entry, check }) => check.control === control && baselineOf(stage.context.out, entry.id) !== undefined,
  );
  const tried = inTurn(control, () => tryChange(control, members, stage, signal));
  groups.set(control, tried);
  return tried;
}

async function inTurn<T>({ alone, lane }: LiveControl, work: () => Promise<T>): Promise<T> {
  const placed = () => semaphore.runExclusive(work, alone ? places : 1);
  if (lane === undefined) return placed();
  const mutex = lanes.get(lane) ?? new Mutex();
  lanes.set(lane, mutex);
  return mutex.runExclusive(placed);
}

async function tryChange(
  control: LiveControl,
  members: readonly CheckedClaim[],
  stage: Stage,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, ControlResult>> {
  const started = performance.now();
  const place = join("controls", members[0]?.entry.id ?? "");
  const lab = new Lab({ ...stage, again: true }, new Evidence(stage.context.out, join(place, "change")), signal);
  let under: ReadonlyMap<string, Judgement>;
  let turned: readonly string[];
  try {
    await control.change(lab);
    [under, turned] = await Promise.all([judgeAll(members, "changed", stage, signal), turnedSentinels(stage, signal)]);
  } catch (error) {
    // What went wrong first must not be hidden by what cannot be undone for that reason.
    await lab.close().catch((undoing: unknown) => {
      throw new AggregateError([error, undoing], `${(error as Error).message}; then ${(undoing as Error).message}`, {
        cause: error,
      });
    });
    throw error;
  }
  await lab.close();
  const after = await judgeAll(members, "afterwards", stage, signal);
  const milliseconds = Math.round(performance.now() - started);
  const own = new Set(members.map(({ entry }) => entry.id));
  return new Map(
    members.map(({ entry }) => {
      const { verdict: expected } = expectationIn(entry, stage.world);
      const { verdict, why } = judgementIn(under, entry.id);
      const again = judgementIn(after, entry.id);
      const hasTurned = verdict === opposite(expected);
      const proven = hasTurned && again.verdict === expected;
      return [
        entry.id,
        {
          ...{ name: control.name, live: true, proven, verdict, milliseconds },
          why: proven
            ? why
            : hasTurned
              ? `once the change was undone it was ${again.verdict}: ${again.why}`
              : notTurned(verdict, why),
          turned: turned.filter((id) => !own.has(id)),
        },
      ];
    }),
  );
}

function judgementIn(judgements: ReadonlyMap<string, Judgement>, id: string): Judgement {
  return judgements.get(id) ?? { verdict: "inconclusive", why: "it was not judged" };
}

async function judgeAll(
  claims: readonly CheckedClaim[],
  when: string,
  stage: Stage,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Judgement>> {
  const { timeouts, context } = stage;
  // What checks do together they do anew, under this change.
  const anew: Stage = {
    ...stage,
    again: true,
    experiments: new Map(),
    timeouts: { ...timeouts, claimed: claimedMs * context.timeoutFactor },
  };
  const decisions = await Promise.all(
    claims.map(async ({ entry, check }): Promise<[string, Decision]> => {
      const evidence = new Evidence(context.out, join("controls", entry.id, when));
      const given = AbortSignal.any([signal, AbortSignal.timeout(claimTimeout(context.timeoutFactor))]);
      const decision = await decide(check, missingCapability(entry.needs, stage.world), anew, evidence, given);
      storeJson(join(context.out, "evidence", "controls", entry.id, `${when}.json`), decision);
      // A change that is still there would be measured by the next claims.
      if (decision.notUndone !== undefined) throw new Error(`${entry.id}: ${decision.notUndone}`);
      const failure = evidence.items.map(({ text }) => failureOfPolicy(text)).find((found) => found !== undefined);
      if (failure !== undefined)
        return [entry.id, { judgement: { verdict: "inconclusive", why: `the change itself failed: ${failure}` } }];
      if (when === "changed" && decision.observation !== undefined)
        storeJson(join(context.out, observationFile(entry.id, true)), decision.observation);
      return [entry.id, decision];
    }),
  );
  return new Map(decisions.map(([id, { judgement }]) => [id, judgement]));
}

let queued: Promise<readonly string[]> | undefined;
let running: Promise<unknown> = Promise.resolve();

/** Returns the sentinels that are not as expected now. Whoever asks before a round begins is told what it found. */
async function turnedSentinels(stage: Stage, signal: AbortSignal): Promise<readonly string[]> {
  if (queued === undefined) {
    queued = running.then(() => {
      queued = undefined;
      return sentinelRound(stage, signal);
    });
    running = queued.catch(() => {});
  }
  return queued;
}

async function sentinelRound(stage: Stage, signal: AbortSignal): Promise<readonly string[]> {
  const claims = sentinels.flatMap((id) => rememberedChecks().get(id) ?? []);
  const judgements = await judgeAll(claims, "as-sentinel", stage, signal);
  return claims
    .filter(({ entry }) => judgementIn(judgements, entry.id).verdict !== expectationIn(entry, stage.world).verdict)
    .map(({ entry }) => entry.id);
}

function storeJson(file: string, value: unknown): void {
  store(file, `${JSON.stringify(value, undefined, 2)}\n`);
}
