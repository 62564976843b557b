import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { readArticle } from "../../helpers/article/article.ts";
import { UserError } from "../../helpers/host/errors.ts";
import { readSettings } from "../../helpers/host/settings.ts";
import { type ProcessorSample, processorFile, readLedger, sumOf } from "../../reports/ledger.ts";
import { writePages } from "../../reports/pages/pages.ts";
import { resultsAt } from "../../reports/results.ts";
import type { Ledger } from "../../reports/speed.ts";
import { timesPageFile } from "../../reports/words.ts";
import { refuseFailed, refuseKept, rounded, startNpm } from "./npm.ts";
import { ProcessorSampler } from "./processor.ts";

/** Milliseconds between two looks at who uses the processor. */
const betweenSamples = 500;

/** Runs `npm test` once and returns who used the processor in which phase; the run's page of times shows it, too. */
export async function measureLedger(interrupt: AbortSignal): Promise<Ledger> {
  refuseKept();
  const settings = readSettings();
  const { out } = settings;
  const child = startNpm(["test"], interrupt);
  const sampler = new ProcessorSampler(child.pid ?? 0);
  const samples: ProcessorSample[] = [];
  const look = () => samples.push({ at: Date.now(), seconds: sampler.sample(), pods: sampler.pods });
  look();
  const timer = setInterval(look, betweenSamples);
  const result = await child.finally(() => clearInterval(timer));
  look();
  interrupt.throwIfAborted();
  refuseFailed(["test"], result);
  writeFileSync(join(out, processorFile), samples.map((sample) => `${JSON.stringify(sample)}\n`).join(""));
  const results = resultsAt(join(out, "results.json"));
  if (results === undefined) throw new UserError(`${out} has no results`, "run it again");
  writePages(out, results, readArticle(settings.article));
  process.stdout.write(`${join(out, timesPageFile)}\n`);
  return summed(readLedger(out), samples);
}

function summed(entries: ReturnType<typeof readLedger>, samples: readonly ProcessorSample[]): Ledger {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined) throw new RangeError("nobody looked");
  const phases = entries.filter(({ kind }) => kind === "phase");
  const spans = [
    ...phases.map(({ what, begun, lasted }) => ({ name: what, from: begun, to: begun + lasted })),
    { name: "in all", from: first.at, to: last.at },
  ];
  const at = (moment: number) => samples.findLast((sample) => sample.at <= moment) ?? first;
  const { requests, commands } = sumOf(entries);
  return {
    spans: spans.map(({ name, from, to }) => ({ name, seconds: rounded((to - from) / 1000) })),
    users: Object.keys(last.seconds).map((name) => ({
      name,
      seconds: spans.map(({ from, to }) => rounded((at(to).seconds[name] ?? 0) - (at(from).seconds[name] ?? 0))),
    })),
    ...{ requests, commands, pods: last.pods },
  };
}
