import { z } from "zod";
import { ExpectedVerdict } from "../article/article.ts";

/** What a check can say of a claim: what can be expected, or `inconclusive` if it should have worked and could not be tested. */
export const Verdict = z.enum([...ExpectedVerdict.options, "inconclusive"]);
export type Verdict = z.infer<typeof Verdict>;

/** Thrown when a check could not be carried out. Its message says what was missing; the verdict is `inconclusive`. */
export class Inconclusive extends Error {
  override name = "Inconclusive";
}

/** Thrown when a feature that the claim needs was probed for and is absent. The verdict is `external`. */
export class NeedsFeature extends Error {
  override name = "NeedsFeature";
}

/** The verdict and the sentence that explains it. */
export interface Judgement {
  readonly verdict: Verdict;
  readonly why: string;
}

/**
 * Returns the judgement of a finished `judge` call: none thrown is `holds`, a failed assertion is `refuted` with the
 * assertion's message, `NeedsFeature` is `external`, and everything else is `inconclusive`, since only positive
 * evidence makes a verdict.
 */
export function judgementOf(judge: () => void): Judgement {
  try {
    judge();
    return { verdict: "holds", why: "" };
  } catch (error) {
    return judgementOfError(error);
  }
}

/** Returns the judgement that a thrown value stands for; see {@link judgementOf}. */
export function judgementOfError(error: unknown): Judgement {
  if (error instanceof NeedsFeature) return { verdict: "external", why: error.message };
  if (isAssertionError(error)) return { verdict: "refuted", why: inPlainWords(firstParagraph(error.message)) };
  if (error instanceof Error)
    return { verdict: "inconclusive", why: `${error.name}: ${firstParagraph(error.message)}` };
  return { verdict: "inconclusive", why: `a value that is no Error was thrown: ${String(error)}` };
}

/**
 * Throws {@link Inconclusive} unless the positive control beside a check passed: without it, silence would look like
 * a refusal and a broken probe like a broken network.
 */
export function positiveControl(passed: boolean, whatShouldHaveWorked: string): asserts passed {
  if (!passed) throw new Inconclusive(`positive control failed: ${whatShouldHaveWorked}`);
}

function isAssertionError(error: unknown): error is Error {
  return error instanceof Error && error.name === "AssertionError";
}

/** How chai tells what was compared, and the same for people who do not write tests. */
const plainWords: readonly (readonly [chai: RegExp, plain: string])[] = [
  [/expected none to not deeply equal none$/, "none, and the sentence needs some"],
  [/expected (.+) (?:not to be|to not deeply equal) \1$/s, "$1, which the sentence rules out"],
  [/expected (.+) to (?:include|contain) (.+)$/s, "$1, without $2"],
  [/expected (.+) to be greater than (.+)$/s, "$1, and the sentence needs more than $2"],
  [/expected (.+) to (?:be|deeply equal) (.+)$/s, "$1, not $2"],
];

/** Returns the message of a failed assertion without what only its makers understand: what was seen, not what it had to be. */
function inPlainWords(message: string): string {
  const text = message
    .replace(/ \/\/ Object\.is equality$/, "")
    .replaceAll(/(?<!\w)\+0(?![\d.])/g, "0")
    .replaceAll(/(?<![\w'])\[\](?![\w.'])/g, "none");
  const [found] = plainWords.flatMap(([chai, plain]) => (chai.test(text) ? [text.replace(chai, plain)] : []));
  return found ?? text;
}

function firstParagraph(message: string): string {
  return (message.split("\n\n")[0] ?? "").trim();
}
