import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type RunnerTestFile, TestRunner } from "vitest";
import { previousResults } from "../claim/results.ts";
import { readContext } from "../cluster/context.ts";
import { readSettings } from "../host/settings.ts";

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

/** Returns how long each claim took, by its sentence: in the run before in the same folder, else in the article's recorded one. */
function durations(): Map<string, number> {
  const { article } = readSettings();
  const recordings = join(article, "recordings");
  const recorded = existsSync(recordings)
    ? readdirSync(recordings).map((run) => join(recordings, run, "results.json"))
    : [];
  const file = [join(readContext().out, previousResults), ...recorded].find((each) => existsSync(each));
  if (file === undefined) return new Map();
  const { claims } = JSON.parse(readFileSync(file, "utf8")) as { claims: { en: string; milliseconds?: number }[] };
  return new Map(claims.map(({ en, milliseconds = 0 }) => [en, milliseconds]));
}
