import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { execaSync } from "execa";
import { parse } from "yaml";
import { type Article, type Claim, spanOf } from "../../helpers/article/article.ts";
import { UserError } from "../../helpers/host/errors.ts";
import { importsOf } from "../../helpers/host/imports.ts";
import { projectRoot } from "../../helpers/host/settings.ts";

/** A file that is not as it was. */
export interface ChangedFile {
  /** Absolute. */
  readonly path: string;
  /** What it was, of a file in the article's folder; absent where it was not there. */
  readonly before?: string | undefined;
}

/** What a change can have touched of an article: some claims by their ids, or all of them for a reason. */
export type Touched = ReadonlySet<string> | { readonly all: string };

/** What no verdict depends on: it tells of them, or tests and describes the project. */
const tellsOnly = [
  /^(?:reports|docs|dist|\.github|\.ci)\//,
  // Of the commands, those that make a run.
  /^commands\/(?!test\.ts$|running\/)/,
  /^(?:[^/]+\.md|LICENSE|action\.yml|\.gitignore|allurerc[^/]*|(?:\.oxlintrc|biome|knip|tsconfig[^/]*)\.json)$/,
  /\.(?:test|e2e|browser|judged)\.ts$/,
];
const packageMain = join(projectRoot, "helpers", "index.ts");
const checksFolder = join(projectRoot, "helpers", "checks");
/** All ready-made checks, by name: whatever it imports, a claim depends on the one that it names. */
const readyMade = join(checksFolder, "ready-made.ts");
/** Other articles, and what is in no repository of the project's. */
const elsewhere = /^\.\.|^specs\/(?!ready-made)/;
/** What lies in an article's folder and is made from it, or from its runs. */
const made = /^recordings\/|^sentences\.ts$/;

/**
 * Returns the files that are not as they were at a commit, those that are not committed yet too.
 *
 * @throws UserError where git does not know the commit
 */
export function changedSince(commit: string, folder: string): ChangedFile[] {
  const git = (...words: readonly string[]) =>
    execaSync("git", words, { cwd: folder, reject: false, stripFinalNewline: false });
  const top = git("rev-parse", "--show-toplevel");
  const diff = git("diff", "--name-only", "-z", commit, "--");
  if (top.failed || diff.failed)
    throw new UserError(
      `--since ${commit}: ${(top.stderr || diff.stderr).split("\n")[0] ?? ""}`,
      "name a commit that git knows, in the repository of the article",
    );
  const root = top.stdout.trim();
  const others = git("ls-files", "--others", "--exclude-standard", "-z", "--full-name", root);
  return [...diff.stdout.split("\0"), ...others.stdout.split("\0")]
    .filter((name) => name !== "")
    .map((name) => {
      const path = join(root, name);
      if (relative(folder, path).startsWith("..")) return { path };
      const shown = git("show", `${commit}:${name}`);
      return { path, before: shown.failed ? undefined : shown.stdout };
    });
}

/** Returns which claims of an article changed files can have touched; where that cannot be told, it is all of them. */
export function touchedBy(changed: readonly ChangedFile[], article: Article): Touched {
  const checked = changed.length === 0 ? [] : checkedBy(article);
  const ids = new Set<string>();
  for (const file of changed) {
    const touched = touchedByOne(file, article, checked);
    if (touched === undefined) {
      const own = relative(article.folder, file.path);
      return { all: own.startsWith("..") ? relative(projectRoot, file.path) : own };
    }
    for (const id of touched) ids.add(id);
  }
  return new Set(article.claims.flatMap(({ id, expect }) => (expect !== undefined && ids.has(id) ? [id] : [])));
}

/** Claims, and the modules on which their checks depend. */
interface Checked {
  readonly ids: readonly string[];
  readonly modules: ReadonlySet<string>;
}

/** Returns what one file can have touched; undefined where that cannot be told. */
function touchedByOne(file: ChangedFile, article: Article, checked: readonly Checked[]): string[] | undefined {
  const { path } = file;
  if (path === article.file) return byText(file, article);
  const own = relative(article.folder, path);
  const isOwn = !own.startsWith("..");
  const name = isOwn ? own : relative(projectRoot, path);
  if (tellsOnly.some((each) => each.test(name)) || (isOwn ? made : elsewhere).test(name)) return [];
  if (isOwn && own.endsWith(".claims.yaml")) return byEntries(file);
  if (!path.endsWith(".ts")) return undefined;
  const touched = checked.flatMap(({ ids, modules }) => (modules.has(path) ? ids : []));
  const known = isOwn || path.startsWith(join(checksFolder, "/"));
  // What no check imports may be what makes the cluster, and judges them all.
  return touched.length === 0 && !known ? undefined : touched;
}

/** Those of whose words a line is new. */
function byText({ before = "" }: ChangedFile, { text, claims }: Article): string[] {
  const lines = new Set(before.split("\n"));
  const isNew = (claim: Claim) =>
    [claim, ...claim.also].some((place) => {
      const span = spanOf(text, place);
      if (span === undefined) return true;
      const end = text.indexOf("\n", span.end);
      const words = text.slice(text.lastIndexOf("\n", span.start - 1) + 1, end === -1 ? undefined : end);
      return words.split("\n").some((line) => !lines.has(line));
    });
  return claims.filter(isNew).map(({ id }) => id);
}

/** Those of which the catalogue says something else. */
function byEntries({ path, before }: ChangedFile): string[] {
  const entries = (text: string) =>
    new Map((parse(text) as { readonly id: string }[] | null)?.map((entry) => [entry.id, entry]));
  const [was, is] = [entries(before ?? "[]"), entries(existsSync(path) ? readFileSync(path, "utf8") : "[]")];
  return [...is].flatMap(([id, entry]) => (isDeepStrictEqual(entry, was.get(id)) ? [] : [id]));
}

/** The article's claims by the specs that check them, or by the ready-made checks that they name. */
function checkedBy(article: Article): Checked[] {
  const specs = readdirSync(article.folder)
    .filter((name) => name.endsWith(".spec.ts"))
    .map((name) => join(article.folder, name));
  const modules = readyMadeModules();
  const named = Map.groupBy(
    article.claims.filter(({ check }) => check !== undefined),
    ({ check = {} }) => modules.get(Object.keys(check)[0] ?? "") ?? readyMade,
  );
  return [
    ...specs.map((spec) => ({ ids: claimsIn(spec), modules: modulesOf(spec) })),
    ...[...named].map(([module, claims]) => ({
      ids: claims.map(({ id }) => id),
      modules: modulesOf(module).add(readyMade),
    })),
  ];
}

/** Returns a module and all that it imports, in turn. */
function modulesOf(module: string, found: Set<string> = new Set()): Set<string> {
  if (found.has(module) || !existsSync(module)) return found;
  found.add(module);
  for (const next of importsOf(module, { "kind-network-conformance": packageMain })) modulesOf(next, found);
  return found;
}

/** The ids of the claims that a spec checks, in modules beside it too. */
function claimsIn(spec: string, seen: Set<string> = new Set()): string[] {
  if (seen.has(spec) || !existsSync(spec)) return [];
  seen.add(spec);
  const own = [...readFileSync(spec, "utf8").matchAll(/\bclaim\(\s*"([^"]+)"/g)].map(([, id = ""]) => id);
  const beside = importsOf(spec).filter((module) => dirname(module) === dirname(spec) && module.endsWith(".claims.ts"));
  return [...own, ...beside.flatMap((module) => claimsIn(module, seen))];
}

/** By the names of ready-made checks, the modules that make them. */
function readyMadeModules(): Map<string, string> {
  const text = existsSync(readyMade) ? readFileSync(readyMade, "utf8") : "";
  const modules = new Map(
    [...text.matchAll(/import \{([^}]*)\} from "(\.[^"]+)"/g)].flatMap(([, names = "", target = ""]) =>
      names.split(",").map((name) => [name.trim(), join(checksFolder, target)] as const),
    ),
  );
  return new Map(
    [...text.matchAll(/^ {2}"([a-z-]+)": (\w+),$/gm)].flatMap(([, name = "", made = ""]) => {
      const module = modules.get(made);
      return module === undefined ? [] : [[name, module] as const];
    }),
  );
}
