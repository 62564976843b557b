import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { readArticle } from "../helpers/article/article.ts";
import {
  type ConformanceList,
  conformanceCoverage,
  conformanceFile,
  conformanceListAsYaml,
  conformanceListOf,
  conformanceSource,
  networkTestsIn,
  untagged,
} from "../helpers/article/conformance.ts";
import { interruption, UserError } from "../helpers/host/errors.ts";
import { main } from "../helpers/host/main.ts";
import { projectRoot, readSettings, type Settings } from "../helpers/host/settings.ts";
import { moduleSource } from "../helpers/source/go.ts";
import { conformanceAsMarkdown } from "../reports/conformance.ts";

const usage = "npm run conformance [-- --kubernetes v1.37.0]";

/**
 * Writes the page on which of Kubernetes' conformance tests the article's claims cover; with `--kubernetes`, takes the list of
 * that version's tests first, and tells what is new and what is gone.
 */
await main(async () => {
  const settings = readSettings();
  const article = readArticle(settings.article);
  const version = versionAsked();
  if (version !== undefined) await takeList(settings, version);
  const list = conformanceListOf(article.folder);
  if (list === undefined)
    throw new UserError(`${basename(article.folder)} has no ${conformanceFile}`, `${usage} makes it`);
  const docs = join(projectRoot, "docs");
  writeFileSync(join(docs, "conformance.md"), conformanceAsMarkdown(article, list, docs));
  const { tests, unknown } = conformanceCoverage(article, list);
  const open = tests.filter(({ by }) => by.length === 0);
  process.stdout.write(`${tests.length - open.length} of ${tests.length} tests of ${list.kubernetes} are covered\n`);
  for (const { test } of open) process.stdout.write(`  by no claim: ${untagged(test)}\n`);
  for (const name of unknown) process.stdout.write(`  no such test, which a claim covers: ${name}\n`);
  return unknown.length === 0 && open.length === 0 ? 0 : 1;
});

function versionAsked(): string | undefined {
  try {
    const { kubernetes } = parseArgs({ options: { kubernetes: { type: "string" } }, allowPositionals: false }).values;
    if (kubernetes !== undefined && !/^v\d+\.\d+\.\d+(-[\w.]+)?$/.test(kubernetes))
      throw new Error(`--kubernetes ${kubernetes} is no version of Kubernetes`);
    return kubernetes;
  } catch (error) {
    throw new UserError((error as Error).message.split("\n")[0] ?? "", usage);
  }
}

/** Fetches Kubernetes' source and keeps its list of tests in the article's folder. @throws UserError where that cannot be had */
async function takeList({ article, cache }: Settings, kubernetes: string): Promise<void> {
  const before = conformanceListOf(article)?.tests.map(untagged) ?? [];
  process.stderr.write(`fetching k8s.io/kubernetes ${kubernetes}\n`);
  const interrupt = interruption((line) => process.stderr.write(`${line}\n`));
  const file = join(await moduleSource("k8s.io/kubernetes", kubernetes, cache, interrupt), conformanceSource);
  if (!existsSync(file)) throw new UserError(`Kubernetes ${kubernetes} has no ${conformanceSource}`, usage);
  const list: ConformanceList = { kubernetes, tests: networkTestsIn(readFileSync(file, "utf8")) };
  writeFileSync(join(article, conformanceFile), conformanceListAsYaml(list));
  const after = list.tests.map(untagged);
  for (const name of after.filter((each) => !before.includes(each))) process.stdout.write(`  new: ${name}\n`);
  for (const name of before.filter((each) => !after.includes(each))) process.stdout.write(`  gone: ${name}\n`);
}
