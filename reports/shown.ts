import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { Claim } from "../helpers/claim/catalogue.ts";
import type { ClaimResult } from "../helpers/claim/results.ts";

/** A piece of evidence: what was done, the command where there was one, and what came of it. */
export interface Piece {
  readonly title: string;
  readonly command: string;
  readonly output: string;
  /** The line of the file, from 1, in which the output begins. */
  readonly outputLine: number;
}

/** Returns what a file of evidence holds: it begins with its title and, where there is one, its command. */
export function readPiece(out: string, path: string): Piece {
  const text = readFileSync(join(out, path), "utf8");
  const [title = "", command = ""] = text.split("\n", 2);
  const typed = command.startsWith("$ ");
  return {
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
 * Returns where the evidence shows what decided, by the catalogue's patterns: the first step after `after` that is titled `by`
 * and printed `line`, before others one in whose line a value stands that decided. `undefined` where no step fits, or none was kept.
 */
export function shownOf(
  out: string,
  { evidence, deciding = [] }: ClaimResult,
  pattern: Claim["shown"],
): Shown | undefined {
  if (pattern === undefined || !evidence.every((path) => existsSync(join(out, path)))) return undefined;
  const pieces = evidence.map((path) => ({ path, ...readPiece(out, path) }));
  const { after, by, line } = pattern;
  const start = after === undefined ? 0 : pieces.findIndex(({ title }) => new RegExp(after).test(title)) + 1;
  const fitting = pieces.slice(start).flatMap(({ path, title, output, outputLine }): Shown[] => {
    if (!new RegExp(by).test(title)) return [];
    if (line === undefined) return [{ path, title }];
    return output.split("\n").flatMap((text, index) => {
      const [found] = new RegExp(line).exec(text) ?? [];
      return found === undefined
        ? []
        : [{ path, title, line: outputLine + index, text: found.trim().replaceAll(String.raw`\"`, '"') }];
    });
  });
  return fitting.find(({ text }) => deciding.some(({ value }) => text?.includes(value))) ?? fitting[0];
}
