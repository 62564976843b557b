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

/** Returns whether a cluster meets conditions. What is not known of it may be either way. */
export function meets(world: Partial<Facts>, when: Condition): boolean {
  const { kubernetes, proxyMode, ipFamilies, cni, nodes, features } = world;
  const fits = <T>(wanted: T | undefined, found: T | undefined) =>
    wanted === undefined || found === undefined || wanted === found;
  return (
    (when.kubernetes === undefined ||
      kubernetes === undefined ||
      semver.satisfies(kubernetes, when.kubernetes, { includePrerelease: true })) &&
    fits<string>(when.proxyMode, proxyMode) &&
    fits(when.ipFamily, ipFamilies === undefined ? undefined : familyOf(ipFamilies)) &&
    fits(when.cni, cni) &&
    fits(when.workers, nodes === undefined ? undefined : workersOf(nodes)) &&
    fits(when.networkPolicies, features?.networkPolicies)
  );
}

function familyOf([first, second]: Facts["ipFamilies"]): Condition["ipFamily"] {
  return second === undefined ? first : "dual";
}

function workersOf(nodes: Facts["nodes"]): NonNullable<Condition["workers"]> {
  const count = nodes.filter(({ role }) => role === "worker").length;
  return count === 0 ? "none" : count === 1 ? "one" : "several";
}

function describe(world: Facts): string {
  return `Kubernetes ${world.kubernetes}, ${world.proxyMode}, ${world.ipFamilies.join("+")}, ${world.cni}, workers: ${workersOf(world.nodes)}`;
}
