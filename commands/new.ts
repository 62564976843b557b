import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, extname, join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { parse, stringify } from "yaml";
import { articleFile, todoWord } from "../helpers/article/article.ts";
import { coverageOf } from "../helpers/article/coverage.ts";
import { LanguageTag } from "../helpers/article/languages.ts";
import { frontMatterOf } from "../helpers/article/markdown.ts";
import { headingsOf, type Piece, piecesOf } from "../helpers/article/outline.ts";
import { asTyped } from "../helpers/host/command.ts";
import { UserError } from "../helpers/host/errors.ts";
import { main } from "../helpers/host/main.ts";

const usage = "npm run new -- FILE.md [--languages en]";

/** Makes a folder for an article beside its text, which stays where it is: what it is, with each sentence listed as not claimed yet. */
await main(async () => {
  const { file, languages } = options();
  const text = readFileSync(file, "utf8");
  const folder = join(dirname(file), idOf(basename(file, extname(file))) || "article");
  if (existsSync(folder)) throw new UserError(`${folder} is there already`, "remove it, or give the file another name");
  const pieces = piecesOf(text);
  if (pieces.length === 0) throw new UserError(`${file} has no words`, "name a file of Markdown");
  mkdirSync(folder);
  writeFileSync(join(folder, articleFile), articleYaml({ text, file: relative(folder, file), languages, pieces }));
  writeFileSync(join(folder, ".gitignore"), "knc-out/\n");
  const { percent } = coverageOf({ text, claims: [], unclaimed: listed(pieces) });
  const open = pieces.filter(({ reason }) => reason === "todo").length;
  const shown = relative(process.cwd(), folder) || ".";
  process.stdout.write(
    asTyped(`${join(shown, articleFile)}: ${open} sentences that nobody has looked at yet; ${percent} % of the text is covered
Next: say what the first one claims, as npm run new-claim -- ID --article ${shown}
`),
  );
  return 0;
});

function options(): { file: string; languages: readonly string[] } {
  try {
    const { values, positionals } = parseArgs({
      options: { languages: { type: "string", default: "en" } },
      allowPositionals: true,
    });
    const [named, ...others] = positionals;
    if (named === undefined || others.length > 0) throw new Error("name one file of Markdown");
    // npm changes to the project's folder; what was typed is meant from where it was typed.
    const file = resolve(process.env["INIT_CWD"] ?? process.cwd(), named);
    if (statSync(file, { throwIfNoEntry: false })?.isFile() !== true) throw new Error(`there is no file ${named}`);
    const languages = values.languages.split(",");
    const wrong = languages.find((language) => !LanguageTag.safeParse(language).success);
    if (wrong !== undefined) throw new Error(`${wrong} is no language tag (BCP 47) such as fr, pt-BR or zh-Hant`);
    if (!languages.includes("en"))
      throw new Error("en has to be one of the languages, for the suite's own words are English");
    return { file, languages };
  } catch (error) {
    throw new UserError((error as Error).message.split("\n")[0] ?? "", usage);
  }
}

/** Returns a name in kebab case, as far as it has letters for one. */
function idOf(name: string): string {
  return name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-|-$/g, "");
}

/** Returns the reasons and places of pieces as article.yaml lists them. */
function listed(pieces: readonly Piece[]) {
  return (["heading", "metadata", "todo"] as const).flatMap((reason) => {
    const places = pieces.filter((piece) => piece.reason === reason).map(({ place }) => place);
    return places.length === 0 ? [] : [{ reason, places }];
  });
}

function articleYaml({
  text,
  file,
  languages,
  pieces,
}: {
  text: string;
  file: string;
  languages: readonly string[];
  pieces: readonly Piece[];
}): string {
  const headings = headingsOf(text);
  const matter = matterOf(text);
  const title = matter.title ?? headings.find(({ depth }) => depth === 1)?.title ?? headings[0]?.title ?? todoWord;
  const date = matter.date ?? new Date().toISOString().slice(0, 10);
  const chapters = headings.filter(({ depth }) => depth === 2).map((heading) => heading.title);
  // What stands before the first of them is the title's.
  const sections = [...new Set([title, ...chapters])].map((name, index) => ({
    id: index === 0 ? "introduction" : idOf(name) || `section-${index + 1}`,
    ...inLanguages(name, languages),
  }));
  const unclaimed = listed(pieces).map(({ reason, places }) => ({
    reason,
    places: places.map((place) => ("occurrence" in place && place.occurrence === 1 ? { quote: place.quote } : place)),
  }));
  return `# What this article is: its text is beside this folder, its claims are in *.claims.yaml.

${asYaml({ title: inLanguages(title, languages), text: file, languages, date, sections: unequal(sections) })}
# What states nothing that could be checked, and why: heading, announcement, instruction or metadata. A sentence is moved from
# todo, where nobody has looked at it yet, to another reason, or becomes a claim's quote: ${asTyped("npm run new-claim -- ID")}
${asYaml({ unclaimed })}`;
}

function asYaml(value: unknown): string {
  return stringify(value, { lineWidth: 120 });
}

/** A text in the article's own language is there; in others it is to be filled in. */
function inLanguages(text: string, [own = "en", ...others]: readonly string[]): Record<string, string> {
  return { [own]: text, ...Object.fromEntries(others.map((language) => [language, `${todoWord}: ${text}`])) };
}

/** Two headings may give the same id. */
function unequal<Section extends { readonly id: string }>(sections: readonly Section[]): Section[] {
  return sections.map((section, index) =>
    sections.findIndex(({ id }) => id === section.id) < index
      ? { ...section, id: `${section.id}-${index + 1}` }
      : section,
  );
}

function matterOf(text: string): { title?: string; date?: string } {
  try {
    const { title, date } = (parse(frontMatterOf(text)) ?? {}) as { title?: unknown; date?: unknown };
    const day = /^\d{4}-\d\d-\d\d/.exec(String(date))?.[0];
    return { ...(typeof title === "string" ? { title } : {}), ...(day === undefined ? {} : { date: day }) };
  } catch {
    return {};
  }
}
