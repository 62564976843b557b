import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Mutex, Semaphore } from "async-mutex";
import type { Claim, Expectation } from "../article/article.ts";
import { type CheckedClaim, claimTimeout, type Decision, decide } from "./check.ts";
import { type AlteredControl, isLive, type LiveControl } from "./control.ts";
import { judgeCorrection } from "./correction.ts";
import type { Environment, Workspace } from "./environment.ts";
import { Evidence } from "./evidence.ts";
import { expectationIn } from "./expected.ts";
import { observationFile, store } from "./recording.ts";
import { ClaimResult, ControlResult } from "./results.ts";
import { type Judgement, judgementOf, type Verdict } from "./verdict.ts";

/** So many changes at a time; one that others would feel takes all places. */
const places = 4;

/** What a change did: what was observed and judged under it, by the claims' ids. */
type Judgements = ReadonlyMap<string, Decision>;

/**
 * Proves that checks can give the opposite verdict: each gave the expected one on the untouched cluster, gives the opposite
 * under its control, and the expected one again afterwards.
 */
export class Proofs<Lab extends Workspace> {
  readonly #checks: ReadonlyMap<string, CheckedClaim<Lab>>;
  /** Claims that are judged under every change too: one that turns them all proves little. */
  readonly #sentinels: readonly string[];
  readonly #semaphore = new Semaphore(places);
  readonly #lanes = new Map<string, Mutex>();
  readonly #groups = new Map<LiveControl<Lab>, Promise<ReadonlyMap<string, ControlResult>>>();
  #queued: Promise<readonly string[]> | undefined;
  #running: Promise<unknown> = Promise.resolve();

  constructor(checks: ReadonlyMap<string, CheckedClaim<Lab>>, sentinels: readonly string[]) {
    this.#checks = checks;
    this.#sentinels = sentinels;
  }

  /**
   * Tries the claim's control, and writes `controls/<id>.json`.
   *
   * @returns why there is nothing to prove, if the claim is neither to hold nor to be refuted here
   * @throws Error saying what is not proven and what was seen
   */
  async prove(id: string, environment: Environment<Lab>, signal: AbortSignal): Promise<string | undefined> {
    const { out } = environment;
    const claim = this.#checks.get(id);
    if (claim === undefined) throw new RangeError(`no check for claim ${id}`);
    const { verdict: expected, because } = expectedOf(claim.entry, environment);
    if (expected === "external") return because.en;
    const before = baselineOf(out, id);
    if (before?.verdict !== expected)
      throw new Error(`on the untouched cluster it was ${before?.verdict ?? "not judged"}, and has to be ${expected}`);
    const { control } = claim.check;
    if (control === undefined) throw new Error("it has no control");
    const result = isLive(control)
      ? (await this.#inGroup(control, environment, signal)).get(id)
      : proveByAltering(claim, control, before, environment);
    if (result === undefined) throw new Error("it was not judged under its control");
    storeJson(join(out, "controls", `${id}.json`), result);
    if (!result.proven) throw new Error(`${result.name}: ${result.why}`);
  }

  /** Tries a change once for all claims that have it as their control. */
  async #inGroup(
    control: LiveControl<Lab>,
    environment: Environment<Lab>,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, ControlResult>> {
    const earlier = this.#groups.get(control);
    if (earlier !== undefined) return earlier;
    const members = [...this.#checks.values()].filter(
      ({ entry, check }) => check.control === control && baselineOf(environment.out, entry.id) !== undefined,
    );
    const tried = this.#inTurn(control, () => this.#tryChange(control, members, environment, signal));
    this.#groups.set(control, tried);
    return tried;
  }

  async #inTurn<T>({ alone, lane }: LiveControl<Lab>, work: () => Promise<T>): Promise<T> {
    const placed = () => this.#semaphore.runExclusive(work, alone ? places : 1);
    if (lane === undefined) return placed();
    const mutex = this.#lanes.get(lane) ?? new Mutex();
    this.#lanes.set(lane, mutex);
    return mutex.runExclusive(placed);
  }

  async #tryChange(
    control: LiveControl<Lab>,
    members: readonly CheckedClaim<Lab>[],
    environment: Environment<Lab>,
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, ControlResult>> {
    const started = performance.now();
    const place = join("controls", members[0]?.entry.id ?? "");
    const lab = await environment.again().open(new Evidence(environment.out, join(place, "change")), signal);
    let under: Judgements;
    let turned: readonly string[];
    try {
      await control.change(lab);
      [under, turned] = await Promise.all([
        judgeAll(members, "changed", environment, signal),
        this.#turnedSentinels(environment, signal),
      ]);
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
    const after = await judgeAll(members, "afterwards", environment, signal);
    const milliseconds = Math.round(performance.now() - started);
    const own = new Set(members.map(({ entry }) => entry.id));
    return new Map(
      members.map(({ entry, check }) => {
        const expectation = expectedOf(entry, environment);
        const { verdict: expected } = expectation;
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
            ...correctionUnder(check, expectation, under.get(entry.id)?.observation),
            turned: turned.filter((id) => !own.has(id)),
          },
        ];
      }),
    );
  }

  /** Returns the sentinels that are not as expected now. Whoever asks before a round begins is told what it found. */
  async #turnedSentinels(environment: Environment<Lab>, signal: AbortSignal): Promise<readonly string[]> {
    if (this.#queued === undefined) {
      this.#queued = this.#running.then(() => {
        this.#queued = undefined;
        return this.#sentinelRound(environment, signal);
      });
      this.#running = this.#queued.catch(() => {});
    }
    return this.#queued;
  }

  async #sentinelRound(environment: Environment<Lab>, signal: AbortSignal): Promise<readonly string[]> {
    const claims = this.#sentinels.flatMap((id) => this.#checks.get(id) ?? []);
    const judgements = await judgeAll(claims, "as-sentinel", environment, signal);
    return claims
      .filter(({ entry }) => judgementIn(judgements, entry.id).verdict !== expectedOf(entry, environment).verdict)
      .map(({ entry }) => entry.id);
  }
}

function expectedOf<Lab extends Workspace>(entry: Claim, environment: Environment<Lab>): Expectation {
  return expectationIn(entry, environment.world, environment.missing(entry.needs));
}

/** What the claims' own run on this cluster found, a moment ago. */
function baselineOf(out: string, id: string): ClaimResult | undefined {
  const file = join(out, "claims", `${id}.json`);
  return existsSync(file) ? ClaimResult.parse(JSON.parse(readFileSync(file, "utf8"))) : undefined;
}

function opposite(verdict: Verdict): Verdict {
  return verdict === "holds" ? "refuted" : "holds";
}

/** Returns what a claim's result tells of its correction under its control. */
function correctionUnder<Lab>(
  check: CheckedClaim<Lab>["check"],
  expectation: Expectation,
  observation: unknown,
): Pick<ControlResult, "correction"> {
  const judgement = observation === undefined ? undefined : judgeCorrection(check, expectation, observation);
  return judgement === undefined ? {} : { correction: judgement.verdict };
}

function proveByAltering<Lab extends Workspace>(
  { entry, check }: CheckedClaim<Lab>,
  control: AlteredControl<unknown>,
  before: ClaimResult,
  environment: Environment<Lab>,
): ControlResult {
  const started = performance.now();
  const observation: unknown = JSON.parse(readFileSync(join(environment.out, before.observation ?? ""), "utf8"));
  const altered = control.alter(observation);
  const { verdict, why } = judgementOf(() => check.judge(altered));
  const proven = verdict === opposite(before.verdict ?? "inconclusive");
  const milliseconds = Math.round(performance.now() - started);
  return {
    name: control.name,
    live: false,
    proven,
    verdict,
    why: proven ? why : notTurned(verdict, why),
    ...correctionUnder(check, expectedOf(entry, environment), altered),
    turned: [],
    milliseconds,
  };
}

function notTurned(verdict: Verdict, why: string): string {
  return `it should have turned and was ${verdict}${why === "" ? "" : `: ${why}`}`;
}

function judgementIn(judgements: Judgements, id: string): Judgement {
  return judgements.get(id)?.judgement ?? { verdict: "inconclusive", why: "it was not judged" };
}

async function judgeAll<Lab extends Workspace>(
  claims: readonly CheckedClaim<Lab>[],
  when: string,
  environment: Environment<Lab>,
  signal: AbortSignal,
): Promise<Judgements> {
  const { out, timeoutFactor } = environment;
  const anew = environment.again();
  const decisions = await Promise.all(
    claims.map(async ({ entry, check }): Promise<[string, Decision]> => {
      const evidence = new Evidence(out, join("controls", entry.id, when));
      const given = AbortSignal.any([signal, AbortSignal.timeout(claimTimeout(timeoutFactor))]);
      const decision = await decide(check, entry.needs, anew, evidence, given);
      storeJson(join(out, "evidence", "controls", entry.id, `${when}.json`), decision);
      // A change that is still there would be measured by the next claims.
      if (decision.notUndone !== undefined) throw new Error(`${entry.id}: ${decision.notUndone}`);
      const failure = evidence.items
        .map(({ text }) => environment.failureOfChange(text))
        .find((found) => found !== undefined);
      if (failure !== undefined)
        return [entry.id, { judgement: { verdict: "inconclusive", why: `the change itself failed: ${failure}` } }];
      if (when === "changed" && decision.observation !== undefined)
        storeJson(join(out, observationFile(entry.id, true)), decision.observation);
      return [entry.id, decision];
    }),
  );
  return new Map(decisions);
}

function storeJson(file: string, value: unknown): void {
  store(file, `${JSON.stringify(value, undefined, 2)}\n`);
}
