import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { parseArgs } from "node:util";
import { isMap, isSeq, parse, parseDocument, stringify } from "yaml";
import {
  articleFile,
  type Claim,
  type Place,
  quotePosition,
  spanOf,
  textFile,
  todoWord,
} from "../helpers/article/article.ts";
import { headingsOf } from "../helpers/article/outline.ts";
import { sentencesFile, sentencesOf } from "../helpers/article/sentences.ts";
import { asTyped } from "../helpers/host/command.ts";
import { UserError } from "../helpers/host/errors.ts";
import { main } from "../helpers/host/main.ts";
import { articleOption, readSettings } from "../helpers/host/settings.ts";

const usage = "npm run new-claim -- ID [--quote 'words of the text'] [--check '{ name-is-answered: { … } }']";

/** What is read of an article that is still being written: some of its claims may be to be filled in. */
interface Draft {
  readonly text: string;
  readonly languages: readonly string[];
  readonly sections: readonly ({ readonly id: string } & Readonly<Record<string, string>>)[];
  readonly unclaimed: readonly { readonly reason: string; readonly places: readonly Place[] }[];
  readonly claims: readonly (Pick<
    Claim,
    "id" | "ref" | "section" | "en" | "expect" | "check" | "quote" | "occurrence"
  > & {
    readonly file: string;
  })[];
}

/**
 * Adds a claim to the claims of its section, and the check and the control of it to the spec beside them, each to be filled in. Without
 * words of the text it is of the first sentence that nobody has looked at yet.
 */
await main(async () => {
  const { id, quote, check } = await options();
  const { article: folder } = readSettings();
  const draft = readDraft(folder);
  if (draft.claims.some((claim) => claim.id === id))
    throw new UserError(`there is a claim ${id} already`, "choose another id");
  const place = placeOf(quote, draft);
  const base = fileOf(draft, sectionAt(draft, place));
  const claims = join(folder, `${base}.claims.yaml`);
  const spec = join(folder, `${base}.spec.ts`);
  const entry = claimYaml({ id, place, check, section: sectionAt(draft, place), draft });
  change(claims, (before) => claimsWith(before, entry, firstAfter(draft, place, `${base}.claims.yaml`)));
  if (check === undefined) change(spec, (before) => specWith(before, id));
  const sentences = join(folder, sentencesFile);
  // The specs know claims by it.
  if (existsSync(sentences)) writeFileSync(sentences, sentencesOf({ claims: [...draft.claims, parsedEntry(entry)] }));
  noLongerOpen(join(folder, articleFile), draft.text, place);
  const option = articleOption(folder);
  const shown = [claims, ...(check === undefined ? [spec] : [])].map((file) => relative(process.cwd(), file));
  process.stdout.write(
    asTyped(
      `to be filled in, where it says ${todoWord}: ${shown.join(", ")}\nThen: npm run claims${option && ` --${option}`}, and npm test --${option} -t ${id}\n`,
    ),
  );
  return 0;
});

interface Options {
  readonly id: string;
  readonly quote: string | undefined;
  /** The ready-made check that decides the claim, as it stands in its YAML. */
  readonly check: Readonly<Record<string, unknown>> | undefined;
}

async function options(): Promise<Options> {
  try {
    const { values, positionals } = parseArgs({
      options: { quote: { type: "string" }, check: { type: "string" } },
      allowPositionals: true,
    });
    const [id, ...others] = positionals;
    if (id === undefined || others.length > 0) throw new Error("name one id");
    if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(id)) throw new Error(`${id} is no id: it must be kebab-case`);
    return {
      id,
      quote: values.quote,
      check: values.check === undefined ? undefined : await checkIn(id, values.check, readSettings().article),
    };
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError((error as Error).message.split("\n")[0] ?? "", usage);
  }
}

async function checkIn(id: string, text: string, folder: string): Promise<Readonly<Record<string, unknown>>> {
  // Seconds to load, with all that a check can do to a cluster, and only here.
  const { readyMadeCheck } = await import("../helpers/checks/ready-made.ts");
  const named = parse(text) as unknown;
  const check = typeof named === "object" && named !== null ? named : { [String(named)]: {} };
  readyMadeCheck(id, check as Record<string, unknown>, folder);
  return check as Record<string, unknown>;
}

function readDraft(folder: string): Draft {
  if (!existsSync(join(folder, articleFile)))
    throw new UserError(
      `there is no article in ${folder}, or more than one`,
      "npm run new -- FILE.md makes a folder for one, and --article FOLDER names one",
    );
  const read = (file: string): unknown => {
    try {
      return parse(readFileSync(join(folder, file), "utf8"));
    } catch (error) {
      throw new UserError(`${join(basename(folder), file)}: ${(error as Error).message.split("\n")[0]}`, "correct it");
    }
  };
  const about = read(articleFile) as Partial<Draft>;
  const { text: file = textFile, languages = ["en"], sections = [], unclaimed = [] } = about;
  const files = readdirSync(folder).filter((name) => name.endsWith(".claims.yaml"));
  const claims = files
    .toSorted()
    .flatMap((file) => ((read(file) ?? []) as Draft["claims"]).map((claim) => ({ ...claim, file })));
  return { text: readFileSync(join(folder, file), "utf8"), languages, sections, unclaimed, claims };
}

function placeOf(quote: string | undefined, { text, unclaimed }: Draft): Place {
  if (quote !== undefined) {
    if (quotePosition(text, { quote, occurrence: 1 }) === -1)
      throw new UserError(`these words are not in the text: ${quote}`, "copy them from there, with their signs");
    return { quote, occurrence: 1 };
  }
  const [first] = unclaimed.flatMap(({ reason, places }) => (reason === "todo" ? places : []));
  if (first === undefined) throw new UserError(`no sentence is left under todo in ${articleFile}`, usage);
  return first;
}

/** Returns the section of the last heading before a place that names one. */
function sectionAt({ text, sections }: Draft, place: Place): string {
  const { start } = spanIn(text, place);
  const named = headingsOf(text).flatMap((heading) => {
    const section = sections.find((candidate) => Object.values(candidate).includes(heading.title));
    return section !== undefined && heading.start <= start ? [section.id] : [];
  });
  const section = named.at(-1) ?? sections[0]?.id;
  if (section === undefined) throw new UserError(`${articleFile} lists no section`, "list one");
  return section;
}

function spanIn(text: string, place: Place): { start: number; end: number } {
  const span = spanOf(text, { occurrence: 1, ...place });
  if (span === undefined) throw new UserError(`${articleFile}: a place under todo is not in the text`, "correct it");
  return span;
}

/** Returns the name, without its endings, of the files of the section's last claim; of a section without claims, with its number before it. */
function fileOf({ sections, claims }: Draft, section: string): string {
  const there = claims.findLast((claim) => claim.section === section)?.file;
  const number = String(sections.findIndex(({ id }) => id === section) + 1).padStart(2, "0");
  return there?.replace(/\.claims\.yaml$/, "") ?? `${number}-${section}`;
}

function claimYaml({
  id,
  place,
  check,
  section,
  draft: { text, languages, claims },
}: Pick<Options, "id" | "check"> & { place: Place; section: string; draft: Draft }): string {
  const { start, end } = spanIn(text, place);
  const occurrence = "occurrence" in place && place.occurrence > 1 ? { occurrence: place.occurrence } : {};
  const todo = (what: string) => Object.fromEntries(languages.map((language) => [language, `${todoWord}: ${what}`]));
  const claim = {
    id,
    ref: Math.max(0, ...claims.map(({ ref }) => ref)) + 1,
    section,
    ...{ quote: text.slice(start, end), ...occurrence },
    ...todo("what the words state, in one sentence"),
    ...(check === undefined ? {} : { check }),
    expect: [
      {
        verdict: "holds",
        because: todo("how one knows, in a sentence or two"),
        link: `https://example.com/${todoWord}`,
      },
    ],
  };
  return `${stringify([claim], { lineWidth: 120 })}  # If it is refuted: instead: { … } beside because, and tried: { … } beside expect; in a spec, corrected.\n`;
}

function specWith(before: string, id: string): string {
  const head = `import { readArticle, specsOf } from "kind-network-conformance";

const claim = specsOf(readArticle(import.meta.dirname));
`;
  const own = (before === "" ? head : before).trimEnd();
  const missing = notImported(own);
  const from = ' } from "kind-network-conformance";';
  const importing =
    missing.length === 0
      ? own
      : own.includes(from)
        ? own.replace(
            /import \{ (.*) \} from "kind-network-conformance";/,
            (_whole, names: string) =>
              `import { ${[...names.split(", "), ...missing].toSorted(byName).join(", ")}${from}`,
          )
        : `import { ${missing.join(", ")}${from}\n${own}`;
  return `${importing}

claim("${id}", {
  // Ask the cluster by the lab, and return what was seen as plain JSON: async (lab) => ({ … })
  observe: () => todo("ask the cluster"),
  // Look at that JSON only. Each expect stands for words of the quote; one that fails refutes the sentence.
  judge: (seen) => {
    expect(seen, "${todoWord}").toEqual(todo("what the sentence says"));
  },
  // Change the cluster so that the check has to say the opposite: async (lab) => { … }
  control: live("${todoWord}: what is changed", () => todo("change the cluster")),
});
`;
}

/** Types are written among values, by their names. */
function byName(a: string, b: string): number {
  const name = (each: string) => each.replace("type ", "").toLowerCase();
  return name(a) < name(b) ? -1 : 1;
}

/** Returns the names of those that a spec does not import yet, of what a check to be filled in uses. */
function notImported(spec: string): string[] {
  const imported = [...spec.matchAll(/^import (?:type )?\{([^}]*)\}/gm)].map(([, names = ""]) => names).join(",");
  return ["expect", "live", "todo"].filter((name) => !new RegExp(`\\b${name}\\b`).test(imported));
}

/** Returns a claim as it is known of before it is filled in. */
function parsedEntry(entry: string): Draft["claims"][number] {
  const [claim] = parse(entry) as [Draft["claims"][number]];
  return claim;
}

/** Returns the first claim of a file whose words stand after a place. */
function firstAfter({ text, claims }: Draft, place: Place, file: string): string | undefined {
  const { start } = spanIn(text, place);
  return claims.find(
    (claim) =>
      claim.file === file && quotePosition(text, { quote: claim.quote, occurrence: claim.occurrence ?? 1 }) > start,
  )?.id;
}

/** Returns claims with another in the text's order: before the one of that id, else at the end. */
function claimsWith(before: string, entry: string, next: string | undefined): string {
  const at = next === undefined ? -1 : before.search(new RegExp(`^- id: ${next}$`, "m"));
  if (at !== -1) return `${before.slice(0, at)}${entry}\n${before.slice(at)}`;
  return before.trim() === "" ? entry : `${before.trimEnd()}\n\n${entry}`;
}

function change(file: string, changed: (before: string) => string): void {
  writeFileSync(file, changed(existsSync(file) ? readFileSync(file, "utf8") : ""));
}

/** A sentence that is wholly claimed leaves the ones that nobody has looked at. */
function noLongerOpen(file: string, text: string, place: Place): void {
  const claimed = spanIn(text, place);
  const document = parseDocument(readFileSync(file, "utf8"));
  const unclaimed = document.get("unclaimed");
  if (!isSeq(unclaimed)) return;
  const before = document.toString();
  for (const entry of unclaimed.items) {
    if (!isMap(entry) || entry.get("reason") !== "todo") continue;
    const places = entry.get("places");
    if (!isSeq(places)) continue;
    places.items = places.items.filter((item) => {
      const { start, end } = spanIn(text, (item as { toJSON(): Place }).toJSON());
      return start < claimed.start || end > claimed.end;
    });
  }
  unclaimed.items = unclaimed.items.filter((entry) => {
    const places = isMap(entry) ? entry.get("places") : undefined;
    return !isSeq(places) || places.items.length > 0;
  });
  if (document.toString() !== before) writeFileSync(file, document.toString({ lineWidth: 120 }));
}
