import { rmSync } from "node:fs";
import { join } from "node:path";
import { readArticle } from "../helpers/article/article.ts";
import { UserError } from "../helpers/host/errors.ts";
import { main } from "../helpers/host/main.ts";
import { readSettings } from "../helpers/host/settings.ts";
import { recordedRun, writeRecordedPages } from "../reports/pages/pages.ts";

/** Makes all pages from recorded runs, in seconds: a newcomer sees what a run gives before making one. */
await main(async () => {
  if (process.argv.length > 2) throw new UserError(`${process.argv[2]} is not known`, "npm run demo");
  const settings = readSettings();
  const article = readArticle(settings.article);
  const results = recordedRun(article);
  if (results === undefined)
    throw new UserError(`${article.id} has no recorded run`, "npm test makes one, which is shown as it ends");
  const folder = join(settings.out, "demo");
  rmSync(folder, { recursive: true, force: true });
  writeRecordedPages(folder, results, article);
  process.stdout.write(`${join(folder, "index.html")}\n`);
  return 0;
});
