import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { execa } from "execa";
import { type Article, readArticle } from "../helpers/article/article.ts";
import type { Results } from "../helpers/claim/results.ts";
import { scoreOf, type WorldsFile, wrongIn } from "../helpers/claim/worlds.ts";
import { engineOfKept } from "../helpers/cluster/lifecycle.ts";
import { keptRun } from "../helpers/cluster/runs.ts";
import { readWorlds, type World } from "../helpers/cluster/worlds.ts";
import { findUserEngine } from "../helpers/engine/engine.ts";
import { interruption, UserError } from "../helpers/host/errors.ts";
import { linePerEntry } from "../helpers/host/json.ts";
import { main } from "../helpers/host/main.ts";
import { projectRoot, readSettings, type Settings } from "../helpers/host/settings.ts";
import { resultsAt, suiteCommit } from "../reports/results.ts";
import { readRecordedWorlds, recordedWorlds } from "../reports/worlds.ts";
import { ownCommand } from "./running/own-command.ts";

/** The group that stands for no change at all. */
const plain = "plain";

/**
 * Judges the claims in worlds that must change nothing: the counterpart of controls. Each group of worlds of
 * fixtures/clusters/worlds.yaml is one run of `npm test`, on a cluster that stays where the group only changes a running one.
 * `--groups a,b` names some, `--quick` takes the first alone, `--list` only names them, and `--record` keeps what came out for
 * the pages of other runs, beside what is kept of other groups.
 */
await main(async () => {
  const settings = readSettings();
  if (settings.kubeconfig !== undefined || settings.worlds.length > 0 || settings.cell !== undefined)
    throw new UserError("the worlds have their own clusters", "leave KNC_KUBECONFIG, KNC_CELL and KNC_WORLDS out");
  const article = readArticle(settings.article);
  const all = readWorlds();
  const { groups, list, record } = options(all);
  if (list) {
    process.stdout.write(`${JSON.stringify(groups)}\n`);
    return 0;
  }
  const engineRuns = (await findUserEngine()) !== undefined || keptRun(settings.cache) !== undefined;
  const worlds = all.filter(({ engine }) => engine === undefined || !engineRuns);
  for (const { id } of all.filter((world) => !worlds.includes(world)))
    process.stdout.write(
      `left out, since an engine runs already, and this world needs it configured otherwise: ${id}\n`,
    );
  const interrupt = interruption((line) => process.stdout.write(`${line}\n`));
  const members = (group: string) => worlds.filter((world) => world.group === group);
  const left = groups.filter((group) => members(group).length > 0);
  const onKept = left.filter((group) => members(group).every(staysOnACluster));
  const ownClusters = left.filter((group) => !onKept.includes(group));
  const made = onKept.length > 0 && keptRun(settings.cache) === undefined;
  if (made) {
    const { exitCode, all } = await ownCommand(["cluster", "up"], {}, interrupt);
    if (exitCode !== 0)
      throw new UserError(
        `no cluster could be made: ${all.split("\n").findLast((line) => line.startsWith("error: ")) ?? ""}`,
        "npm run cluster -- up tells more",
      );
  }
  const judged: WorldsFile["groups"] = [];
  try {
    process.stdout.write(`\n${plain}: no change\n`);
    const before = await judge(plain, [], { article, settings, interrupt });
    if (before.results === undefined || before.results.claims.some(({ verdict, expected }) => verdict !== expected))
      throw new UserError(
        "without any change verdicts are not as expected, so that worlds would show nothing",
        `look at ${before.folder}`,
      );
    const context: Context = { article, plain: before.results, settings, interrupt };
    for (const group of onKept) judged.push(await judgeGroup(group, members(group), context));
    if (made) await ownCommand(["cluster", "down"], {}, interrupt);
    for (const group of ownClusters) judged.push(await judgeGroup(group, members(group), context));
  } finally {
    if (made && keptRun(settings.cache) !== undefined) await ownCommand(["cluster", "down"], {}, undefined);
  }
  return conclude(judged, { all, article, settings, record });
});

function staysOnACluster({ config, engine, environment }: World): boolean {
  return (
    config === undefined && engine === undefined && Object.keys(environment).every((name) => name === "KNC_KUBECONFIG")
  );
}

interface Context {
  readonly article: Article;
  readonly plain: Results;
  readonly settings: Settings;
  readonly interrupt: AbortSignal;
}

async function judgeGroup(
  group: string,
  worlds: readonly World[],
  { article, plain: before, settings, interrupt }: Context,
): Promise<WorldsFile["groups"][number]> {
  process.stdout.write(`\n${group}: ${worlds.map(({ id }) => id).join(", ")}\n`);
  const started = performance.now();
  const { results, exitCode, lastWords, folder } = await judge(group, worlds, { article, settings, interrupt });
  const end = worlds.find(({ ends }) => ends !== undefined)?.ends;
  // Where the machine can do what the world says it cannot, the run is judged as any other.
  const wrong =
    end === undefined || (results !== undefined && exitCode !== 2)
      ? results === undefined
        ? [{ id: "", why: `the run ended with ${exitCode}: ${lastWords}` }]
        : wrongIn({ worlds, results, before, article })
      : exitCode === 2 && new RegExp(end).test(lastWords)
        ? []
        : [{ id: "", why: `the run should end with 2 and say ${end}; it ended with ${exitCode}: ${lastWords}` }];
  const seconds = Math.round((performance.now() - started) / 1000);
  for (const { id, why } of wrong) process.stdout.write(`  ✗ ${id === "" ? group : id}: ${why}\n`);
  const right = (results?.claims ?? []).filter(
    ({ id, verdict }) => verdict !== undefined && !wrong.some((each) => each.id === id),
  );
  process.stdout.write(
    `  ${wrong.length === 0 ? "✓" : "✗"} ${right.length} claims right in ${seconds} s, wrong: ${wrong.length}${wrong.length === 0 ? "" : `; look at ${folder}`}\n`,
  );
  return {
    group,
    commit: suiteCommit(),
    date: new Date().toISOString().slice(0, 10),
    worlds: worlds.map(({ id, what }) => ({ id, what })),
    stayed: right.filter(({ verdict }) => verdict !== "external").map(({ id }) => id),
    external: right.filter(({ verdict }) => verdict === "external").map(({ id }) => id),
    wrong,
    seconds,
  };
}

interface Judged {
  readonly results: Results | undefined;
  readonly exitCode: number | undefined;
  readonly lastWords: string;
  readonly folder: string;
}

/** Runs `npm test` in these worlds; its output is beside its results. */
async function judge(
  group: string,
  worlds: readonly World[],
  { article, settings, interrupt }: Omit<Context, "plain">,
): Promise<Judged> {
  const folder = join(settings.out, "worlds", group);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const scratch = mkdtempSync(join(tmpdir(), "knc-world-"));
  try {
    for (const { prepare } of worlds)
      if (prepare !== undefined)
        await execa("sh", ["-ec", prepare], {
          cwd: projectRoot,
          env: { FOLDER: scratch, NODE: process.execPath, ...(await ofKept(settings, interrupt)) },
        });
    const environment = Object.fromEntries(
      worlds.flatMap((world) =>
        Object.entries(world.environment).map(([name, value]) => [name, value.replaceAll("${folder}", scratch)]),
      ),
    );
    const only = worlds.flatMap(({ id }) => article.worlds[id]?.claims ?? []);
    const selection = only.length === 0 ? ["--tags-filter", "not slow"] : ["-t", `^(${only.join("|")})$`];
    const ids = worlds.map(({ id }) => id).join(",");
    const { exitCode, all } = await ownCommand(
      ["test", ...selection],
      { ...environment, ...(ids === "" ? {} : { KNC_WORLDS: ids }), KNC_OUT: folder },
      interrupt,
    );
    writeFileSync(join(folder, "run.log"), all);
    const lastWords = all.split("\n").findLast((line) => line.startsWith("error: ")) ?? "";
    const results = resultsAt(join(folder, "results.json"));
    return { results: exitCode === 2 && lastWords !== "" ? undefined : results, exitCode, lastWords, folder };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Returns what a script needs in its environment to get at the cluster that stays. */
async function ofKept(settings: Settings, interrupt: AbortSignal): Promise<Record<string, string>> {
  const kept = keptRun(settings.cache);
  if (kept === undefined) return {};
  const engine = await engineOfKept(settings, kept, () => {}, interrupt);
  return { ...engine.environment, KUBECONFIG: kept.kubeconfig, CLUSTER: kept.cluster, ENGINE: engine.program };
}

function conclude(
  groups: WorldsFile["groups"],
  {
    all,
    article,
    settings: { out },
    record,
  }: { all: readonly World[]; article: Article; settings: Settings; record: boolean },
): 0 | 1 {
  const file: WorldsFile = { format: "kind-network-conformance/worlds/1", groups };
  writeFileSync(join(out, "worlds.json"), linePerEntry(file));
  const { worlds, right, wrong } = scoreOf(file);
  process.stdout.write(`\n${worlds} worlds, ${right} verdicts that are right (worlds × claims), wrong: ${wrong}\n`);
  if (record) {
    const isWhole = ({ group, worlds: tried }: (typeof groups)[number]) =>
      tried.length === all.filter((world) => world.group === group).length;
    const right = groups.filter((group) => group.wrong.length === 0 && isWhole(group));
    const recorded = recordedWorlds(article);
    const known = [...right, ...(readRecordedWorlds(article)?.groups ?? [])];
    // In the order of the worlds' file, newer ones in place of the ones recorded.
    const newer = groupsOf(all).flatMap((name) => known.find(({ group }) => group === name) ?? []);
    mkdirSync(dirname(recorded), { recursive: true });
    writeFileSync(recorded, linePerEntry({ ...file, groups: newer }));
    if (right.length < groups.length)
      process.stdout.write("groups that are not whole, or have a wrong verdict, are not recorded\n");
  }
  return wrong === 0 ? 0 : 1;
}

function groupsOf(worlds: readonly World[]): string[] {
  return [...new Set(worlds.map(({ group }) => group))];
}

interface Options {
  readonly groups: readonly string[];
  readonly list: boolean;
  readonly record: boolean;
}

function options(worlds: readonly World[]): Options {
  const all = groupsOf(worlds);
  const usage = "npm run worlds -- [--groups a,b | --quick] [--list] [--record]";
  try {
    const flag = { type: "boolean", default: false } as const;
    const { values } = parseArgs({
      options: { groups: { type: "string" }, quick: flag, list: flag, record: flag },
      allowPositionals: false,
    });
    const named = values.groups?.split(",") ?? (values.quick ? all.slice(0, 1) : all);
    const unknown = named.find((group) => !all.includes(group));
    if (unknown !== undefined) throw new Error(`there is no group ${unknown}: there are ${all.join(", ")}`);
    return { ...values, groups: all.filter((group) => named.includes(group)) };
  } catch (error) {
    throw new UserError((error as Error).message.split("\n")[0] ?? "", usage);
  }
}
