import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { execa } from "execa";
import { z } from "zod";
import { type Article, readArticle } from "../helpers/article/article.ts";
import { wordsOf } from "../helpers/claim/correction.ts";
import { expectationIn, expectedResult, statementResult } from "../helpers/claim/expected.ts";
import {
  type Observations,
  observationsOf,
  recordingVariable,
  recordObservations,
  rejudged,
  rejudgedVariable,
  store,
} from "../helpers/claim/recording.ts";
import { type ClaimResult, type ControlResult, Results } from "../helpers/claim/results.ts";
import { UserError } from "../helpers/host/errors.ts";
import { linePerEntry } from "../helpers/host/json.ts";
import { main } from "../helpers/host/main.ts";
import { projectRoot, readSettings } from "../helpers/host/settings.ts";
import { missingCapability } from "../helpers/world/capabilities.ts";
import { whatIsWrong } from "../reports/results.ts";
import { isWholeAsExpected } from "../reports/runs.ts";
import { vitestOfSpecs } from "./running/vitest.ts";

/** By claims: the places of their observations that no judge looks at. */
const Survivors = z.record(z.string(), z.array(z.string()));
type Survivors = z.infer<typeof Survivors>;

/**
 * Judges a stored run again, without a cluster: by today's judges and expectations, from the observations on disk. `--record` puts
 * a whole run of `npm run controls` into the article's recordings instead, with the list of what its judges do not look at.
 */
await main(async () => {
  const { out, article: articleFolder } = readSettings();
  const article = readArticle(articleFolder);
  const { folder, record } = options();
  // npm changes to the project's folder; what was typed is meant from where it was typed.
  const recording = resolve(process.env["INIT_CWD"] ?? process.cwd(), folder);
  const stored = readResults(recording);
  if (stored.corrected === true)
    throw new UserError("the run judged the corrected text, not the article", "name the output folder of another run");
  if (record && !(isWholeAsExpected(stored) && stored.controls.proven > 0))
    throw new UserError(
      "nothing was recorded: the run is not whole, or not as expected, or its controls were not tried",
      "npm run controls makes one",
    );
  const observations = observationsOf(recording);
  const { judged, unseen } = await judgeAgain(observations, stored, article);
  const after = linePerEntry(Results.parse({ ...stored, claims: judged }));
  const same = after === linePerEntry(stored);
  mkdirSync(out, { recursive: true });
  writeFileSync(join(out, "rejudged.json"), after);
  writeFileSync(join(out, "survivors.json"), linePerEntry(unseen));
  const before = new Map(stored.claims.map((claim) => [claim.id, claim]));
  const changed = judged.flatMap((claim) => differences(before.get(claim.id), claim));
  // Where the verdict is another, all else is too.
  const alike = judged
    .filter((claim) => outcome(before.get(claim.id)) === outcome(claim))
    .flatMap(({ id }) => [id, correctionIn(id)]);
  const unlisted = differencesInSurvivors(alike, listedSurvivors(recording), unseen);
  for (const line of [...changed, ...unlisted]) process.stdout.write(`${line}\n`);
  const count = judged.filter(({ observation }) => observation !== undefined).length;
  const controls = judged.flatMap((claim) => claim.controls).length;
  process.stdout.write(
    `${count} observations of Kubernetes ${stored.world.kubernetes} and ${controls} under a control judged again: ${changed.length} verdicts changed, results ${same ? "byte-identical" : "differ"}\n`,
  );
  if (changed.length > 0 || unlisted.length > 0 || !same) return 1;
  if (record) {
    const kept = join(article.folder, "recordings", stored.world.kubernetes);
    recordObservations(kept, observations);
    store(join(kept, "results.json"), after);
    store(join(kept, "survivors.json"), linePerEntry(unseen));
    process.stdout.write(`recorded: ${kept}\n`);
  }
  return 0;
});

function options(): { readonly folder: string; readonly record: boolean } {
  const way = "npm run rejudge -- reports/out [--record]";
  let parsed: { values: { record: boolean }; positionals: string[] };
  try {
    parsed = parseArgs({ options: { record: { type: "boolean", default: false } }, allowPositionals: true });
  } catch (error) {
    throw new UserError((error as Error).message.split("\n")[0] ?? "", way);
  }
  const [folder, ...others] = parsed.positionals;
  if (folder === undefined || others.length > 0) throw new UserError("which run is to be judged again?", way);
  return { folder, ...parsed.values };
}

/** What a recording lists as looked at by no judge; a run that was not recorded lists nothing. */
function listedSurvivors(recording: string): Survivors | undefined {
  const file = join(recording, "survivors.json");
  return existsSync(file) ? Survivors.parse(JSON.parse(readFileSync(file, "utf8"))) : undefined;
}

function differencesInSurvivors(ids: readonly string[], listed: Survivors | undefined, unseen: Survivors): string[] {
  if (listed === undefined) return [];
  return ids.flatMap((id) => {
    const [before, now] = [new Set(listed[id]), new Set(unseen[id])];
    return [
      ...[...now.difference(before)].map(
        (path) => `✗ ${id}: its judge does not look at ${path}, and is not known for that`,
      ),
      ...[...before.difference(now)].map((path) => `✗ ${id}: its judge looks at ${path}, and is not known for that`),
    ];
  });
}

function readResults(recording: string): Results {
  const file = join(recording, "results.json");
  if (!existsSync(file)) throw new UserError(`${file} is not there`, "name the output folder of a run");
  try {
    return Results.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch (error) {
    throw new UserError(`${file}: ${whatIsWrong(error)}`, "name the output folder of a run of this version");
  }
}

/** The claims as they are judged now, and by their ids what of each observation could be anything. */
interface JudgedAgain {
  readonly judged: readonly ClaimResult[];
  readonly unseen: Survivors;
}

async function judgeAgain(observations: Observations, stored: Results, article: Article): Promise<JudgedAgain> {
  const folder = mkdtempSync(join(tmpdir(), "rejudge-"));
  try {
    recordObservations(join(folder, "run"), observations);
    const [program, ...words] = vitestOfSpecs();
    const result = await execa(program, words, {
      cwd: projectRoot,
      // The variables of a vitest that runs this command are none of its business.
      extendEnv: false,
      env: {
        PATH: process.env["PATH"],
        KNC_ARTICLE: article.folder,
        [recordingVariable]: join(folder, "run"),
        [rejudgedVariable]: folder,
      },
      reject: false,
      all: true,
      stdin: "ignore",
    });
    if (result.failed) throw new Error(`the specs could not be judged again:\n${result.all}`);
    const catalogue = new Map(article.claims.map((claim) => [claim.id, claim]));
    const unseen: Survivors = {};
    const judged = stored.claims.map((claim) => {
      const entry = catalogue.get(claim.id);
      if (entry === undefined)
        throw new UserError(`the catalogue has no claim ${claim.id} any more`, "record a run anew");
      if (entry.excluded !== undefined) return claim;
      const { since: _, instead: __, tried: ___, note: ____, repeats: _____, correction: ______, ...rest } = claim;
      const again = rejudged(folder, claim.id);
      const expectation = expectationIn(entry, stored.world, missingCapability(entry.needs, stored.world));
      const correction = expectation.verdict === "refuted" ? again?.corrections[wordsOf(expectation)] : undefined;
      if (again !== undefined && again.survivors.length > 0) unseen[claim.id] = again.survivors;
      if (correction !== undefined && correction.survivors.length > 0)
        unseen[correctionIn(claim.id)] = correction.survivors;
      return {
        ...rest,
        ...statementResult(entry, article),
        ...again?.untouched,
        ...(again === undefined ? {} : { deciding: again.deciding }),
        ...(correction === undefined ? {} : { correction: correction.untouched }),
        controls: claim.controls.map((control) =>
          again === undefined ? control : { ...controlAgain(control, again), ...under(correction) },
        ),
        ...expectedResult(expectation),
      };
    });
    return { judged, unseen };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A control that was proven is judged again too: what was seen under it has to turn the verdict still. */
function controlAgain(control: ControlResult, { untouched, changed }: Again): ControlResult {
  if (!control.proven || changed === undefined) return control;
  const turned = untouched.verdict === "holds" ? "refuted" : "holds";
  return { ...control, proven: changed.verdict === turned, verdict: changed.verdict, why: changed.why };
}

type Again = NonNullable<ReturnType<typeof rejudged>>;

/** What a control did to the correction. */
function under(correction: Again["corrections"][string] | undefined): Pick<ControlResult, "correction"> {
  return correction?.changed === undefined ? {} : { correction: correction.changed };
}

/** The name in the list of survivors under which those of a claim's correction stand. */
function correctionIn(id: string): string {
  return `${id}, corrected`;
}

function differences(before: ClaimResult | undefined, after: ClaimResult): string[] {
  const because = (why: string | undefined) => (why === undefined || why === "" ? [] : [`    ${why}`]);
  const [was, is] = [before?.controls[0], after.controls[0]];
  return [
    ...(outcome(after) === outcome(before)
      ? []
      : [[`✗ ${after.id}: was ${outcome(before)}, is ${outcome(after)}`, ...because(after.why)].join("\n")]),
    ...(was?.verdict === is?.verdict
      ? []
      : [[`✗ ${after.id}, if ${is?.name}: was ${was?.verdict}, is ${is?.verdict}`, ...because(is?.why)].join("\n")]),
    ...(before?.correction?.verdict === after.correction?.verdict
      ? []
      : [
          [
            `✗ ${correctionIn(after.id)}: was ${before?.correction?.verdict}, is ${after.correction?.verdict}`,
            ...because(after.correction?.why),
          ].join("\n"),
        ]),
    ...(was?.correction === is?.correction
      ? []
      : [`✗ ${correctionIn(after.id)}, if ${is?.name}: was ${was?.correction}, is ${is?.correction}`]),
  ];
}

function outcome(claim: ClaimResult | undefined): string {
  const { verdict = "without a verdict", expected = "nothing" } = claim ?? {};
  return verdict === expected ? verdict : `${verdict} (expected ${expected})`;
}
