import { readFileSync } from "node:fs";
import semver from "semver";
import { parse } from "yaml";
import { z } from "zod";
import { UserError } from "../host/errors.ts";

const articleFile = new URL("../../fixtures/article/day-5.md", import.meta.url);
const claimsFile = new URL("../../fixtures/article/claims.yaml", import.meta.url);

const kebabCase = z.string().regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, "must be kebab-case");
const range = z.string().refine((text) => semver.validRange(text) !== null, "must be a semver range such as '>=1.26'");

/**
 * What can be known of a claim in advance.
 *
 * - `holds`: the cluster shows what the article says
 * - `refuted`: the cluster shows the opposite
 * - `external`: a named feature that this machine, kernel or cluster lacks would be needed; it was probed for first
 */
export const ExpectedVerdict = z.enum(["holds", "refuted", "external"]);
export type ExpectedVerdict = z.infer<typeof ExpectedVerdict>;

/** Under which conditions an expectation applies; all that are given must hold. */
const Condition = z.strictObject({
  kubernetes: range.optional(),
  proxyMode: z.enum(["iptables", "ipvs", "nftables", "userspace", "none"]).optional(),
  ipFamily: z.enum(["ipv4", "ipv6", "dual"]).optional(),
  cni: z.string().optional(),
  workers: z.enum(["none", "one", "several"]).optional(),
  networkPolicies: z.boolean().optional().describe("whether the kindnetd that runs knows network policies"),
});
export type Condition = z.infer<typeof Condition>;

const Expectation = z
  .strictObject({
    when: Condition.optional(),
    verdict: ExpectedVerdict,
    because: z.strictObject({ en: z.string().min(20), zh: z.string().min(8) }),
    instead: z
      .strictObject({ en: z.string().min(5), zh: z.string().min(5) })
      .optional()
      .describe("what the article could say in the quote's place"),
    note: z
      .strictObject({ en: z.string().min(20), zh: z.string().min(8) })
      .optional()
      .describe("what to know beside a sentence that holds: where it is false only in a strict reading, or elsewhere"),
    since: z.string().min(2).optional(),
    link: z.url(),
  })
  .refine(({ verdict, instead }) => verdict === "refuted" || instead === undefined, {
    error: "only a refuted claim says what would be right: 'instead'",
  })
  .refine(({ verdict, note }) => verdict === "holds" || note === undefined, {
    error: "only a claim that holds has a 'note'; a refuted one is corrected: 'instead'",
  });
export type Expectation = z.infer<typeof Expectation>;

const Quote = z.strictObject({ quote: z.string().min(1), occurrence: z.int().min(1).default(1) });
const Lines = z.strictObject({ lines: z.string().regex(/^[1-9]\d*(-[1-9]\d*)?$/, "must be a line or lines as 60-64") });
/** A place in the article: words, or whole lines where it prints a manifest, a command or an output. */
const Place = z.union([Quote, Lines]);
export type Place = z.infer<typeof Place>;

const pattern = z.string().transform((text, context) => {
  try {
    return new RegExp(text);
  } catch {
    context.addIssue("must be a regular expression");
    return z.NEVER;
  }
});

const Claim = z.strictObject({
  id: kebabCase,
  ref: z.int().min(1),
  section: kebabCase,
  ...Quote.shape,
  also: z.array(Place).default([]).describe("further places that say the same"),
  en: z.string().min(10),
  zh: z.string().min(5),
  tried: z
    .strictObject({ en: z.string().min(20), zh: z.string().min(8) })
    .optional()
    .describe("what the check does to find out, for somebody who asks how one knows"),
  shown: z
    .strictObject({ after: pattern.optional(), by: pattern, line: pattern.optional() })
    .optional()
    .describe("where the evidence shows that it is wrong: titles of steps, and what one printed"),
  needs: z.array(kebabCase).default([]),
  repeats: kebabCase
    .optional()
    .describe("the claim whose sentence says the same: the two count as one sentence, and it has the correction"),
  expect: z.array(Expectation).min(1).optional(),
  excluded: z.string().min(10).optional(),
});
/** One atomic statement of the article: its words, what they mean, and what the cluster is expected to show. */
export type Claim = z.infer<typeof Claim>;

/** What is no statement, so that nothing could be checked; the reason says why. */
const Unclaimed = z.strictObject({
  reason: z.enum(["heading", "announcement", "instruction", "metadata"]),
  places: z.array(Place).min(1),
});

const Section = z.strictObject({ id: kebabCase, en: z.string(), zh: z.string() });

const CatalogueFile = z.strictObject({
  article: z.strictObject({ en: z.string(), zh: z.string(), date: z.iso.date() }),
  sections: z.array(Section).min(1),
  claims: z.array(Claim).min(1),
  sentinels: z
    .array(kebabCase)
    .default([])
    .describe("claims that are judged under every control too: a change that turns them all proves little"),
  unclaimed: z.array(Unclaimed).default([]),
});
/** The article's sections and claims, in the article's order. */
export type Catalogue = z.infer<typeof CatalogueFile>;

/** Returns the saved article's text. */
export function readArticle(): string {
  return readFileSync(articleFile, "utf8");
}

/**
 * Returns the catalogue of claims, checked: known keys only, unique ids, known sections, an expectation or an
 * exclusion for each, and every quote found in the article at its stated occurrence.
 *
 * @throws UserError with one line for the first thing that is wrong with the file
 */
export function readCatalogue(file: URL | string = claimsFile, article: string = readArticle()): Catalogue {
  const where = file instanceof URL ? "fixtures/article/claims.yaml" : file;
  const wrong = (what: string) => new UserError(`${where}: ${what}`, "correct the claims file");
  const parsed = CatalogueFile.safeParse(parseYaml(file, wrong));
  if (!parsed.success) throw wrong(firstIssue(parsed.error, file));
  const catalogue = parsed.data;
  const sections = new Set(catalogue.sections.map(({ id }) => id));
  const seen = new Set<string>();
  for (const claim of catalogue.claims) {
    if (seen.has(claim.id)) throw wrong(`two claims have the id ${claim.id}`);
    seen.add(claim.id);
    if (!sections.has(claim.section)) throw wrong(`claim ${claim.id}: section ${claim.section} is not listed`);
    if ((claim.expect === undefined) === (claim.excluded === undefined))
      throw wrong(`claim ${claim.id}: needs either 'expect' or 'excluded'`);
    if (claim.tried === undefined && claim.expect?.some(({ verdict }) => verdict === "refuted") === true)
      throw wrong(`claim ${claim.id}: is refuted somewhere, and has to say how one knows: 'tried'`);
    const repeated = catalogue.claims.find(({ id }) => id === claim.repeats);
    if (claim.repeats !== undefined && (repeated === undefined || repeated.repeats !== undefined))
      throw wrong(`claim ${claim.id}: repeats ${claim.repeats}, which has to be a claim that repeats no other`);
    for (const { verdict, instead } of claim.expect ?? [])
      if (verdict === "refuted" && (instead === undefined) !== (claim.repeats !== undefined))
        throw wrong(`claim ${claim.id}: is refuted somewhere, and needs either 'instead' or 'repeats'`);
    for (const place of [claim, ...claim.also])
      if (spanOf(article, place) === undefined) throw wrong(`claim ${claim.id}: ${notThere(place)}`);
  }
  for (const id of catalogue.sentinels) if (!seen.has(id)) throw wrong(`sentinels: there is no claim ${id}`);
  for (const place of catalogue.unclaimed.flatMap(({ places }) => places))
    if (spanOf(article, place) === undefined) throw wrong(`unclaimed: ${notThere(place)}`);
  return catalogue;
}

function notThere(place: Place): string {
  return "lines" in place
    ? `lines not in the article: ${place.lines}`
    : `quote not in the article (occurrence ${place.occurrence}): ${place.quote}`;
}

/** Returns where a place begins and ends in the article, as string indices, or undefined where it is not there. */
export function spanOf(article: string, place: Place): { start: number; end: number } | undefined {
  if ("lines" in place) {
    const [first = 0, last = first] = place.lines.split("-").map(Number);
    const lines = article.split("\n");
    if (first > last || last > lines.length) return undefined;
    const start = lines.slice(0, first - 1).reduce((length, line) => length + line.length + 1, 0);
    return { start, end: start + lines.slice(first - 1, last).join("\n").length };
  }
  const start = quotePosition(article, place);
  return start === -1 ? undefined : { start, end: start + place.quote.length };
}

/** Returns the index in the article at which the claim's quote begins, or -1 where it has no such occurrence. */
export function quotePosition(article: string, { quote, occurrence }: Pick<Claim, "quote" | "occurrence">): number {
  let position = -1;
  for (let n = 0; n < occurrence; n++) {
    position = article.indexOf(quote, position + 1);
    if (position === -1) return -1;
  }
  return position;
}

function parseYaml(file: URL | string, wrong: (what: string) => UserError): unknown {
  try {
    return parse(readFileSync(file, "utf8"));
  } catch (error) {
    throw wrong((error as Error).message.split("\n")[0] ?? "cannot be read");
  }
}

function firstIssue(error: z.ZodError, file: URL | string): string {
  const issue = error.issues[0];
  if (issue === undefined) return "is not valid";
  const [list, index] = issue.path;
  const raw = parse(readFileSync(file, "utf8")) as { claims?: { id?: string }[] } | null;
  const id = list === "claims" && typeof index === "number" ? raw?.claims?.[index]?.id : undefined;
  const place = id === undefined ? issue.path.join(".") : `claim ${id}: ${issue.path.slice(2).join(".")}`;
  return `${place}${place.endsWith(": ") || place === "" ? "" : ": "}${issue.message}`;
}
