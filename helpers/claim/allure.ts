import * as allure from "allure-js-commons";
import type { EvidenceItem } from "../evidence/evidence.ts";
import type { World } from "../world/world.ts";
import type { Catalogue, Claim, Expectation } from "./catalogue.ts";
import type { Judgement, Verdict } from "./verdict.ts";

/** What Allure shows of a claim before anything was done. */
export interface ClaimDescription {
  readonly claim: Claim;
  readonly section: Catalogue["sections"][number];
  /** Place of the section and of the claim in the article; the tree sorts by it. */
  readonly place: { readonly section: number; readonly claim: number };
  readonly article: Catalogue["article"];
  readonly world: World;
  readonly expectation: Expectation;
}

/** What Allure shows of a claim once it was judged. */
export interface VerdictReport {
  readonly claim: Claim;
  readonly judgement: Judgement;
  readonly expectation: Expectation;
  /** The observation as stored; empty where there is none. */
  readonly observationText: string;
  readonly evidence: readonly EvidenceItem[];
}

const words: Readonly<Record<Verdict, string>> = {
  holds: "holds: the cluster shows what the article says",
  refuted: "refuted: the cluster shows otherwise",
  external: "external: a feature that is missing here would be needed",
  inconclusive: "inconclusive: it could not be tested",
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
  const number = (value: number) => String(value).padStart(2, "0");
  await allure.epic(article.zh);
  await allure.feature(`${number(place.section)} ${section.zh} · ${section.en}`);
  await allure.story(`${number(place.claim)} ${claim.en}`);
  await allure.testCaseId(claim.id);
  await allure.label("claim", claim.id);
  await allure.label("expected", expectation.verdict);
  await allure.link(expectation.link, "source");
  await allure.parameter("kubernetes", world.kubernetes);
  await allure.parameter("proxyMode", world.proxyMode);
  await allure.parameter("ipFamilies", world.ipFamilies.join("+"));
  await allure.description(
    [
      `> ${claim.quote}`,
      claim.en,
      claim.zh,
      `**Expected: ${expectation.verdict}.** ${expectation.because.en}`,
      expectation.because.zh,
      ...(expectation.since === undefined ? [] : [`Since: ${expectation.since}`]),
      `[source](${expectation.link}) · claim \`${claim.id}\`, row ${claim.ref}`,
    ].join("\n\n"),
  );
}

/** Adds the verdict in words, the evidence and the observation to the running test. Must be called inside a test. */
export async function reportVerdict({
  claim,
  judgement,
  expectation,
  observationText,
  evidence,
}: VerdictReport): Promise<void> {
  await allure.label("verdict", judgement.verdict);
  await allure.label("tag", judgement.verdict);
  await allure.label("surprise", String(judgement.verdict !== expectation.verdict));
  await allure.step(`Verdict – ${words[judgement.verdict]}`, async () => {
    await allure.step(`The article says: ${claim.quote} – ${claim.en}`, () => {});
    if (judgement.verdict === expectation.verdict)
      await allure.step(`The cluster: ${expectation.because.en}`, () => {});
    if (judgement.why !== "") await allure.step(`Seen in this run: ${judgement.why}`, () => {});
    if (expectation.since !== undefined && judgement.verdict === expectation.verdict)
      await allure.step(`Since: ${expectation.since}`, () => {});
  });
  for (const { title, command, text } of evidence) {
    await allure.step(title, async () => {
      await allure.attachment(title, `$ ${command}\n${text}\n`, "text/plain");
    });
  }
  if (observationText !== "") await allure.attachment("observation.json", observationText, "application/json");
}
