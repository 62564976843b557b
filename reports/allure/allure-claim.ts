import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as allure from "allure-js-commons";
import { Status } from "allure-js-commons";
import { furtherTexts } from "../../helpers/article/languages.ts";
import type { ClaimDescription, VerdictReport } from "../../helpers/claim/report.ts";
import type { Verdict } from "../../helpers/claim/verdict.ts";
import { inSourceLanguage, joined } from "../words.ts";

const words: Readonly<Record<Verdict, string>> = {
  holds: "Holds: the cluster does what the article says",
  refuted: "Refuted: the cluster does not do what the article says",
  external: "Not to be seen here: a feature that is missing would be needed",
  inconclusive: "Inconclusive: it could not be tested",
};

/** Gives the running test its place in the report, the quoted sentence on top. Must be called inside a test. */
export async function describeClaim({
  claim,
  section,
  place,
  article,
  world,
  expectation,
}: ClaimDescription): Promise<void> {
  await allure.epic(inSourceLanguage(article.title, article));
  // Allure sorts by name, digit by digit: hence the leading zeros.
  await allure.feature(`${String(place.section).padStart(2, "0")} ${joined(section, article.languages, " · ")}`);
  await allure.story(`${String(place.claim).padStart(3, "0")} ${claim.en}`);
  await allure.testCaseId(claim.id);
  await allure.label("claim", claim.id);
  await allure.label("verdict-expected", expectation.verdict);
  // Whoever follows the article goes wrong where it is wrong.
  await allure.severity(expectation.verdict === "refuted" ? "critical" : "normal");
  await allure.link(expectation.link, "source");
  await allure.parameter("kubernetes", world.kubernetes);
  await allure.parameter("proxyMode", world.proxyMode);
  await allure.parameter("ipFamilies", world.ipFamilies.join("+"));
  await allure.description(
    [
      literally(claim.quote).replaceAll(/^/gm, "> "),
      literally(claim.en),
      ...furtherTexts(claim, article.languages).map(literally),
      `**Expected: ${expectation.verdict}.** ${literally(expectation.because.en)}`,
      ...furtherTexts(expectation.because, article.languages).map(literally),
      ...(expectation.note === undefined
        ? []
        : [
            `**Note.** ${literally(expectation.note.en)}`,
            ...furtherTexts(expectation.note, article.languages).map(literally),
          ]),
      ...(expectation.since === undefined ? [] : [`Since: ${literally(expectation.since)}`]),
      `[source](${expectation.link}) · claim \`${claim.id}\`, row ${claim.ref}`,
    ].join("\n\n"),
  );
}

/** Adds the verdict in words, the evidence and the observation to the running test. Must be called inside a test. */
export async function reportVerdict({
  claim,
  judgement,
  expectation,
  observation,
  evidence,
  out,
  controls = [],
}: VerdictReport): Promise<void> {
  const expected = judgement.verdict === expectation.verdict;
  await allure.label("verdict", judgement.verdict);
  await allure.tag(judgement.verdict);
  for (const standIn of evidence.standIns) await allure.label("stand-in", standIn);
  await allure.step(`${words[judgement.verdict]}${expected ? ", as expected" : ""}`, async () => {
    await allure.logStep(`The article says: 「${claim.quote}」 ${claim.en}`);
    if (expected) await allure.logStep(`The cluster: ${expectation.because.en}`);
    for (const standIn of evidence.standIns) await allure.logStep(`With a stand-in: ${standIn}`);
    if (judgement.why !== "") await allure.logStep(`Seen in this run: ${judgement.why}`);
    if (!expected)
      await allure.logStep(`Expected was: ${expectation.verdict}. ${expectation.because.en}`, Status.FAILED);
    if (expected && expectation.note !== undefined) await allure.logStep(`Note: ${expectation.note.en}`);
    if (expectation.since !== undefined) await allure.logStep(`Since: ${expectation.since}`);
  });
  for (const { name, live, proven, verdict, why, turned } of controls) {
    await allure.label("control", proven ? "proven" : "not proven");
    await allure.step(`Control: what if ${name}? ${proven ? `Then it is ${verdict}` : "Not proven"}`, async () => {
      await allure.logStep(live ? "The cluster was changed" : "The observation was altered");
      await allure.logStep(`Seen under the change: ${why}`, proven ? Status.PASSED : Status.FAILED);
      if (turned.length > 0) await allure.logStep(`Turned with it: ${turned.join(", ")}`);
    });
  }
  const besides = evidence.items.flatMap(({ attachments }) => attachments);
  for (const { name, file } of besides.filter(({ type }) => type.startsWith("image/")))
    await allure.attachmentPath(name, join(out, file), "image/svg+xml");
  const whole = [...(observation === undefined ? [] : [observation]), ...besides.map(({ file }) => file)];
  const text = transcriptOf(evidence, out) + whole.map((file) => `# beside this report: ${file}\n`).join("");
  if (text !== "") await allure.attachment("what was done", text, "text/plain");
}

/** So many characters of an output are in the report, which is one file; all of it lies beside. */
const mostCharacters = 500;

/** Returns what was done, and the beginning of what came of it. */
function transcriptOf({ items }: VerdictReport["evidence"], out: string): string {
  const pieces = items.map(({ file }) => {
    const text = readFileSync(join(out, file), "utf8");
    if (text.length <= mostCharacters) return `${text.trimEnd()}\n`;
    const line = text.lastIndexOf("\n", mostCharacters);
    const shown = text.slice(0, line === -1 ? mostCharacters : line);
    return `${shown}\n… ${text.length - shown.length} more characters: ${file}\n`;
  });
  return pieces.map((piece) => `${piece}\n`).join("");
}

/** Returns Markdown that shows the text as it is. */
function literally(text: string): string {
  return text
    .replaceAll(/[\\`*_[\]<>&|~]/g, "\\$&")
    .replaceAll(/^(\s*)([#+-]|\d+(?=[.)]))/gm, (_match, space, mark: string) =>
      /\d/.test(mark) ? `${space}${mark}\\` : `${space}\\${mark}`,
    );
}
