import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Claim } from "../helpers/article/article.ts";
import type { ClaimResult } from "../helpers/claim/results.ts";

/** A piece of evidence: what was done, the command where there was one, and what came of it. */
export interface Piece {
  /** Relative to the results. */
  readonly path: string;
  readonly title: string;
  readonly command: string;
  readonly output: string;
  /** The line of the file, from 1, in which the output begins. */
  readonly outputLine: number;
}

/** Returns the pieces that a claim's check left beside the results; none where only the results were kept. */
export function piecesOf(out: string, { evidence }: Pick<ClaimResult, "evidence">): Piece[] {
  return evidence.every((path) => existsSync(join(out, path))) ? evidence.map((path) => readPiece(out, path)) : [];
}

/** A file of evidence begins with its title and, where there is one, its command. */
function readPiece(out: string, path: string): Piece {
  const text = readFileSync(join(out, path), "utf8");
  const [title = "", command = ""] = text.split("\n", 2);
  const typed = command.startsWith("$ ");
  return {
    path,
    title: title.replace(/^# /, ""),
    command: typed ? command.slice(2, 302) : "",
    output: text.slice(title.length + 1 + (typed ? command.length + 1 : 0)),
    outputLine: typed ? 3 : 2,
  };
}

/** Where a claim's evidence shows what decided. */
export interface Shown {
  /** Relative to the results. */
  readonly path: string;
  readonly title: string;
  /** The line of that file, from 1, and what stands there; absent where what is not there decided. */
  readonly line?: number;
  readonly text?: string;
}

/**
 * Returns where a claim's pieces of evidence show what decided, by the catalogue's patterns: the first step after `after` that is
 * titled `by` and printed `line`, before others one in whose line a value stands that decided. `undefined` where none fits.
 */
export function shownOf(
  pieces: readonly Piece[],
  { deciding = [] }: Pick<ClaimResult, "deciding">,
  pattern: Claim["shown"],
): Shown | undefined {
  if (pattern === undefined) return undefined;
  const { after, by, line } = pattern;
  const before = after === undefined ? -1 : pieces.findIndex(({ title }) => after.test(title));
  if (after !== undefined && before === -1) return undefined;
  const fitting = pieces.slice(before + 1).flatMap(({ path, title, output, outputLine }): Shown[] => {
    if (!by.test(title)) return [];
    if (line === undefined) return [{ path, title }];
    return output.split("\n").flatMap((text, index) => {
      const [found] = line.exec(text) ?? [];
      return found === undefined
        ? []
        : [{ path, title, line: outputLine + index, text: found.trim().replaceAll(String.raw`\"`, '"') }];
    });
  });
  return fitting.find(({ text }) => deciding.some(({ value }) => text?.includes(value))) ?? fitting[0];
}
