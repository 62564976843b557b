import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { type Article, type Claim } from "../helpers/article/article.ts";
import { coverageOf } from "../helpers/article/coverage.ts";
import { statementResult } from "../helpers/claim/expected.ts";
import { ClaimResult, controlScoreOf, Phase, previousResults, Results } from "../helpers/claim/results.ts";
import { World } from "../helpers/claim/world.ts";
import { UserError } from "../helpers/host/errors.ts";
import { projectRoot } from "../helpers/host/settings.ts";

/** Returns what tells an article's text from every other one: its SHA-256, in hexadecimal. */
export function textDigest({ text }: Pick<Article, "text">): string {
  return createHash("sha256").update(text).digest("hex");
}

/** The file that says how many tests of claims ended. */
export const testsFile = "tests.json";

/** What was asked for, and when; written when a run begins. */
export const RunFile = z.strictObject({
  started: z.iso.datetime(),
  selection: z.string(),
  claims: z.int().describe("that the article has and that are checked"),
  corrected: z.literal(true).optional().describe("there where the corrected text is judged"),
});

/**
 * Puts a run's results together from what is on disk, writes them to `results.json` and returns them: every claim of
 * the catalogue in its order, those that never got a verdict without one. Where the run was asked for some claims
 * only, just those that ran.
 *
 * @throws UserError naming the file that is missing, malformed or about a claim that the catalogue does not have
 */
export function collectResults(out: string, article: Article): Results {
  const run = read(out, "run.json", RunFile);
  const judged = new Map(
    claimFiles(out)
      .map((file) => read(out, file, ClaimResult))
      .map((claim) => [claim.id, claim]),
  );
  for (const id of judged.keys()) {
    if (!article.claims.some((claim) => claim.id === id)) throw broken(out, `claims/${id}.json`, "no such claim");
  }
  const { characters, percent } = coverageOf(article);
  const whole = run.selection === "";
  const wanted = whole ? article.claims : article.claims.filter(({ id }) => judged.has(id));
  const claims = wanted.map((claim) => judged.get(claim.id) ?? withoutVerdict(claim, article));
  const { version } = JSON.parse(readFileSync(join(projectRoot, "package.json"), "utf8")) as { version: string };
  const results = Results.parse({
    format: "kind-network-conformance/results/1",
    suite: { version, commit: suiteCommit() },
    article: {
      ...article.title,
      languages: [...article.languages],
      date: article.date,
      sha256: textDigest(article),
    },
    sections: article.sections,
    coverage: { characters, percent },
    started: run.started,
    finished: lastChange(out, ["run.json", ...claimFiles(out)]).toISOString(),
    complete: whole
      ? article.claims.every(({ id, excluded }) => excluded !== undefined || judged.has(id))
      : testsRun(out) === judged.size,
    selection: run.selection,
    ...(run.corrected === undefined ? {} : { corrected: run.corrected }),
    world: read(out, "world.json", World),
    phases: read(out, "phases.json", z.array(Phase)),
    controls: controlScoreOf(claims),
    claims,
  } satisfies Results);
  writeFileSync(join(out, "results.json"), `${JSON.stringify(results, undefined, 2)}\n`);
  return results;
}

function read<Schema extends z.ZodType>(out: string, file: string, schema: Schema): z.infer<Schema> {
  try {
    return schema.parse(JSON.parse(readFileSync(join(out, file), "utf8")));
  } catch (error) {
    throw broken(out, file, whatIsWrong(error));
  }
}

/** Returns in a line why a file of a run could not be read: the first field that does not fit, or what JSON says of it. */
export function whatIsWrong(error: unknown): string {
  const issue = error instanceof z.ZodError ? error.issues[0] : undefined;
  const what = issue === undefined ? (error as Error).message : `${issue.path.join(".")}: ${issue.message}`;
  return what.split("\n")[0] ?? "";
}

function broken(out: string, file: string, what: string): UserError {
  return new UserError(`${join(out, file)}: ${what}`, "run npm test to get results that fit this version");
}

function claimFiles(out: string): string[] {
  const folder = join(out, "claims");
  return existsSync(folder) ? readdirSync(folder).map((name) => `claims/${name}`) : [];
}

function lastChange(out: string, files: readonly string[]): Date {
  return new Date(Math.max(...files.map((file) => statSync(join(out, file)).mtimeMs)));
}

/** How many tests of claims a run has ended, skipped ones aside; written when it ends. */
export const TestsFile = z.strictObject({ run: z.int().nonnegative() });

/** Returns how many tests of claims ended; undefined where the run did not get to write it. */
function testsRun(out: string): number | undefined {
  return existsSync(join(out, testsFile)) ? read(out, testsFile, TestsFile).run : undefined;
}

function withoutVerdict(claim: Claim, article: Article): ClaimResult {
  return {
    ...statementResult(claim, article),
    ...(claim.excluded === undefined ? {} : { excluded: claim.excluded }),
    standIns: [],
    evidence: [],
    controls: [],
  };
}

/** Returns the results in a file; undefined where it is not there, is of another version of the suite, or was left half written. */
export function resultsAt(file: string): Results | undefined {
  if (!existsSync(file)) return undefined;
  try {
    return Results.safeParse(JSON.parse(readFileSync(file, "utf8"))).data;
  } catch {
    return undefined;
  }
}

/** Returns the phases of the run before in the same folder, if it was asked for the same claims: so long this one may take. */
export function usualPhases(out: string, selection: string): readonly Phase[] {
  const before = resultsAt(join(out, previousResults));
  return before?.selection === selection ? before.phases : [];
}

/** Returns the commit of the project's own repository, or `unknown`: one around it says nothing about the suite. */
export function suiteCommit(): string {
  try {
    return execFileSync("git", ["--git-dir=.git", "rev-parse", "HEAD"], {
      cwd: projectRoot,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  } catch {
    return "unknown";
  }
}
