import { existsSync, readdirSync } from "node:fs";
import { basename, join } from "node:path";
import semver from "semver";
import { z } from "zod";
import { UserError } from "../host/errors.ts";
import { parsed, read, wrongIn } from "./files.ts";
import { labFile, readLabText } from "./lab-text.ts";
import { keysOf, LanguageTag, type Texts, textIn } from "./languages.ts";

const kebabCase = z.string().regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, "must be kebab-case");
/** Pages name places by it (CSS: an identifier begins with no digit). */
const claimId = kebabCase.regex(/^[a-z]/, "must begin with a letter");
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

/** The article's languages; the suite itself speaks English, so that every article has texts in it. */
const Languages = z.array(LanguageTag).min(1).describe("the text's own first; English is one of them");

/** Returns the fields of a text in languages, of so many characters at least. */
function textFields(languages: readonly string[], en: number, others: number) {
  const further = languages.filter((language) => language !== "en").flatMap(keysOf);
  return {
    en: z.string().min(en),
    // Not in the type, which is the same for all articles.
    ...(Object.fromEntries(further.map((key) => [key, z.string().min(others).optional()])) as object),
  };
}

function texts(languages: readonly string[], en: number, others: number) {
  return z.strictObject(textFields(languages, en, others));
}

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

const Quote = z.strictObject({ quote: z.string().min(1), occurrence: z.int().min(1).default(1) });
const Lines = z.strictObject({ lines: z.string().regex(/^[1-9]\d*(-[1-9]\d*)?$/, "must be a line or lines as 60-64") });
/** A place in the article: words, or whole lines where it prints a manifest, a command or an output. */
const Place = z.union([Quote, Lines]);
export type Place = z.infer<typeof Place>;

/** Words of the article, and what stands in their place once it is corrected, in the article's own language. */
const Edit = Quote.extend({ to: z.string() });

function expectationIn(languages: readonly string[]) {
  return z
    .strictObject({
      when: Condition.optional(),
      verdict: ExpectedVerdict,
      because: texts(languages, 20, 8),
      instead: texts(languages, 5, 5).optional().describe("what the article could say in the quote's place"),
      edits: z
        .array(Edit)
        .min(1)
        .optional()
        .describe("what the corrected text has in the place of which words, where that is not 'instead' for the quote"),
      note: texts(languages, 20, 8)
        .optional()
        .describe(
          "what to know beside a sentence that holds: where it is false only in a strict reading, or elsewhere",
        ),
      since: z.string().min(2).optional(),
      link: z.url(),
    })
    .refine(({ verdict, instead }) => verdict === "refuted" || instead === undefined, {
      error: "only a refuted claim says what would be right: 'instead'",
    })
    .refine(({ verdict, edits }) => verdict === "refuted" || edits === undefined, {
      error: "only a refuted claim is corrected: 'edits'",
    })
    .refine(({ verdict, note }) => verdict === "holds" || note === undefined, {
      error: "only a claim that holds has a 'note'; a refuted one is corrected: 'instead'",
    });
}
export type Expectation = z.infer<ReturnType<typeof expectationIn>>;

const pattern = z.string().transform((text, context) => {
  try {
    return new RegExp(text);
  } catch {
    context.addIssue("must be a regular expression");
    return z.NEVER;
  }
});

function claimIn(languages: readonly string[]) {
  return z.strictObject({
    ...textFields(languages, 10, 5),
    id: claimId,
    ref: z.int().min(1),
    section: kebabCase,
    ...Quote.shape,
    also: z.array(Place).default([]).describe("further places that say the same"),
    tried: texts(languages, 20, 8)
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
    check: z
      .record(kebabCase, z.unknown())
      .refine((named) => Object.keys(named).length === 1, "must be one ready-made check with its parameters")
      .optional()
      .describe("the ready-made check that decides it; where absent, the spec beside it has one"),
    covers: z
      .array(z.string().min(10))
      .default([])
      .describe("tests of Kubernetes' own conformance suite that assert the same, by codename without its [tags]"),
    expect: z.array(expectationIn(languages)).min(1).optional(),
    excluded: z.string().min(10).optional(),
  });
}
/** One atomic statement of the article: its words, what they mean, and what the cluster is expected to show. */
export type Claim = z.infer<ReturnType<typeof claimIn>>;

/** What is no statement, so that nothing could be checked; the reason says why. */
const Unclaimed = z.strictObject({
  reason: z
    .enum(["heading", "announcement", "instruction", "metadata", "todo"])
    .describe("todo: nobody has looked yet whether it states something"),
  places: z.array(Place).min(1),
});

const Lab = z
  .strictObject({
    objects: z.array(z.string().regex(/^[A-Z]\w*\/[a-z0-9.-]+$/, "must be like Deployment/web")),
    labels: z.record(z.string(), z.string()).default({}).describe("that its pods have"),
  })
  .describe("what a reader who types the article's lab makes in the namespace default");
/** What an article's lab makes; somebody else's objects of the same names or labels are in its way. */
export type Lab = z.infer<typeof Lab>;

const InWorld = z.strictObject({
  claims: z
    .array(kebabCase)
    .optional()
    .describe("those that are judged, where the world concerns only the way to the cluster"),
  turns: z
    .record(kebabCase, z.strictObject({ verdict: ExpectedVerdict, because: z.string() }))
    .default({})
    .describe("claims whose sentence really speaks of it, with their verdict there"),
});

/** Where an article's text is unless it says otherwise. */
export const textFile = "article.md";

function articleIn(languages: readonly string[]) {
  return z.strictObject({
    title: texts(languages, 1, 1),
    text: z.string().default(textFile).describe("the file of its text, from this folder"),
    languages: Languages,
    date: z.iso.date(),
    versions: z
      .strictObject({ written: z.string(), shown: z.string() })
      .optional()
      .describe("cells of the matrix: what was current on the article's day, and what its samples show"),
    lab: Lab.optional(),
    sections: z.array(texts(languages, 1, 1).extend({ id: kebabCase })).min(1),
    sentinels: z
      .array(kebabCase)
      .default([])
      .describe("claims that are judged under every control too: a change that turns them all proves little"),
    worlds: z.record(kebabCase, InWorld).default({}).describe("by the names of fixtures/clusters/worlds.yaml"),
    unclaimed: z.array(Unclaimed).default([]),
  });
}

/** An article: its text, and what its folder says of it. Sections and claims are in the article's order. */
export interface Article extends z.infer<ReturnType<typeof articleIn>> {
  /** The file of its text, as an absolute path. */
  readonly file: string;
  /** Its folder's name. */
  readonly id: string;
  /** The folder, as an absolute path. */
  readonly folder: string;
  /** Its Markdown. */
  readonly text: string;
  /** In the text's order. */
  readonly claims: readonly Claim[];
}

/** The file of what an article is, in its folder. */
export const articleFile = "article.yaml";

/** What a command leaves to be filled in begins with this word. */
export const todoWord = "TODO";

/**
 * Returns the article of a folder, checked: known keys only, unique ids, known sections, an expectation or an exclusion for each
 * claim, and every quote found in the text at its stated occurrence, those of its lab too. Its claims are in `*.claims.yaml`, by the
 * files' names.
 *
 * @throws UserError with one line for the first thing that is wrong
 */
export function readArticle(folder: string): Article {
  if (!existsSync(join(folder, articleFile)))
    throw new UserError(
      `there is no article in ${folder}, or more than one`,
      "npm run new -- FILE.md makes a folder for one, and --article FOLDER names one",
    );
  const { languages } = parsed(z.looseObject({ languages: Languages }), folder, articleFile);
  const field = languages.find((language) => language in claimIn([]).shape);
  if (field !== undefined && field !== "en")
    throw wrongIn(folder, articleFile, `languages: ${field} is a field of claims too; write it with its region`);
  const article = parsed(articleIn(languages), folder, articleFile);
  const text = read(folder, article.text);
  const files = readdirSync(folder).filter((name) => name.endsWith(".claims.yaml"));
  const claims = files.toSorted().flatMap((file) => parsed(z.array(claimIn(languages)), folder, file));
  if (claims.length === 0)
    throw new UserError(`${basename(folder)}: there is no claim in *.claims.yaml`, "npm run new-claim -- ID adds one");
  checkClaims(folder, { ...article, text, claims });
  if (existsSync(join(folder, labFile))) readLabText({ folder, text });
  return { ...article, id: basename(folder), folder, file: join(folder, article.text), text, claims };
}

function checkClaims(
  folder: string,
  { title, languages, sections, sentinels, worlds, unclaimed, text, claims }: Omit<Article, "id" | "folder" | "file">,
): void {
  const wrong = (what: string) => wrongIn(folder, "", what);
  for (const [where, value] of [
    ["title", title],
    ...sections.map((each) => [`section ${each.id}`, each] as const),
    ...claims.map((claim) => [`claim ${claim.id}`, claim] as const),
  ] as const) {
    const left = toBeFilledIn(value);
    if (left !== undefined) throw wrong(`${where}: is to be filled in: ${left}`);
  }
  if (!languages.includes("en"))
    throw wrong("languages: en has to be one of them, for the suite's own words are English");
  const spoken = (where: string, text: Texts | undefined) => {
    if (text !== undefined && languages.some((language) => textIn(text, language) === undefined))
      throw wrong(`${where}: has to be in the article's languages, which are ${languages.join(", ")}`);
  };
  spoken("title", title);
  for (const section of sections) spoken(`section ${section.id}`, section);
  const known = new Set(sections.map(({ id }) => id));
  const seen = new Set<string>();
  for (const claim of claims) {
    if (seen.has(claim.id)) throw wrong(`two claims have the id ${claim.id}`);
    seen.add(claim.id);
    for (const text of [
      claim,
      claim.tried,
      ...(claim.expect ?? []).flatMap(({ because, instead, note }) => [because, instead, note]),
    ])
      spoken(`claim ${claim.id}`, text);
    if (!known.has(claim.section)) throw wrong(`claim ${claim.id}: section ${claim.section} is not listed`);
    if ((claim.expect === undefined) === (claim.excluded === undefined))
      throw wrong(`claim ${claim.id}: needs either 'expect' or 'excluded'`);
    if (claim.tried === undefined && claim.expect?.some(({ verdict }) => verdict === "refuted") === true)
      throw wrong(`claim ${claim.id}: is refuted somewhere, and has to say how one knows: 'tried'`);
    const repeated = claims.find(({ id }) => id === claim.repeats);
    if (claim.repeats !== undefined && (repeated === undefined || repeated.repeats !== undefined))
      throw wrong(`claim ${claim.id}: repeats ${claim.repeats}, which has to be a claim that repeats no other`);
    for (const { verdict, instead } of claim.expect ?? [])
      if (verdict === "refuted" && instead === undefined && claim.repeats === undefined)
        throw wrong(`claim ${claim.id}: is refuted somewhere, and needs 'instead', or 'repeats'`);
    for (const place of [claim, ...claim.also, ...(claim.expect ?? []).flatMap(({ edits = [] }) => edits)])
      if (spanOf(text, place) === undefined) throw wrong(`claim ${claim.id}: ${notThere(place)}`);
  }
  for (const [where, ids] of [
    ["sentinels", sentinels] as const,
    ...Object.entries(worlds).map(([id, inWorld]) => [`world ${id}`, idsIn(inWorld)] as const),
  ])
    for (const id of ids) if (!seen.has(id)) throw wrong(`${where}: there is no claim ${id}`);
  for (const place of unclaimed.flatMap(({ places }) => places))
    if (spanOf(text, place) === undefined) throw wrong(`unclaimed: ${notThere(place)}`);
}

function idsIn({ claims = [], turns }: z.infer<typeof InWorld>): string[] {
  return [...claims, ...Object.keys(turns)];
}

/** Returns a text, however deep, that a command has left to be filled in. */
function toBeFilledIn(value: unknown): string | undefined {
  if (typeof value === "string")
    return value.startsWith(todoWord) || value.endsWith(`/${todoWord}`) ? value : undefined;
  if (typeof value !== "object" || value === null) return undefined;
  return Object.values(value)
    .map(toBeFilledIn)
    .find((left) => left !== undefined);
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

/** Returns the words between two string indices of a text as a place. */
export function placeAt(text: string, start: number, end: number): Place & { quote: string; occurrence: number } {
  const quote = text.slice(start, end);
  let occurrence = 1;
  while (quotePosition(text, { quote, occurrence }) < start) occurrence++;
  return { quote, occurrence };
}
