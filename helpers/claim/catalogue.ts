import { readFileSync } from "node:fs";
import semver from "semver";
import { parse } from "yaml";
import { z } from "zod";
import { UserError } from "../host/errors.ts";
import { ExpectedVerdict } from "./verdict.ts";

const articleFile = new URL("../../fixtures/article/day-5.md", import.meta.url);
const claimsFile = new URL("../../fixtures/article/claims.yaml", import.meta.url);

const kebabCase = z.string().regex(/^[a-z0-9]+(-[a-z0-9]+)*$/, "must be kebab-case");
const range = z.string().refine((text) => semver.validRange(text) !== null, "must be a semver range such as '>=1.26'");

/** Under which conditions an expectation applies; all that are given must hold. */
const Condition = z.strictObject({
  kubernetes: range.optional(),
  proxyMode: z.enum(["iptables", "ipvs", "nftables", "userspace", "none"]).optional(),
  ipFamily: z.enum(["ipv4", "ipv6"]).optional(),
  workers: z.enum(["none", "one", "several"]).optional(),
});
export type Condition = z.infer<typeof Condition>;

const Expectation = z.strictObject({
  when: Condition.optional(),
  verdict: ExpectedVerdict,
  because: z.strictObject({ en: z.string().min(20), zh: z.string().min(8) }),
  since: z.string().min(2).optional(),
  link: z.url(),
});
export type Expectation = z.infer<typeof Expectation>;

const Claim = z.strictObject({
  id: kebabCase,
  ref: z.int().min(1),
  section: kebabCase,
  quote: z.string().min(1),
  occurrence: z.int().min(1).default(1),
  en: z.string().min(10),
  zh: z.string().min(5),
  needs: z.array(kebabCase).default([]),
  expect: z.array(Expectation).min(1).optional(),
  excluded: z.string().min(10).optional(),
});
/** One atomic statement of the article: its words, what they mean, and what the cluster is expected to show. */
export type Claim = z.infer<typeof Claim>;

const Section = z.strictObject({ id: kebabCase, en: z.string(), zh: z.string() });

const CatalogueFile = z.strictObject({
  article: z.strictObject({ en: z.string(), zh: z.string(), date: z.iso.date() }),
  sections: z.array(Section).min(1),
  claims: z.array(Claim).min(1),
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
    if (quotePosition(article, claim) === -1)
      throw wrong(`claim ${claim.id}: quote not in the article (occurrence ${claim.occurrence}): ${claim.quote}`);
  }
  return catalogue;
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
