import { readdirSync } from "node:fs";
import { basename } from "node:path";
import type { Claim } from "../../helpers/article/article.ts";
import { readyMadeSpec } from "../../helpers/cluster/context.ts";
import { UserError } from "../../helpers/host/errors.ts";

/**
 * Returns a command's arguments as vitest is to get them: where `-t` names claims by their ids, by their sentences, which are
 * the names of their tests.
 *
 * @throws UserError where `-t` names no claim
 */
export async function selectionOf(words: readonly string[], claims: readonly Claim[]): Promise<string[]> {
  if (words.length === 0) return [];
  // Half a second to load, and only here.
  const { parseCLI } = await import("vitest/node");
  const asked = parseCLI(["vitest", "run", ...words]).options.testNamePattern;
  if (typeof asked !== "string") return [...words];
  const pattern = patternOf(asked);
  const checked = claims.filter(({ expect }) => expect !== undefined);
  if (checked.some(({ en }) => pattern.test(en))) return [...words];
  const named = checked.filter(({ id }) => pattern.test(id));
  if (named.length === 0)
    throw new UserError(`-t ${asked} is in no claim's sentence or id`, "npm run claims lists them");
  const sentences = `^(${named.map(({ en }) => en.replaceAll(/[$()*+.?[\\\]^{|}]/g, String.raw`\$&`)).join("|")})$`;
  return words.map((word) => (word.endsWith(asked) ? `${word.slice(0, -asked.length)}${sentences}` : word));
}

/**
 * Returns a command's arguments without the words that name spec files of an article, and these files; none where no word does.
 *
 * @throws UserError where no file has such a word in its name
 */
export async function filesIn(
  words: readonly string[],
  article: string,
): Promise<{ readonly rest: readonly string[]; readonly files: readonly string[] }> {
  if (words.length === 0) return { rest: [], files: [] };
  const { parseCLI } = await import("vitest/node");
  const named = parseCLI(["vitest", "run", ...words]).filter;
  if (named.length === 0) return { rest: words, files: [] };
  const rest = [...words];
  for (const word of named) rest.splice(rest.lastIndexOf(word), 1);
  const specs = [...readdirSync(article).filter((name) => /\.(?:spec|check)\.ts$/.test(name)), readyMadeSpec];
  const files = specs.filter((name) => named.some((word) => name.toLowerCase().includes(basename(word).toLowerCase())));
  if (files.length === 0)
    throw new UserError(`no spec has ${named.join(" or ")} in its name`, `there are ${specs.join(", ")}`);
  return { rest, files };
}

function patternOf(asked: string): RegExp {
  try {
    return new RegExp(asked);
  } catch (error) {
    throw new UserError(`-t ${asked}: ${(error as Error).message}`, "npm run claims lists what can be named");
  }
}
