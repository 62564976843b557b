import type { Deciding } from "./results.ts";
import { type Judgement, judgementOf, type Verdict } from "./verdict.ts";

/** An observation made otherwise in one place. */
export interface Mutant {
  /** Where, as `nodes[].answer.outcome`: the places of a list are one. */
  readonly path: string;
  /** What stood there. */
  readonly was: unknown;
  readonly observation: unknown;
}

/** So many items of a list are changed one at a time: from its front and its end. */
const sampled = 4;

/** Far beyond every limit that a judge compares with. */
const shift = 1e9;

/**
 * Yields an observation (plain JSON) with each of its values changed in turn: removed, emptied, shifted, another, or the one
 * that stands under the same name elsewhere, such as an address in another's place.
 */
export function* mutants(observation: unknown): Generator<Mutant> {
  const all = [...places(observation, "", (value) => value)];
  const alike = Map.groupBy(all, ({ path }) => nameOf(path));
  for (const { path, now, as } of all) {
    const scalar = typeof now === "string" || typeof now === "number";
    const others = scalar ? (alike.get(nameOf(path)) ?? []).filter((place) => place.now !== now) : [];
    const swapped = new Set(others.slice(0, sampled).map((place) => place.now));
    for (const value of [...otherwise(now), ...swapped]) yield { path, was: now, observation: as(value) };
  }
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf(".") + 1);
}

/**
 * Returns the places of an observation that a judge does not look at: whatever is there, the verdict and its explanation
 * are the same.
 */
export function survivors<Observation>(observation: Observation, judge: (observation: Observation) => void): string[] {
  const { verdict, why } = judged(judge, observation);
  const noticed = new Map<string, boolean>();
  for (const { path, observation: mutant } of mutants(observation)) {
    if (noticed.get(path) === true) continue;
    const otherwiseJudged = judged(judge, mutant as Observation);
    noticed.set(path, otherwiseJudged.verdict !== verdict || otherwiseJudged.why !== why);
  }
  return [...noticed].flatMap(([path, seen]) => (seen ? [] : [path])).toSorted();
}

/** Longer values say little at a glance, and are found in no line of an output. */
const longestTold = 300;

/**
 * Returns the values of an observation that decide its verdict: with another in the place of one, a claim that holds would be
 * refuted, and the other way round. Each is there once, in the order of the observation; texts of several lines are left out.
 * Where no value alone does that, those that the failed assertion compared: a judge counted, or took them out of a text. Where
 * there are none either, those without which there would be no verdict.
 */
export function decidingValues<Observation>(
  observation: Observation,
  judge: (observation: Observation) => void,
): Deciding[] {
  const { verdict } = judged(judge, observation);
  const deciding = new Map<string, Deciding>();
  const needed = new Map<string, Deciding>();
  for (const { path, was, observation: mutant } of mutants(observation)) {
    if (typeof was !== "string" && typeof was !== "number" && typeof was !== "boolean") continue;
    const value = String(was);
    const key = `${path} ${value}`;
    if (deciding.has(key) || value.includes("\n") || value.length > longestTold) continue;
    const { verdict: otherwiseJudged } = judged(judge, mutant as Observation);
    if (otherwiseJudged === opposite[verdict]) deciding.set(key, { place: path, value });
    else if (otherwiseJudged !== verdict) needed.set(key, { place: path, value });
  }
  if (deciding.size > 0) return [...deciding.values()];
  const compared = [...new Set(comparedValues(() => judge(structuredClone(observation))))]
    .filter((value) => value.trim() !== "" && value.length <= longestTold)
    .map((value) => ({ value }));
  return compared.length > 0 ? compared : [...needed.values()];
}

/** Most mutants end in a failed assertion, and to describe where it was thrown costs more than to throw it. */
function judged<Observation>(judge: (observation: Observation) => void, observation: Observation): Judgement {
  const { stackTraceLimit } = Error;
  Error.stackTraceLimit = 0;
  try {
    return judgementOf(() => judge(structuredClone(observation)));
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

const opposite: Partial<Record<Verdict, Verdict>> = { holds: "refuted", refuted: "holds" };

/** Returns the values, lines of texts each, that a failed assertion found; chai's error has them as `actual`. */
function comparedValues(judge: () => void): string[] {
  try {
    judge();
    return [];
  } catch (error) {
    return error instanceof Error && "actual" in error ? leavesOf(error.actual) : [];
  }
}

function leavesOf(value: unknown): string[] {
  if (typeof value === "object" && value !== null) return Object.values(value).flatMap(leavesOf);
  return typeof value === "string" || typeof value === "number" ? String(value).split("\n") : [];
}

interface Place {
  readonly path: string;
  /** What stands there. */
  readonly now: unknown;
  /** Returns the whole observation with another value there. */
  readonly as: (value: unknown) => unknown;
}

function* places(value: unknown, path: string, as: Place["as"]): Generator<Place> {
  if (path !== "") yield { path, now: value, as };
  if (Array.isArray(value)) {
    const items: unknown[] = value;
    for (const [index, item] of items.entries()) {
      if (index >= sampled / 2 && index < items.length - sampled / 2) continue;
      yield* places(item, `${path}[]`, (other) => as(items.with(index, other)));
    }
  } else if (typeof value === "object" && value !== null) {
    for (const [key, item] of Object.entries(value))
      yield* places(item, path === "" ? key : `${path}.${key}`, (other) => as({ ...value, [key]: other }));
  }
}

function otherwise(value: unknown): unknown[] {
  if (typeof value === "number") return [undefined, value + shift, value - shift, value + 1, 0];
  if (typeof value === "boolean") return [undefined, !value];
  if (typeof value === "string") return [undefined, "", "another", "answered", "192.0.2.1", `${value} and more`];
  if (Array.isArray(value)) return [undefined, [], [...(value as unknown[]), ...(value as unknown[])]];
  if (typeof value === "object" && value !== null) return [undefined, {}];
  return [undefined, "something", 1];
}
