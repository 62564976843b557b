import { z } from "zod";
import type { Article, Claim } from "../article/article.ts";
import type { Results } from "./results.ts";
import type { Verdict } from "./verdict.ts";

/** A world: its name, and the capabilities that it lacks. */
interface Announced {
  readonly id: string;
  readonly lacks: readonly string[];
}

const Wrong = z.strictObject({ id: z.string().describe("the claim; empty for the run itself"), why: z.string() });

/** What came out in worlds that must change nothing. */
export const WorldsFile = z.strictObject({
  format: z.literal("kind-network-conformance/worlds/1"),
  groups: z.array(
    z.strictObject({
      group: z.string(),
      commit: z.string(),
      date: z.iso.date(),
      worlds: z.array(z.strictObject({ id: z.string(), what: z.string() })),
      stayed: z.array(z.string()).describe("claims that were judged in all worlds of the group at once, rightly"),
      external: z.array(z.string()).describe("claims that could not be judged there, as they should not"),
      wrong: z.array(Wrong),
      seconds: z.number(),
    }),
  ),
});
export type WorldsFile = z.infer<typeof WorldsFile>;

/** Returns in how many worlds how many verdicts were right (worlds × claims), and how many were wrong. */
export function scoreOf({ groups }: Pick<WorldsFile, "groups">): { worlds: number; right: number; wrong: number } {
  return {
    // One may be tried in several groups.
    worlds: new Set(groups.flatMap(({ worlds }) => worlds.map(({ id }) => id))).size,
    right: groups.reduce(
      (sum, { worlds, stayed, external }) => sum + worlds.length * (stayed.length + external.length),
      0,
    ),
    wrong: groups.flatMap((group) => group.wrong).length,
  };
}

/** Returns the newest date of groups, or nothing where there is none. */
export function lastDate(groups: readonly Pick<WorldsFile["groups"][number], "date">[]): string {
  return (
    groups
      .map(({ date }) => date)
      .toSorted()
      .at(-1) ?? ""
  );
}

/** Returns in how many worlds each claim's verdict stayed right, by the claims' ids. */
export function worldsByClaim({ groups }: WorldsFile): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const { worlds, stayed } of groups)
    for (const id of stayed) counts.set(id, (counts.get(id) ?? 0) + worlds.length);
  return counts;
}

/**
 * Returns the claims whose verdict is wrong in some worlds: another than without any change, and not listed; or another than the
 * run itself expected there.
 */
export function wrongIn({
  worlds,
  results,
  before,
  article,
}: {
  readonly worlds: readonly Announced[];
  readonly results: Results;
  readonly before: Results;
  readonly article: Pick<Article, "claims" | "worlds">;
}): z.infer<typeof Wrong>[] {
  const lacking = new Set(worlds.flatMap(({ lacks }) => lacks));
  const turns: Article["worlds"][string]["turns"] = Object.assign(
    {},
    ...worlds.map(({ id }) => article.worlds[id]?.turns),
  );
  const usual = new Map(before.claims.map(({ id, verdict }) => [id, verdict]));
  const wanted = ({ id, needs }: Claim): Verdict | undefined =>
    turns[id]?.verdict ?? (needs.some((need) => lacking.has(need)) ? "external" : usual.get(id));
  return article.claims.flatMap((claim) => {
    const found = results.claims.find(({ id }) => id === claim.id);
    const want = wanted(claim);
    if (found?.verdict === undefined || want === undefined) return [];
    const { verdict, expected, why = "" } = found;
    if (verdict !== want) return [{ id: claim.id, why: `should be ${want} and is ${verdict}: ${why}` }];
    return verdict === expected
      ? []
      : [{ id: claim.id, why: `is ${verdict}, and the run expected ${expected}: ${why}` }];
  });
}
