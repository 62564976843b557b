import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type RunnerTestFile, TestRunner } from "vitest";
import { z } from "zod";
import { previousResults } from "../claim/results.ts";
import { readSettings } from "../host/settings.ts";

const Timed = z.object({ claims: z.array(z.object({ en: z.string(), milliseconds: z.number().optional() })) });

/** A claim that takes no longer than this is judged at once. Milliseconds. */
const shortly = 1_000;

/** Ends the names of tests that fail since a spec could not be read. They are run whichever claims were asked for. */
export const unreadable = "cannot be read";

/** Has claims judged in an order in which none that takes long begins last. */
export default class LongestFirst extends TestRunner {
  onCollected(files: readonly RunnerTestFile[]): void {
    const known = durations();
    for (const file of files) {
      file.tasks = longestFirst(file.tasks, known);
      for (const task of file.tasks) if (task.name.endsWith(unreadable)) task.mode = file.mode = "run";
    }
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
  const { article, out } = readSettings();
  const recordings = join(article, "recordings");
  const recorded = existsSync(recordings)
    ? readdirSync(recordings).map((run) => join(recordings, run, "results.json"))
    : [];
  // Of several the last one counts; a run may have been asked for some claims only.
  const files = [...recorded, join(out, previousResults)];
  const claims = files.flatMap((file) => timedClaims(file));
  return new Map(claims.flatMap(({ en, milliseconds }) => (milliseconds === undefined ? [] : [[en, milliseconds]])));
}

/** A file that is not there, or was left half written, tells nothing. */
function timedClaims(file: string): z.infer<typeof Timed>["claims"] {
  try {
    return Timed.parse(JSON.parse(readFileSync(file, "utf8"))).claims;
  } catch {
    return [];
  }
}
