import type { Results } from "../helpers/claim/results.ts";
import type { LedgerEntry } from "../helpers/host/ledger.ts";

/** A wait that ended later than this part of its limit is listed: on a slower machine it may not end in time. */
const late = 0.7;

/** Returns a line for each claim whose verdict was not the same in all runs. */
export function differencesOf(runs: readonly Pick<Results, "claims">[]): string[] {
  const ids = new Set(runs.flatMap(({ claims }) => claims.map(({ id }) => id)));
  return [...ids].flatMap((id) => {
    const verdicts = runs.map(({ claims }) => claims.find((claim) => claim.id === id)?.verdict ?? "none");
    return new Set(verdicts).size === 1 ? [] : [`${id}: ${verdicts.join(", ")}`];
  });
}

/** Returns how many waits there were, and a line for each that came in time, but late. */
export function lateWaits(runs: readonly (readonly LedgerEntry[])[]): string[] {
  const all = runs.flatMap((entries, index) =>
    entries.flatMap(({ limit, ...entry }) => (limit === undefined ? [] : { ...entry, limit, round: index + 1 })),
  );
  const came = all.filter(({ came: inTime, lasted, limit }) => inTime === true && lasted > late * limit);
  return [
    `${all.length} waits, ${came.length} of them came above ${late * 100} % of their limits`,
    ...came.map(
      ({ round, what, lasted, limit, by }) =>
        `  round ${round}: ${(lasted / 1000).toFixed(1)} of ${limit / 1000} s for ${what} (${by})`,
    ),
  ];
}
