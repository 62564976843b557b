import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type RunnerTestFile, TestRunner } from "vitest";
import { z } from "zod";
import { previousResults } from "../claim/results.ts";
import { readContext } from "../cluster/context.ts";
import { readSettings } from "../host/settings.ts";

const Timed = z.object({ claims: z.array(z.object({ en: z.string(), milliseconds: z.number().optional() })) });

/** A claim that takes no longer than this is judged at once. Milliseconds. */
const shortly = 1_000;

/** Has claims judged in an order in which none that takes long begins last. */
export default class LongestFirst extends TestRunner {
  onCollected(files: readonly RunnerTestFile[]): void {
    const known = durations();
    for (const file of files) file.tasks = longestFirst(file.tasks, known);
  }
}

/**
 * Returns tests in the order in which they begin: those that take no time, so that there are verdicts soon, then the longest. Of which
 * nobody knows how long they take, and those that take as long, stay in the article's order.
 *
 * @param known milliseconds by the tests' names
 */
export function longestFirst<Test extends { readonly name: string }>(
  tests: readonly Test[],
  known: ReadonlyMap<string, number>,
): Test[] {
  const place = ({ name }: Test) => {
    const milliseconds = known.get(name) ?? 0;
    return milliseconds <= shortly ? 0 : 1 / milliseconds;
  };
  return tests.toSorted((a, b) => place(a) - place(b));
}

/** Returns how long each claim took, by its sentence: in the article's recorded run, or in the one before in the same folder. */
function durations(): Map<string, number> {
  const recordings = join(readSettings().article, "recordings");
  const recorded = existsSync(recordings)
    ? readdirSync(recordings).map((run) => join(recordings, run, "results.json"))
    : [];
  // Of several the last one counts; a run may have been asked for some claims only.
  const files = [...recorded, join(readContext().out, previousResults)].filter((file) => existsSync(file));
  const claims = files.flatMap((file) => Timed.parse(JSON.parse(readFileSync(file, "utf8"))).claims);
  return new Map(claims.flatMap(({ en, milliseconds }) => (milliseconds === undefined ? [] : [[en, milliseconds]])));
}
