import { z } from "zod";
import { ExpectedVerdict } from "../article/article.ts";
import { StoredLanguages, withTexts } from "../article/languages.ts";
import { Verdict } from "./verdict.ts";
import { World } from "./world.ts";

const Texts = withTexts({ en: z.string() }).describe("in English, and in further languages under their tags");

/** A value of an observation without which the verdict would be another. */
export const Deciding = z.strictObject({
  place: z
    .string()
    .optional()
    .describe("in the observation, as `nodes[].answer.outcome`; absent where the check took the value out of a text"),
  value: z.string(),
});
export type Deciding = z.infer<typeof Deciding>;

/** Whether the correction of a sentence is right. */
export const CorrectionResult = z.strictObject({
  verdict: Verdict.describe("holds: the correction is right here; by the claim's own observation"),
  why: z.string().describe("what was seen otherwise; empty where the correction holds"),
  deciding: z
    .array(Deciding)
    .describe("values of the observation; with another in the place of one, the correction is wrong"),
});
export type CorrectionResult = z.infer<typeof CorrectionResult>;

/** What came of the change that has to turn a claim's verdict. */
export const ControlResult = z.strictObject({
  name: z.string().describe("what was changed"),
  live: z.boolean().describe("true: the cluster was changed; false: the observation was"),
  proven: z
    .boolean()
    .describe("the verdict was as expected before, the opposite under the change, and as before again"),
  verdict: Verdict.describe("under the change"),
  why: z.string().describe("what was seen under the change, or why nothing is proven"),
  correction: Verdict.optional().describe(
    "of the claim's correction under the change: refuted where it is the opposite of the claim, holds where both can be right",
  ),
  turned: z.array(z.string()).describe("sentinel claims whose verdict changed with it"),
  milliseconds: z.int().nonnegative(),
});
export type ControlResult = z.infer<typeof ControlResult>;

/** What a run found out about one claim. Paths are relative to the results file. */
export const ClaimResult = withTexts({
  id: z.string(),
  ref: z.int(),
  section: z.string(),
  quote: z.string(),
  en: z.string().describe("what the quote says; in further languages under their tags (BCP 47), zh for zh-Hant"),
  tried: Texts.optional().describe("what the check does to find out; there where the claim is refuted somewhere"),
  needs: z.array(z.string()),
  excluded: z.string().optional().describe("why there is nothing to check; such a claim has no verdict"),
  verdict: Verdict.optional(),
  expected: ExpectedVerdict.optional(),
  why: z.string().optional().describe("what this run saw, in a sentence; empty where the claim simply holds"),
  because: Texts.optional().describe("the known reason for the expected verdict"),
  instead: Texts.optional().describe(
    "what the article could say in the quote's place, where it is expected to be refuted",
  ),
  correction: CorrectionResult.optional().describe(
    "whether what it could say is right, where the claim is expected to be refuted; absent in older results and where the check does not judge it",
  ),
  note: Texts.optional().describe("what to know beside a sentence that is expected to hold"),
  repeats: z
    .string()
    .optional()
    .describe("the claim whose sentence says the same: the two count as one sentence, and it has the correction"),
  since: z.string().optional().describe("the version or date since which the expected verdict is what it is"),
  link: z.url().optional(),
  standIns: z.array(z.string()).default([]).describe("what was used instead of what the article speaks of"),
  milliseconds: z.int().nonnegative().optional(),
  observation: z.string().optional(),
  deciding: z
    .array(Deciding)
    .optional()
    .describe("values of the observation; with another in the place of one, the verdict is another"),
  evidence: z.array(z.string()),
  controls: z.array(ControlResult).describe("empty where `npm run controls` was not part of the run"),
});
export type ClaimResult = z.infer<typeof ClaimResult>;

/** A phase of the run and how long it took. */
export const Phase = z.strictObject({ name: z.string(), milliseconds: z.int().nonnegative() });
export type Phase = z.infer<typeof Phase>;

/** The machine-readable result of a run; published as `reports/results.schema.json`. */
export const Results = z.strictObject({
  format: z.literal("kind-network-conformance/results/1"),
  suite: z.strictObject({ version: z.string(), commit: z.string() }),
  article: Texts.extend({
    languages: StoredLanguages.default(["zh-Hant", "en"]).describe(
      "BCP 47 tags, the text's own first; absent in older results, which are in zh-Hant and en",
    ),
    date: z.string(),
    sha256: z.string(),
  }),
  sections: z.array(Texts.extend({ id: z.string() })),
  coverage: z
    .strictObject({ characters: z.int(), percent: z.number() })
    .describe("of the article's letters and digits"),
  started: z.iso.datetime(),
  finished: z.iso.datetime(),
  complete: z.boolean().describe("false where the run ended before every claim had its result"),
  selection: z.string().describe("which claims were asked for; empty means all"),
  corrected: z
    .literal(true)
    .optional()
    .describe("there where the text that was judged is the article with its corrections in place"),
  world: World,
  phases: z.array(Phase),
  controls: z
    .strictObject({
      executed: z.int().nonnegative().describe("claims that hold or are refuted here"),
      proven: z.int().nonnegative().describe("of these, claims whose check was proven to be able to say the opposite"),
      live: z.int().nonnegative().describe("of these, by a change to the cluster"),
    })
    .describe("zeros but for `executed` where `npm run controls` was not part of the run"),
  claims: z.array(z.preprocess(withoutAttempts, ClaimResult)),
});
export type Results = z.infer<typeof Results>;

/** Older results counted each claim's evidence, by that name. */
function withoutAttempts(claim: unknown): unknown {
  if (typeof claim !== "object" || claim === null || !("attempts" in claim)) return claim;
  const { attempts: _, ...rest } = claim;
  return rest;
}

/** The file to which a run's results are moved when the next one begins in the same folder. */
export const previousResults = "previous-results.json";

/**
 * How a run ends: 0 all verdicts as expected, 1 a verdict is not, 2 something could not be tested. Where nothing holds or is
 * refuted, nothing was tested; a cell can say in advance that this may be so.
 */
export function exitCodeOf({
  claims,
  complete,
  world,
}: Pick<Results, "claims" | "complete"> & { readonly world: Pick<World, "mayNotStart" | "proxyFailure"> }): 0 | 1 | 2 {
  const judged = claims.filter(({ excluded, verdict }) => excluded === undefined && verdict !== undefined);
  if (judged.some(({ verdict, expected }) => verdict !== "inconclusive" && verdict !== expected)) return 1;
  if (!complete || judged.length === 0 || judged.some(({ verdict }) => verdict === "inconclusive")) return 2;
  const announced = world.mayNotStart === true && world.proxyFailure !== undefined;
  return announced || judged.some(({ verdict }) => verdict !== "external") ? 0 : 2;
}

/** Returns how many checks were proven to be able to fail, of those that were executed. */
export function controlScoreOf(claims: readonly Pick<ClaimResult, "verdict" | "controls">[]): Results["controls"] {
  const executed = claims.filter(({ verdict }) => verdict === "holds" || verdict === "refuted");
  const proven = executed.filter(({ controls }) => controls.some((control) => control.proven));
  const live = proven.filter(({ controls }) => controls.some((control) => control.proven && control.live));
  return { executed: executed.length, proven: proven.length, live: live.length };
}
