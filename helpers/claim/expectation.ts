import semver from "semver";
import { missingCapability } from "../world/capabilities.ts";
import type { World } from "../world/world.ts";
import type { Claim, Condition, Expectation } from "./catalogue.ts";
import type { ClaimResult } from "./results.ts";

type Conditions = Pick<World, "kubernetes" | "proxyMode" | "ipFamilies" | "cni" | "nodes" | "features">;

/**
 * Returns the first expectation of the claim whose conditions the world meets.
 *
 * @throws RangeError where none does: the catalogue then says nothing of this world, and has to
 */
export function expectationFor(claim: Claim, world: Conditions): Expectation {
  const found = claim.expect?.find(({ when }) => when === undefined || meets(world, when));
  if (found === undefined) throw new RangeError(`claim ${claim.id} has no expectation for ${describe(world)}`);
  return found;
}

/**
 * Returns what has to come out on a world: `external` where it lacks something that the claim needs, else what
 * {@link expectationFor} finds.
 */
export function expectationIn(claim: Claim, world: World): Expectation {
  const missing = missingCapability(claim.needs, world);
  if (missing === undefined) return expectationFor(claim, world);
  const link = claim.expect?.[0]?.link;
  if (link === undefined) throw new RangeError(`claim ${claim.id} has no expectation`);
  return { verdict: "external", because: { en: missing, zh: `這裡缺少這項主張所需的功能：${missing}` }, link };
}

/** Returns what a claim's result tells of the statement itself. */
export function statementResult({
  id,
  ref,
  section,
  quote,
  en,
  zh,
  tried,
  needs,
  repeats,
}: Claim): Pick<ClaimResult, "id" | "ref" | "section" | "quote" | "en" | "zh" | "tried" | "needs" | "repeats"> {
  return {
    ...{ id, ref, section, quote, en, zh, needs },
    ...(tried === undefined ? {} : { tried }),
    ...(repeats === undefined ? {} : { repeats }),
  };
}

/** Returns what a claim's result tells of its expectation. */
export function expectedResult(
  expectation: Expectation,
): Pick<ClaimResult, "expected" | "because" | "instead" | "note" | "since" | "link"> {
  const { when: _, verdict, ...known } = expectation;
  return { expected: verdict, ...known };
}

function meets(world: Conditions, when: Condition): boolean {
  return (
    (when.kubernetes === undefined ||
      semver.satisfies(world.kubernetes, when.kubernetes, { includePrerelease: true })) &&
    (when.proxyMode === undefined || when.proxyMode === world.proxyMode) &&
    (when.ipFamily === undefined || when.ipFamily === familyOf(world)) &&
    (when.cni === undefined || when.cni === world.cni) &&
    (when.workers === undefined || when.workers === workersOf(world)) &&
    (when.networkPolicies === undefined || when.networkPolicies === world.features.networkPolicies)
  );
}

function familyOf({ ipFamilies: [first, second] }: Conditions): Condition["ipFamily"] {
  return second === undefined ? first : "dual";
}

function workersOf({ nodes }: Conditions): NonNullable<Condition["workers"]> {
  const count = nodes.filter(({ role }) => role === "worker").length;
  return count === 0 ? "none" : count === 1 ? "one" : "several";
}

function describe(world: Conditions): string {
  return `Kubernetes ${world.kubernetes}, ${world.proxyMode}, ${world.ipFamilies.join("+")}, ${world.cni}, workers: ${workersOf(world)}`;
}
