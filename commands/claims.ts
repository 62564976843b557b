import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { readArticle } from "../helpers/article/article.ts";
import { coverageOf } from "../helpers/article/coverage.ts";
import { sentencesFile, sentencesOf } from "../helpers/article/sentences.ts";
import { readyMadeCheck } from "../helpers/checks/ready-made.ts";
import { UserError } from "../helpers/host/errors.ts";
import { main } from "../helpers/host/main.ts";
import { readSettings } from "../helpers/host/settings.ts";
import { joined } from "../reports/words.ts";

/**
 * The article's claims, without a cluster: in the article's order, or as JSON. If the article's specs have types of its claims
 * (sentences.ts, which `--types` makes), those are brought up to date.
 */
await main(async () => {
  const { json, types } = options();
  const article = readArticle(readSettings().article);
  // Their parameters are no matter of the catalogue, but what does not fit is to be told here.
  for (const { id, check } of article.claims) if (check !== undefined) readyMadeCheck(id, check, article.folder);
  const sentences = join(article.folder, sentencesFile);
  const text = sentencesOf(article);
  const isThere = existsSync(sentences);
  if (isThere ? readFileSync(sentences, "utf8") !== text : types === true) writeFileSync(sentences, text);
  if (json === true) {
    process.stdout.write(`${JSON.stringify(article, undefined, 2)}\n`);
    return 0;
  }
  for (const section of article.sections) {
    process.stdout.write(`\n${joined(section, article.languages, " · ")}\n`);
    for (const claim of article.claims.filter((candidate) => candidate.section === section.id)) {
      const verdicts =
        claim.expect === undefined ? "excluded" : [...new Set(claim.expect.map(({ verdict }) => verdict))].join("/");
      process.stdout.write(
        `  ${String(claim.ref).padStart(3)}  ${verdicts.padEnd(8)}  ${claim.id}\n                 ${claim.en}\n`,
      );
    }
  }
  const { percent, missing } = coverageOf(article);
  const open = article.unclaimed.flatMap(({ reason, places }) => (reason === "todo" ? places : []));
  process.stdout.write(
    `\n${percent} % of the text is covered${open.length === 0 ? "" : `; nobody has looked yet at ${open.length} of its sentences (todo)`}\n`,
  );
  for (const { line, text } of missing)
    process.stdout.write(`  line ${line} belongs to no claim and to no reason: ${text}\n`);
  return missing.length === 0 ? 0 : 1;
});

function options(): { json?: boolean | undefined; types?: boolean | undefined } {
  try {
    return parseArgs({ options: { json: { type: "boolean" }, types: { type: "boolean" } }, allowPositionals: false })
      .values;
  } catch (error) {
    throw new UserError((error as Error).message.split("\n")[0] ?? "", "npm run claims [-- --json] [--types]");
  }
}
