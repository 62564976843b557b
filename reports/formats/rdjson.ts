import type { Article } from "../../helpers/article/article.ts";
import { textIn } from "../../helpers/article/languages.ts";
import type { Results } from "../../helpers/claim/results.ts";
import { type Region, regionsOf } from "../places.ts";
import { correctionOf } from "../sentences.ts";
import { sourceLanguage } from "../words.ts";
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
 *
 * @param file of the article's text, relative to the repository's top
 */
export function rdjsonOf(results: Results, article: Article, file: string): Rdjson {
  const lines = article.text.split("\n");
  const severities = { error: "ERROR", warning: "WARNING", note: "INFO", none: "INFO" } as const;
  return {
    source: { name: "kind-network-conformance" },
    diagnostics: findingsOf(results).map(({ claim, level, text }) => {
      const { id, verdict, link } = claim;
      const [first] = regionsOf(id, article);
      const range = rangeOf(first, lines);
      const instead = verdict === "refuted" ? correctionOf(claim) : undefined;
      // A text in another language than the article's is nothing to commit.
      const correction = instead === undefined ? undefined : textIn(instead, sourceLanguage(article));
      return {
        message: text,
        location: { path: file, range },
        severity: severities[level],
        code: { value: id, ...(link === undefined ? {} : { url: link }) },
        ...(correction === undefined ? {} : { suggestions: [{ range, text: correction }] }),
      };
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
