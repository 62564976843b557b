import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { readArticle } from "../helpers/article/article.ts";
import type { Results } from "../helpers/claim/results.ts";
import { imageLockFor } from "../helpers/cluster/cells.ts";
import { interruption, UserError } from "../helpers/host/errors.ts";
import { main } from "../helpers/host/main.ts";
import { projectRoot, readSettings, readSettingsOfAll } from "../helpers/host/settings.ts";
import { readRecordedMatrix } from "../reports/matrix.ts";
import { suiteCommit } from "../reports/results.ts";
import { differencesOf } from "../reports/soak.ts";
import { goalsOf, median, type Round, readSpeed, type Speed, speedFile } from "../reports/speed.ts";
import { ledgerTable, speedAsMarkdown, speedAsSvg, speedPicture } from "../reports/speed-page.ts";
import { benchConformance } from "./measuring/conformance.ts";
import { measureLedger } from "./measuring/ledger.ts";
import { measureGrowth, measureKept, measureRound } from "./measuring/rounds.ts";

const usage = "npm run bench -- [--rounds 3 | --kept | --growth | --ledger | --conformance | --page] [--record]";

/**
 * Measures how fast the suite is, as ratios to a bare `kind create cluster --wait` of the same image and configuration: in rounds,
 * unless something else is asked for. `--kept`: on a cluster that is there. `--growth`: by the number of claims, of articles, and of workers.
 * `--ledger`: who uses the processor in one run, and for what. `--record` keeps what was measured, and writes docs/speed.md anew; `--page` only writes it.
 * `--conformance`: the article beside Kubernetes' own conformance tests.
 */
await main(async () => {
  const asked = options();
  if (asked.conformance) return benchConformance();
  if (asked.page) {
    writeSpeedPage();
    return 0;
  }
  const settings = readSettings();
  const article = readArticle(settings.article);
  const interrupt = interruption((line) => process.stderr.write(`${line}\n`));
  const claims = article.claims.filter(({ expect }) => expect !== undefined).map(({ id }) => id);
  const measured: Speed = asked.ledger
    ? { ledger: { ...ofNow(), ...(await measureLedger(interrupt)) } }
    : asked.growth
      ? { growth: { ...ofNow(), ...(await measureGrowth(claims, outsOfAll().length, interrupt)) } }
      : asked.kept
        ? { kept: { ...ofNow(), ...(await measureKept(claims[0] ?? "", asked.rounds, interrupt)) } }
        : { rounds: { ...ofNow(), ...(await rounds(asked.rounds, interrupt)) } };
  for (const { what, goal, unit, values } of goalsOf(measured))
    process.stdout.write(
      `${what}: median ${median(values).toFixed(2)} ${unit}, from ${Math.min(...values).toFixed(2)} to ${Math.max(...values).toFixed(2)}; goal ${goal} ${unit}\n`,
    );
  const { verdicts } = measured.rounds ?? {};
  if (verdicts !== undefined)
    process.stdout.write(`${verdicts.runs} whole runs: ${verdicts.different.length} verdicts differ\n`);
  for (const line of verdicts?.different ?? []) process.stdout.write(`✗ ${line}\n`);
  if (measured.growth !== undefined) process.stdout.write(`${JSON.stringify(measured.growth)}\n`);
  if (measured.ledger !== undefined) process.stdout.write(`${ledgerTable(measured.ledger)}\n`);
  const code = (verdicts?.different ?? []).length > 0 ? 1 : 0;
  if (!asked.record) return code;
  const file = join(article.folder, speedFile);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify({ ...readSpeed(article.folder), ...measured }, undefined, 2)}\n`);
  writeSpeedPage();
  return code;
});

function ofNow() {
  return {
    date: new Date().toISOString().slice(0, 10),
    commit: suiteCommit(),
    kubernetes: imageLockFor(readSettings()).node.kubernetes,
    cores: availableParallelism(),
  };
}

/** Returns the output folders of all articles, the main one's first. */
function outsOfAll(): string[] {
  return readSettingsOfAll({ ...process.env, KNC_ARTICLE: "all" }).map(({ out }) => out);
}

async function rounds(times: number, interrupt: AbortSignal) {
  const outs = outsOfAll();
  const measured: Round[] = [];
  const found: Results[] = [];
  for (let round = 1; round <= times; round++) {
    const { seconds, results } = await measureRound(outs, interrupt);
    measured.push(seconds);
    found.push(...results);
    const said = Object.entries(seconds as Record<string, number>).map(
      ([name, value]) => `${name} ${value.toFixed(1)} s (${(value / seconds.bare).toFixed(2)} ×)`,
    );
    process.stdout.write(`round ${round}: ${said.join(", ")}\n`);
  }
  const byArticle = [...Map.groupBy(found, ({ article }) => article.sha256).values()];
  return {
    rounds: measured,
    verdicts: { runs: byArticle[0]?.length ?? 0, different: byArticle.flatMap((runs) => differencesOf(runs)) },
  };
}

/** The page is of the article that is meant when none is named. */
function writeSpeedPage(): void {
  const { article: folder } = readSettings({});
  const speed = readSpeed(folder);
  const matrix = readRecordedMatrix({ folder });
  const docs = join(projectRoot, "docs");
  writeFileSync(join(docs, "speed.md"), speedAsMarkdown(speed, matrix));
  const picture = speedAsSvg(speed, matrix);
  if (picture !== undefined) writeFileSync(join(docs, speedPicture), picture);
}

function options() {
  const flag = { type: "boolean", default: false } as const;
  try {
    const { values } = parseArgs({
      options: {
        rounds: { type: "string", default: "3" },
        ...{ kept: flag, growth: flag, ledger: flag, conformance: flag, page: flag, record: flag },
      },
      allowPositionals: false,
    });
    const rounds = Number(values.rounds);
    if (!Number.isInteger(rounds) || rounds < 1) throw new Error(`${values.rounds} is no number of rounds`);
    return { ...values, rounds };
  } catch (error) {
    throw new UserError((error as Error).message.split("\n")[0] ?? "", usage);
  }
}
