import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { readArticle } from "../helpers/article/article.ts";
import { UserError } from "../helpers/host/errors.ts";
import { main } from "../helpers/host/main.ts";
import { readSettings } from "../helpers/host/settings.ts";
import { badgeOf } from "../reports/badge.ts";
import { resultsAt } from "../reports/results.ts";

/** Writes `badge.json` beside the last results, for shields.io: grey once the text is another or the run is old. */
await main(async () => {
  if (process.argv.length > 2) throw new UserError(`${process.argv[2]} is not known`, "knc badge");
  const settings = readSettings();
  const results = resultsAt(join(settings.out, "results.json"));
  if (results === undefined) throw new UserError(`there are no results in ${settings.out}`, "npm test makes some");
  const badge = badgeOf(results, readArticle(settings.article), new Date());
  const file = join(settings.out, "badge.json");
  writeFileSync(file, `${JSON.stringify(badge)}\n`);
  process.stdout.write(`${file}: ${badge.message}\n`);
  return 0;
});
