import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { expect, test } from "vitest";
import { parseAllDocuments } from "yaml";
import { type Article, readArticle } from "../helpers/article/article.ts";
import { type Texts, textIn } from "../helpers/article/languages.ts";
import { projectRoot } from "../helpers/host/settings.ts";

/** The example: the suite's own tests may speak of it. */
const example = readArticle(join(import.meta.dirname, "tiny"));

const folders = readdirSync(import.meta.dirname, { withFileTypes: true });
const articles = folders.flatMap((entry) =>
  entry.isDirectory() && entry.name !== example.id ? [readArticle(join(import.meta.dirname, entry.name))] : [],
);

/** Text of which much less could stand anywhere. */
const telling = 16;
/** So many Chinese characters in a row say something; fewer are words of the language. */
const tellingHan = 7;

/** Articles that tests write for themselves have no more lines. */
const small = 40;

const sources = ["commands", "helpers", "reports"].flatMap((room) =>
  readdirSync(join(projectRoot, room), { recursive: true, withFileTypes: true }).flatMap((entry) => {
    const path = join(entry.parentPath, entry.name);
    const ours = entry.isFile() && /\.(ts|js|json)$/.test(entry.name) && !path.includes(join("reports", "out"));
    return ours ? [{ path: relative(projectRoot, path), text: readFileSync(path, "utf8") }] : [];
  }),
);

/** Names of the objects that the suite itself makes for any article. */
const fixtures = new Set(
  parseAllDocuments(readFileSync(join(projectRoot, "fixtures", "workloads", "cast.yaml"), "utf8")).flatMap(
    (document) => (document.toJS() as { metadata?: { name?: string } } | null)?.metadata?.name ?? [],
  ),
);

/** A field with its value is anybody's, such as `targetPort: 8080`. */
function sayingSomething(line: string): string[] {
  return /^\s*[\w-]+: [\w.-]+$/.test(line) ? [] : [line.trim()];
}

/** Returns what is a name of this article alone, or words of it. */
function namesOf({ id, folder, title, languages, date, text, sections, claims, lab }: Article): RegExp[] {
  const inAll = (texts: Texts | undefined) =>
    texts === undefined ? [] : languages.flatMap((language) => textIn(texts, language) ?? []);
  const told = claims.flatMap(({ quote, tried, expect = [], ...claim }) => [
    quote,
    ...[claim, tried, ...expect.flatMap(({ because, instead, note }) => [because, instead, note])].flatMap(inAll),
  ]);
  const words = [...[title, ...sections].flatMap(inAll), ...told, ...text.split("\n").flatMap(sayingSomething)];
  const lines = text.split("\n").length;
  const beyond = Array.from({ length: lines - small }, (_, index) => small + index + 1);
  const files = readdirSync(folder).flatMap((file) => /^\d\d-[^.]+/.exec(file)?.[0] ?? []);
  return [
    ...[id, date, ...new Set(files), ...claims.map((claim) => claim.id)].map(whole),
    // A section may be called as anything is: then only its mention as a section counts.
    ...sections.map((section) =>
      section.id.includes("-") ? whole(section.id) : new RegExp(`section: "${section.id}"`),
    ),
    new RegExp(`\\bDay \\d`),
    ...(lab?.objects ?? [])
      .map((object) => object.replace(/^\w+\//, ""))
      .filter((name) => !fixtures.has(name) && name.includes("-"))
      .map(whole),
    ...[...text.matchAll(/nodePort: (\d+)/g)].map(([, port = ""]) => whole(port)),
    ...words.filter((each) => each.length >= telling).map((each) => new RegExp(RegExp.escape(each))),
    ...[...new Set(words.flatMap((each) => each.match(new RegExp(`\\p{Script=Han}{${tellingHan},}`, "gu")) ?? []))].map(
      (each) => new RegExp(each),
    ),
    new RegExp(`(?:\\blines?|行) ?[:·]? ?"?(?:${beyond.join("|")})\\b`),
  ];
}

/** The name, written with `_` between thousands too. */
function whole(name: string): RegExp {
  const escaped = RegExp.escape(name);
  return new RegExp(
    `(?<![\\w-])(?:${/^\d{5}$/.test(name) ? `${escaped}|${name.slice(0, 2)}_${name.slice(2)}` : escaped})(?![\\w-])`,
  );
}

test.each(articles)(
  "$id: none of its names, line numbers and words stands in the suite, which checks any article",
  (article) => {
    const names = namesOf(article);
    const found = sources.flatMap(({ path, text }) =>
      names.flatMap((name) => {
        const at = name.exec(text);
        return at === null ? [] : [`${path}:${text.slice(0, at.index).split("\n").length}: ${at[0]}`];
      }),
    );
    expect(found.join("\n")).toBe("");
  },
);
