import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { execa } from "execa";
import { z } from "zod";
import type { Results } from "../helpers/claim/results.ts";
import { interruption, UserError } from "../helpers/host/errors.ts";
import { main } from "../helpers/host/main.ts";
import { readSettings, type Settings } from "../helpers/host/settings.ts";
import { readLedger } from "../reports/ledger.ts";
import { resultsAt } from "../reports/results.ts";
import { differencesOf, lateWaits } from "../reports/soak.ts";
import { ownCommand } from "./running/own-command.ts";

/**
 * Runs `npm test` many times in a row and compares what came out claim by claim. `--rounds 10` says how often, and in the last
 * `--busy 3` of them each core is kept busy by something else. Waits that came near their limits are listed.
 */
await main(async () => {
  const settings = readSettings();
  const { rounds, busy } = options();
  const interrupt = interruption((line) => process.stdout.write(`${line}\n`));
  const found: Results[] = [];
  const codes: (number | undefined)[] = [];
  for (let round = 1; round <= rounds; round++) {
    const isBusy = round > rounds - busy;
    process.stdout.write(`round ${round} of ${rounds}${isBusy ? ", all cores busy" : ""}\n`);
    const { results, exitCode, seconds } = await run(folderOf(settings, round), isBusy, interrupt);
    process.stdout.write(`  ${Math.round(seconds)} s, exit ${exitCode}\n`);
    if (results === undefined)
      throw new UserError("a run has no results", `look at ${join(folderOf(settings, round), "run.log")}`);
    found.push(results);
    codes.push(exitCode);
  }
  const differing = differencesOf(found);
  for (const line of differing) process.stdout.write(`✗ ${line}\n`);
  const ledgers = Array.from({ length: rounds }, (_, index) => readLedger(folderOf(settings, index + 1)));
  for (const line of lateWaits(ledgers)) process.stdout.write(`${line}\n`);
  const unexpected = found.flatMap(({ claims }) => claims.filter(({ verdict, expected }) => verdict !== expected));
  process.stdout.write(
    `${rounds} runs, ${found[0]?.claims.length} claims: ${differing.length} differ, ${unexpected.length} verdicts are not as expected\n`,
  );
  return differing.length + unexpected.length > 0 ? 1 : codes.every((code) => code === 0) ? 0 : 2;
});

function folderOf({ out }: Settings, round: number): string {
  return join(out, "soak", String(round));
}

async function run(folder: string, isBusy: boolean, interrupt: AbortSignal) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const load = isBusy ? Array.from({ length: availableParallelism() }, spin) : [];
  const begun = performance.now();
  try {
    const { exitCode, all } = await ownCommand(["test"], { KNC_OUT: folder }, interrupt);
    writeFileSync(join(folder, "run.log"), all);
    return {
      results: resultsAt(join(folder, "results.json")),
      exitCode,
      seconds: (performance.now() - begun) / 1000,
    };
  } finally {
    await Promise.all(load.map(({ stop }) => stop()));
  }
}

/** Keeps a core busy as long as this process is there, or until it is stopped. */
function spin(): { stop: () => Promise<unknown> } {
  const script = "for (const parent = process.ppid; process.ppid === parent; );";
  const spinning = execa(process.execPath, ["-e", script], { stdio: "ignore", reject: false });
  return {
    stop: async () => {
      spinning.kill("SIGKILL");
      await spinning;
    },
  };
}

function options(): { rounds: number; busy: number } {
  const usage = "npm run soak -- [--rounds 10] [--busy 3]";
  const Options = z.object({ rounds: z.coerce.number().int().min(2), busy: z.coerce.number().int().min(0) });
  try {
    const { values } = parseArgs({
      options: { rounds: { type: "string", default: "10" }, busy: { type: "string", default: "3" } },
      allowPositionals: false,
    });
    return Options.parse(values);
  } catch (error) {
    const why = error instanceof z.ZodError ? z.prettifyError(error) : (error as Error).message;
    throw new UserError(why.split("\n")[0] ?? "", usage);
  }
}
