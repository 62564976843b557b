import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { readArticle, readCatalogue } from "../helpers/claim/catalogue.ts";
import { type ClaimResult, previousResults, Results } from "../helpers/claim/results.ts";
import { articlePage, type EvidenceFile } from "./article-page.ts";
import { errataAsMarkdown } from "./errata.ts";
import type { Bilingual } from "./look.ts";
import { startPage } from "./start-page.ts";

/**
 * Writes the pages of a run beside its results: `index.html` to begin with, `article.html` and `errata.md`.
 *
 * @param recorded said on top where the run is not the reader's own
 */
export function writePages(out: string, results: Results, recorded?: Bilingual): void {
  const [article, catalogue] = [readArticle(), readCatalogue()];
  const said = recorded === undefined ? {} : { recorded };
  const evidence = new Map(results.claims.map((claim) => [claim.id, evidenceOf(out, claim)]));
  writeFileSync(join(out, "article.html"), articlePage({ results, catalogue, article, evidence, ...said }));
  writeFileSync(join(out, "errata.md"), errataAsMarkdown(results, article, catalogue));
  const previous = previousRun(out);
  // Allure's report is made last, from the same results.
  const files = [...readdirSync(out), ...(recorded === undefined ? ["allure-report/index.html"] : [])];
  writeFileSync(
    join(out, "index.html"),
    startPage({ results, files, ...said, ...(previous === undefined ? {} : { previous }) }),
  );
}

/** The results that the run before left in this folder, unless another version of the suite wrote them. */
function previousRun(out: string): Results | undefined {
  const file = join(out, previousResults);
  if (!existsSync(file)) return undefined;
  return Results.safeParse(JSON.parse(readFileSync(file, "utf8"))).data;
}

/** What a claim's check kept: its texts, and the pictures that lie beside them. */
function evidenceOf(out: string, { evidence }: ClaimResult): EvidenceFile[] {
  const [first] = evidence;
  const folder = first === undefined ? undefined : dirname(first);
  if (folder === undefined || !existsSync(join(out, folder))) return [];
  const pictures = readdirSync(join(out, folder)).filter((name) => name.endsWith(".svg"));
  return [
    ...evidence.map((path) => ({ path, ...headOf(readFileSync(join(out, path), "utf8")) })),
    ...pictures.toSorted().map((name) => ({ path: join(folder, name), title: basename(name, ".svg"), command: "" })),
  ];
}

/** A piece of evidence begins with its title and, where there is one, its command. */
function headOf(text: string): Pick<EvidenceFile, "title" | "command"> {
  const [title = "", command = ""] = text.split("\n", 2);
  return { title: title.replace(/^# /, ""), command: command.startsWith("$ ") ? command.slice(2, 302) : "" };
}
