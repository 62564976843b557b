import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, extname, isAbsolute, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { UserError } from "./errors.ts";

/** The project's root folder; in the package its `dist`, which is laid out in the same way. */
export const projectRoot: string = fileURLToPath(new URL("../..", import.meta.url));

/** The ending of the project's own modules: `.ts` in the repository, `.js` in the package, where Node strips no types. */
export const moduleEnding: string = extname(import.meta.filename);

const flag = z.enum(["0", "1"], "must be 0 or 1").transform((text) => text === "1");
const absolutePath = z.string().refine(isAbsolute, "must be an absolute path");
const existingFile = z
  .string()
  .transform((path) => resolve(path))
  .refine((path) => existsSync(path), "does not exist")
  .refine((path) => statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true, "is a folder");

const ownArticles = join(projectRoot, "specs");

/** What is checked when no article is named: package.json says which. */
const mainArticle = join(projectRoot, mainArticleIn(readFileSync(join(projectRoot, "package.json"), "utf8")));

function mainArticleIn(packageJson: string): string {
  return z.object({ config: z.object({ article: z.string() }) }).parse(JSON.parse(packageJson)).config.article;
}

function isArticle(folder: string): boolean {
  return existsSync(join(folder, "article.yaml"));
}

/** A folder by its path, or one of specs/ by its name; what is in it is told when it is read. */
const articleFolder = z
  .string()
  .transform((text) => (/^[a-z0-9-]+$/.test(text) && !isArticle(text) ? join(ownArticles, text) : resolve(text)))
  .refine(isArticle, "names no folder with an article.yaml");

/**
 * Returns the article that is meant when none is named: this folder or the only one in it, else the repository's main one. Where
 * there is none it is this folder, and whatever reads it says what is missing.
 */
function articleHere(): string {
  const here = process.cwd();
  if (isArticle(here)) return here;
  const folders = readdirSync(here, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const [found, ...others] = folders.map(({ name }) => join(here, name)).filter(isArticle);
  if (found !== undefined && others.length === 0) return found;
  return isArticle(mainArticle) ? mainArticle : here;
}

/** Returns how a command is told of an article: ` --article tiny`; nothing for the one that is meant when none is named. */
export function articleOption(folder: string): string {
  if (folder === articleHere()) return "";
  const from = relative(process.cwd(), folder) || ".";
  return ` --article ${dirname(folder) === ownArticles ? basename(folder) : from.startsWith("..") ? folder : from}`;
}

/** Returns the folder for an article's results: the repository's are kept together, any other has them in its own. */
function outOf(article: string): string {
  if (dirname(article) !== ownArticles) return join(article, "knc-out");
  return join(projectRoot, "reports", "out", article === mainArticle ? "" : basename(article));
}

const Variables = z.strictObject({
  KNC_ARTICLE: articleFolder.optional(),
  KNC_NODE_IMAGE: z
    .string()
    .regex(
      /^[a-z0-9][\w./:-]*(@sha256:[0-9a-f]{64})?$/,
      "must be an image reference such as kindest/node:v1.37.0@sha256:…",
    )
    .optional(),
  KNC_IMAGE_LOCK: existingFile.optional(),
  KNC_CELL: z.string().min(1, "must name a cell of fixtures/clusters/matrix.yaml").optional(),
  KNC_WORLDS: z
    .string()
    .regex(/^[a-z0-9-]+(,[a-z0-9-]+)*$/, "must be names of fixtures/clusters/worlds.yaml, separated by commas")
    .optional(),
  KNC_KEEP_CLUSTER: flag.default(false),
  KNC_KUBECONFIG: existingFile.optional(),
  KNC_INSTALL: z.enum(["auto", "never"], "must be auto or never").default("auto"),
  KNC_CACHE: absolutePath.optional(),
  KNC_OUT: absolutePath.optional(),
  KNC_FOOTNOTES: flag.default(false),
  KNC_TIMEOUT_FACTOR: z.coerce
    .number("must be a number")
    .min(0.1, "must be at least 0.1")
    .max(100, "must be at most 100")
    .default(1),
});

/** What the `KNC_` variables ask for; see the table in the README. */
export interface Settings {
  /** Folder of the article to check. */
  readonly article: string;
  /** Node image to use instead of the one the suite would find or build. */
  readonly nodeImage: string | undefined;
  /** Image lock file to use instead of the project's own. */
  readonly imageLock: string | undefined;
  /** Cell of the matrix to check instead of the image lock's own version. */
  readonly cell: string | undefined;
  /** Worlds in which the claims are to be judged; see fixtures/clusters/worlds.yaml. */
  readonly worlds: readonly string[];
  /** Keep the cluster after the run. */
  readonly keepCluster: boolean;
  /** Check this existing kind cluster instead of a fresh one. */
  readonly kubeconfig: string | undefined;
  /** Whether missing host tools may be fetched and unpacked below the cache folder. */
  readonly install: "auto" | "never";
  /** Folder for everything that is worth keeping between runs. */
  readonly cache: string;
  /** Folder for results and reports. */
  readonly out: string;
  /** Whether the corrected text has the notes on sentences that hold, as footnotes. */
  readonly footnotes: boolean;
  /** Every time-out is multiplied by this. */
  readonly timeoutFactor: number;
}

/** Asks for all of the repository's articles, in the place of one. */
const allArticles = "all";

/** To copy from, and no article to be checked. */
const example = "tiny";

/**
 * Returns the settings that the environment asks for, of each article that is meant: with `KNC_ARTICLE=all`, of all that the
 * repository has, the main one first, each with a folder of its own for its results.
 *
 * @throws UserError as {@link readSettings} does
 */
export function readSettingsOfAll(environment: NodeJS.ProcessEnv = process.env): [Settings, ...Settings[]] {
  if (environment["KNC_ARTICLE"] !== allArticles) return [readSettings(environment)];
  const of = (article: string) => {
    const out = environment["KNC_OUT"];
    const its = out === undefined || article === mainArticle ? out : join(out, basename(article));
    return readSettings({ ...environment, KNC_ARTICLE: article, ...(its === undefined ? {} : { KNC_OUT: its }) });
  };
  const others = readdirSync(ownArticles)
    .filter((name) => name !== example)
    .map((name) => join(ownArticles, name))
    .filter((folder) => folder !== mainArticle && isArticle(folder));
  return [of(mainArticle), ...others.map(of)];
}

/**
 * Returns the settings that the environment asks for.
 *
 * @throws UserError naming the first `KNC_` variable that is unknown or malformed
 */
export function readSettings(environment: NodeJS.ProcessEnv = process.env): Settings {
  const ours = Object.fromEntries(Object.entries(environment).filter(([name]) => name.startsWith("KNC_")));
  const parsed = Variables.safeParse(ours);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    if (issue?.code === "unrecognized_keys")
      throw new UserError(`unknown setting ${issue.keys[0]}`, `known are ${Object.keys(Variables.shape).join(", ")}`);
    const name = String(issue?.path[0]);
    throw new UserError(`${name}=${ours[name]} ${issue?.message}`, `correct or unset ${name}`);
  }
  const value = parsed.data;
  const article = value.KNC_ARTICLE ?? articleHere();
  const cacheHome = environment["XDG_CACHE_HOME"] ?? join(homedir(), ".cache");
  return {
    nodeImage: value.KNC_NODE_IMAGE,
    imageLock: value.KNC_IMAGE_LOCK,
    cell: value.KNC_CELL,
    article,
    worlds: value.KNC_WORLDS?.split(",") ?? [],
    keepCluster: value.KNC_KEEP_CLUSTER,
    kubeconfig: value.KNC_KUBECONFIG,
    install: value.KNC_INSTALL,
    cache: value.KNC_CACHE ?? join(cacheHome, "kind-network-conformance"),
    out: value.KNC_OUT ?? outOf(article),
    footnotes: value.KNC_FOOTNOTES,
    timeoutFactor: value.KNC_TIMEOUT_FACTOR,
  };
}
