import { type Article, type Claim, type Expectation, type Place, placeAt, spanOf } from "./article.ts";
import { keysOf, type Texts, textIn } from "./languages.ts";

/** Words between two string indices of the article, and what stands in their place once it is corrected. */
interface Change {
  /** The claim whose correction it is, by its id. */
  readonly claim: string;
  readonly start: number;
  readonly end: number;
  readonly to: string;
}

/** An article with corrections in their places. */
export interface Corrected {
  /** The corrected text, with all claims at their places in it; those that are corrected say their corrections, which hold. */
  readonly article: Article;
  /** The claims that are corrected. */
  readonly ids: ReadonlySet<string>;
  /** What is otherwise, in the article's order; no two have words in common. */
  readonly changes: readonly Change[];
}

/**
 * Returns an article as its corrections make it; all other words stay as they are.
 *
 * @param inForce by the ids of claims that are refuted, the expectations that have their corrections; one that repeats another
 *   may be corrected where that is. Of corrections of the same words the first in the article counts, and the others are left out.
 */
export function correctedArticle(article: Article, inForce: ReadonlyMap<string, Expectation>): Corrected {
  const changes: Change[] = [];
  const ids = new Set<string>();
  // One that repeats another has it beside its own words.
  for (const claim of article.claims.toSorted(
    (a, b) => Number(a.repeats !== undefined) - Number(b.repeats !== undefined),
  )) {
    const expectation = inForce.get(claim.id);
    if (expectation === undefined) continue;
    const own = changesOf(article, claim, expectation);
    // Without words of its own to change, it is corrected where the other is.
    if (own.length === 0 && !ids.has(claim.repeats ?? "")) continue;
    if (own.some((one) => changes.some((other) => one.start < other.end && other.start < one.end))) continue;
    changes.push(...own);
    ids.add(claim.id);
  }
  changes.sort((a, b) => a.start - b.start);
  const text = textWith(article.text, changes);
  const moved = (place: Place): Place[] => {
    const span = spanOf(article.text, place);
    if (span === undefined) return [];
    const [start, end] = [movedTo(span.start, changes, "start"), movedTo(span.end, changes, "end")];
    return start === end ? [] : [placeAt(text, start, end)];
  };
  const claims = article.claims.flatMap((claim): Claim[] => {
    // What it says of words that are gone is said no more.
    if (claim.expect === undefined && goneFrom(article.text, claim, changes)) return [];
    const repeated = article.claims.find(({ id }) => id === claim.repeats);
    const [first, ...also] = [claim, ...claim.also, ...(repeated === undefined ? [] : [repeated])].flatMap(moved);
    if (first === undefined || "lines" in first) return [];
    const expectation = ids.has(claim.id) ? inForce.get(claim.id) : undefined;
    const place = { ...first, also: repeated === undefined ? also : also.slice(0, -1) };
    if (expectation === undefined) return [{ ...claim, ...place }];
    const {
      because,
      link,
      instead = repeated === undefined ? undefined : inForce.get(repeated.id)?.instead,
    } = expectation;
    const said = instead === undefined ? {} : inLanguages(instead, article);
    return [{ ...claim, ...said, ...place, expect: [{ verdict: "holds", because, link }] }];
  });
  const unclaimed = article.unclaimed.map((entry) => ({ ...entry, places: entry.places.flatMap(moved) }));
  return { article: { ...article, text, claims, unclaimed }, ids, changes };
}

function changesOf({ text, languages }: Article, claim: Claim, { edits, instead }: Expectation): Change[] {
  const [own = "en"] = languages;
  const whole =
    instead === undefined || claim.repeats !== undefined
      ? []
      : [{ quote: claim.quote, occurrence: claim.occurrence, to: textIn(instead, own) ?? instead.en }];
  return (edits ?? whole).flatMap((edit) => {
    const span = spanOf(text, edit);
    return span === undefined ? [] : [{ claim: claim.id, ...span, to: edit.to }];
  });
}

function textWith(text: string, changes: readonly Change[]): string {
  const ends = [0, ...changes.map(({ end }) => end)];
  const kept = [...changes, { start: text.length, to: "" }].map(
    ({ start, to }, index) => text.slice(ends[index], start) + to,
  );
  return kept.join("");
}

/** Returns where a string index of the article is in the corrected text; inside of words that are replaced, at their border. */
function movedTo(index: number, changes: readonly Change[], border: "start" | "end"): number {
  let by = 0;
  for (const { start, end, to } of changes) {
    if (index <= start) break;
    if (index < end) return start + by + (border === "end" ? to.length : 0);
    by += to.length - (end - start);
  }
  return index + by;
}

function goneFrom(text: string, { also, ...claim }: Claim, changes: readonly Change[]): boolean {
  return [claim, ...also].every((place) => {
    const span = spanOf(text, place);
    return span === undefined || changes.some(({ start, end }) => start <= span.start && span.end <= end);
  });
}

/** Returns a text under the keys of all the article's languages. */
function inLanguages(texts: Texts, { languages }: Article): Partial<Claim> {
  const said = languages.flatMap((language) => {
    const text = textIn(texts, language);
    return text === undefined ? [] : keysOf(language).map((key) => [key, text]);
  });
  return Object.fromEntries(said) as Partial<Claim>;
}
