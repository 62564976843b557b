import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import type { Results } from "../helpers/claim/results.ts";

/** A wait that ended later than this part of its limit is listed: on a slower machine it may not end in time. */
const late = 0.7;

const Wait = z.object({
  what: z.string(),
  lasted: z.number().describe("milliseconds"),
  limit: z.number().describe("milliseconds"),
  came: z.boolean(),
  by: z.string().describe("the file that waited"),
});
/** A wait of a run, as its `waits.jsonl` has it. */
export type Wait = z.infer<typeof Wait>;

/** Returns the waits of the run in an output folder; none if it wrote none. */
export function waitsOf(out: string): Wait[] {
  const file = join(out, "waits.jsonl");
  const lines = existsSync(file) ? readFileSync(file, "utf8").split("\n").filter(Boolean) : [];
  return lines.map((line) => Wait.parse(JSON.parse(line)));
}

/** Returns a line for each claim whose verdict was not the same in all runs. */
export function differencesOf(runs: readonly Pick<Results, "claims">[]): string[] {
  const ids = new Set(runs.flatMap(({ claims }) => claims.map(({ id }) => id)));
  return [...ids].flatMap((id) => {
    const verdicts = runs.map(({ claims }) => claims.find((claim) => claim.id === id)?.verdict ?? "none");
    return new Set(verdicts).size === 1 ? [] : [`${id}: ${verdicts.join(", ")}`];
  });
}

/** Returns how many waits there were, and a line for each that came in time, but late. */
export function lateWaits(runs: readonly (readonly Wait[])[]): string[] {
  const all = runs.flatMap((waits, index) => waits.map((wait) => ({ ...wait, round: index + 1 })));
  const came = all.filter(({ came: inTime, lasted, limit }) => inTime && lasted > late * limit);
  return [
    `${all.length} waits, ${came.length} of them came above ${late * 100} % of their limits`,
    ...came.map(
      ({ round, what, lasted, limit, by }) =>
        `  round ${round}: ${(lasted / 1000).toFixed(1)} of ${limit / 1000} s for ${what} (${by})`,
    ),
  ];
}
