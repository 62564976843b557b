import { createHash } from "node:crypto";
import type { Log, Region, ReportingDescriptor, Result } from "sarif";
import type { Article } from "../../helpers/article/article.ts";
import type { ClaimResult, Results } from "../../helpers/claim/results.ts";
import { worldInWords } from "../../helpers/claim/world.ts";
import { regionsOf } from "../places.ts";
import { correctionOf } from "../sentences.ts";
import { inSourceLanguage } from "../words.ts";
import { findingsOf } from "./findings.ts";

/**
 * Returns what a run found in the article, as SARIF 2.1.0 (OASIS): a result for each sentence that misleads, has to be known more of, or
 * came out otherwise than expected, at its place in the text; its rule is the claim. Programs that compare runs know a result
 * again by its fingerprint, which depends on the claim and its words alone.
 *
 * @param file of the article's text, relative to the repository's top
 */
export function sarifOf(results: Results, article: Article, file: string): Log {
  const findings = findingsOf(results);
  const { kubernetes, proxyMode, ipFamilies } = results.world;
  return {
    version: "2.1.0",
    $schema: "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
    runs: [
      {
        tool: {
          driver: {
            name: "kind-network-conformance",
            version: results.suite.version,
            rules: findings.map(({ claim }) => ruleOf(claim, article)),
          },
        },
        automationDetails: {
          // GitHub takes it for the category: each has its own results.
          id: `kind-network-conformance/${article.id}/${kubernetes}-${proxyMode}-${ipFamilies.join("-")}/`,
          description: { text: `${results.article.en}: ${worldInWords(results.world)}` },
        },
        columnKind: "utf16CodeUnits",
        originalUriBaseIds: { "%SRCROOT%": { description: { text: "the top of the repository" } } },
        results: findings.map(({ claim, level, text }, ruleIndex): Result => {
          const [first, ...others] = regionsOf(claim.id, article);
          const location = (region: Region) => ({
            physicalLocation: { artifactLocation: { uri: file, uriBaseId: "%SRCROOT%" }, region },
          });
          return {
            ruleId: claim.id,
            ruleIndex,
            level,
            // Only what failed may have another level than none (3.27.10).
            kind: level === "none" ? "review" : "fail",
            message: { text },
            locations: [location({ ...first, snippet: { text: claim.quote } })],
            ...(others.length === 0
              ? {}
              : { relatedLocations: others.map((place, id) => ({ id, ...location(place) })) }),
            partialFingerprints: { "claimAndQuote/v1": fingerprint(claim) },
            properties: { verdict: claim.verdict, expected: claim.expected, since: claim.since },
          };
        }),
      },
    ],
  };
}

function ruleOf(claim: ClaimResult, article: Article): ReportingDescriptor {
  const { id, en, because, note, since, tried, link } = claim;
  const instead = correctionOf(claim);
  const help = [
    because?.en,
    instead === undefined ? undefined : `It could say: ${inSourceLanguage(instead, article)}`,
    note?.en,
    tried === undefined ? undefined : `How one knows: ${tried.en}`,
    since === undefined ? undefined : `Since: ${since}`,
  ].filter((text) => text !== undefined);
  return {
    id,
    shortDescription: { text: en },
    fullDescription: { text: because?.en ?? en },
    help: { text: help.join("\n\n") || en },
    ...(link === undefined ? {} : { helpUri: link }),
  };
}

/** Returns what stays the same however the text around the words is edited. */
function fingerprint({ id, quote }: ClaimResult): string {
  return createHash("sha256").update(`${id}\n${quote}`).digest("hex").slice(0, 32);
}
