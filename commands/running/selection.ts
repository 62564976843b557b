import type { Claim } from "../../helpers/article/article.ts";
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

/** Returns a command's arguments without the words that are to be in the names of spec files, and those words. */
export async function fileFiltersIn(words: readonly string[]): Promise<{ rest: string[]; filters: string[] }> {
  if (words.length === 0) return { rest: [], filters: [] };
  const { parseCLI } = await import("vitest/node");
  const filters = parseCLI(["vitest", "run", ...words]).filter;
  return { rest: words.filter((word) => !filters.includes(word)), filters };
}

function patternOf(asked: string): RegExp {
  try {
    return new RegExp(asked);
  } catch (error) {
    throw new UserError(`-t ${asked}: ${(error as Error).message}`, "npm run claims lists what can be named");
  }
}
