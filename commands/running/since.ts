import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { execaSync } from "execa";
import { parse } from "yaml";
import { type Article, type Claim, spanOf } from "../../helpers/article/article.ts";
import { UserError } from "../../helpers/host/errors.ts";
import { projectRoot } from "../../helpers/host/settings.ts";

/** A file that is not as it was. */
export interface ChangedFile {
  /** Absolute. */
  readonly path: string;
  /** What it was; absent where it was not there, or cannot be told. */
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
const checksFolder = join(projectRoot, "helpers", "checks");
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
      const shown = git("show", `${commit}:${name}`);
      return { path: join(root, name), before: shown.failed ? undefined : shown.stdout };
    });
}

/** Returns which claims of an article changed files can have touched; where that cannot be told, it is all of them. */
export function touchedBy(changed: readonly ChangedFile[], article: Article): Touched {
  const ids = new Set<string>();
  for (const file of changed) {
    const own = relative(article.folder, file.path);
    const name = relative(projectRoot, file.path);
    const touched =
      file.path === article.file
        ? byText(file, article)
        : own.startsWith("..")
          ? name.startsWith("..") || tellsOnly.some((each) => each.test(name)) || /^specs\/(?!ready-made)/.test(name)
            ? []
            : byModule(file, article)
          : made.test(own) || tellsOnly.some((each) => each.test(own))
            ? []
            : own.endsWith(".claims.yaml")
              ? byEntries(file)
              : byModule(file, article);
    if (touched === undefined) return { all: own.startsWith("..") ? name : own };
    for (const id of touched) ids.add(id);
  }
  return new Set(article.claims.flatMap(({ id, expect }) => (expect !== undefined && ids.has(id) ? [id] : [])));
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

/** Those of the specs that import it, or that name a ready-made check which does; undefined where it is no module. */
function byModule({ path }: ChangedFile, article: Article): string[] | undefined {
  if (!path.endsWith(".ts")) return undefined;
  const specs = readdirSync(article.folder)
    .filter((name) => name.endsWith(".spec.ts"))
    .map((name) => join(article.folder, name));
  const bySpec = specs.flatMap((spec) => (reaches(spec, path) ? claimsIn(spec) : []));
  const modules = readyMadeModules();
  const named = article.claims.flatMap(({ id, check }) => {
    const module = modules.get(Object.keys(check ?? {})[0] ?? "");
    return module !== undefined && reaches(module, path) ? [id] : [];
  });
  const found = [...bySpec, ...named];
  if (path === join(checksFolder, "ready-made.ts"))
    return article.claims.flatMap(({ id, check }) => (check === undefined ? [] : [id]));
  const isOwn = path.startsWith(join(article.folder, "/")) || path.startsWith(join(checksFolder, "/"));
  // What no spec imports may be what makes the cluster, and judges them all.
  return found.length === 0 && !isOwn ? undefined : found;
}

/** Returns whether a module imports another, or is it. */
function reaches(from: string, to: string, seen: Set<string> = new Set()): boolean {
  if (from === to) return true;
  if (seen.has(from) || !existsSync(from)) return false;
  seen.add(from);
  return importsOf(from).some((next) => reaches(next, to, seen));
}

function importsOf(module: string): string[] {
  return [...readFileSync(module, "utf8").matchAll(/(?:from|import) "([^"]+)"/g)].flatMap(([, target = ""]) => {
    if (target === "kind-network-conformance") return [join(projectRoot, "helpers", "index.ts")];
    return target.startsWith(".") ? [join(dirname(module), target)] : [];
  });
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
  const file = join(checksFolder, "ready-made.ts");
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
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
