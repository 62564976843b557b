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

/** Has claims judged in an order in which none that takes long begins last: those first that take no time, then the longest. */
export default class LongestFirst extends TestRunner {
  onCollected(files: readonly RunnerTestFile[]): void {
    const known = durations();
    const place = ({ name }: { readonly name: string }) => {
      const milliseconds = known.get(name) ?? 0;
      return milliseconds <= shortly ? Number.NEGATIVE_INFINITY : -milliseconds;
    };
    // Tests of which the places are the same stay in the article's order.
    for (const { tasks } of files) tasks.sort((a, b) => (place(a) === place(b) ? 0 : place(a) - place(b)));
  }
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
