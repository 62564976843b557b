import semver from "semver";
import type { Claim, Condition, Expectation } from "./article.ts";

/** What is known of a cluster, as far as conditions speak of it. */
export interface Facts {
  readonly kubernetes: string;
  readonly proxyMode: string;
  readonly ipFamilies: readonly ("ipv4" | "ipv6")[];
  readonly cni: string;
  readonly nodes: readonly { readonly role: string }[];
  readonly features: { readonly networkPolicies: boolean };
}

/**
 * Returns the first expectation of the claim whose conditions the world meets.
 *
 * @throws RangeError where none does: the catalogue then says nothing of this world, and has to
 */
export function expectationFor(claim: Claim, world: Facts): Expectation {
  const found = claim.expect?.find(({ when }) => when === undefined || meets(world, when));
  if (found === undefined) throw new RangeError(`claim ${claim.id} has no expectation for ${describe(world)}`);
  return found;
}

function meets(world: Facts, when: Condition): boolean {
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

function familyOf({ ipFamilies: [first, second] }: Facts): Condition["ipFamily"] {
  return second === undefined ? first : "dual";
}

function workersOf({ nodes }: Facts): NonNullable<Condition["workers"]> {
  const count = nodes.filter(({ role }) => role === "worker").length;
  return count === 0 ? "none" : count === 1 ? "one" : "several";
}

function describe(world: Facts): string {
  return `Kubernetes ${world.kubernetes}, ${world.proxyMode}, ${world.ipFamilies.join("+")}, ${world.cni}, workers: ${workersOf(world)}`;
}
