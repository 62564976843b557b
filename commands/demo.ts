import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { readArticle } from "../helpers/article/article.ts";
import { UserError } from "../helpers/host/errors.ts";
import { main } from "../helpers/host/main.ts";
import { readSettings } from "../helpers/host/settings.ts";
import { recordedRun, writePages } from "../reports/pages/pages.ts";

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
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "results.json"), `${JSON.stringify(results, undefined, 2)}\n`);
  const [day, version] = [results.started.slice(0, 10), results.world.kubernetes];
  writePages(folder, results, article, {
    en: `Recorded on ${day} on Kubernetes ${version}, without its evidence: no run of yours. npm test makes one.`,
    zh: `這是 ${day} 在 Kubernetes ${version} 上錄下的結果，不含佐證檔案，並非你自己的執行。npm test 會產生你自己的。`,
  });
  process.stdout.write(`${join(folder, "index.html")}\n`);
  return 0;
});
