import type { Article } from "../../helpers/article/article.ts";
import type { Results } from "../../helpers/claim/results.ts";
import { correctedIn } from "../corrected.ts";
import { type Region, regionOf, regionsOf } from "../places.ts";
import { findingsOf } from "./findings.ts";

/** Reviewdog Diagnostic Format, as far as it is written here. Source: reviewdog, proto/rdf. */
export interface Rdjson {
  readonly source: { readonly name: string };
  readonly diagnostics: readonly {
    readonly message: string;
    readonly location: { readonly path: string; readonly range: Range };
    readonly severity: "ERROR" | "WARNING" | "INFO";
    readonly code: { readonly value: string; readonly url?: string };
    readonly suggestions?: readonly { readonly range: Range; readonly text: string }[];
  }[];
}

/** Lines and columns from 1; columns in bytes of UTF-8. The end is behind the last. */
interface Range {
  readonly start: { readonly line: number; readonly column: number };
  readonly end: { readonly line: number; readonly column: number };
}

/**
 * Returns what a run found in the article for reviewdog: in a pull request, each correction is a suggestion that can be committed.
 * All suggestions together make the corrected text.
 *
 * @param file of the article's text, relative to the repository's top
 */
export function rdjsonOf(results: Results, article: Article, file: string): Rdjson {
  const lines = article.text.split("\n");
  const severities = { error: "ERROR", warning: "WARNING", note: "INFO", none: "INFO" } as const;
  const { changes } = results.corrected === true ? { changes: [] } : correctedIn(results, article);
  return {
    source: { name: "kind-network-conformance" },
    diagnostics: findingsOf(results).flatMap(({ claim, level, text }) => {
      const { id, link } = claim;
      const [place] = regionsOf(id, article);
      const own = changes
        .filter((change) => change.claim === id)
        .map((change) => ({ ...regionOf(change, article), to: change.to }));
      // A suggestion is told where it is committed: those for other lines than the sentence's, there.
      const [here, elsewhere] = [true, false].map((wanted) =>
        own.filter(({ startLine, endLine }) => wanted === (startLine >= place.startLine && endLine <= place.endLine)),
      );
      const told = [
        { at: place, by: here ?? [] },
        ...(elsewhere ?? []).map((change) => ({ at: change, by: [change] })),
      ];
      return told.map(({ at, by }) => ({
        message: text,
        location: { path: file, range: rangeOf(at, lines) },
        severity: severities[level],
        code: { value: id, ...(link === undefined ? {} : { url: link }) },
        ...(by.length === 0
          ? {}
          : { suggestions: by.map((change) => ({ range: rangeOf(change, lines), text: change.to })) }),
      }));
    }),
  };
}

function rangeOf({ startLine, startColumn, endLine, endColumn }: Region, lines: readonly string[]): Range {
  const column = (line: number, units: number) => Buffer.byteLength((lines[line - 1] ?? "").slice(0, units - 1)) + 1;
  return {
    start: { line: startLine, column: column(startLine, startColumn) },
    end: { line: endLine, column: column(endLine, endColumn) },
  };
}
