import { cpSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { UserError } from "../helpers/host/errors.ts";
import { main } from "../helpers/host/main.ts";
import { Progress } from "../helpers/host/progress.ts";
import { projectRoot, readSettings } from "../helpers/host/settings.ts";
import { findBrowser } from "../helpers/source/browser.ts";

/**
 * Tries the pages in a real browser, as recorded runs give them, and leaves pictures of them in `screenshots/`. With `--record`
 * those of the README are renewed.
 */
await main(async () => {
  const [option, ...others] = process.argv.slice(2);
  if (others.length > 0 || (option !== undefined && option !== "--record"))
    throw new UserError(`${others[0] ?? option} is not known`, "npm run pages [-- --record]");
  const settings = readSettings();
  const progress = new Progress();
  const { program, environment } = await progress.phase("browser", (say) => findBrowser(settings, say));
  const run = (program: string, words: readonly string[], env: Readonly<Record<string, string>> = {}) =>
    execa(program, words, {
      cwd: projectRoot,
      preferLocal: true,
      env,
      stdin: "ignore",
      stdout: "inherit",
      stderr: "inherit",
      reject: false,
    });
  const demo = await run(process.execPath, [join("commands", "run.js"), "demo"]);
  if (demo.failed) return 2;
  const site = await run(process.execPath, [join("commands", "run.js"), "site"]);
  if (site.failed) return 2;
  const tested = await run("vitest", ["run", "--config", "vitest.tests.config.ts", "--mode", "pages"], {
    BROWSER_PROGRAM: program,
    BROWSER_ENVIRONMENT: JSON.stringify(environment),
    BROWSER_PAGES: join(settings.out, "demo"),
    BROWSER_SITE: join(settings.out, "site"),
  });
  if (option === "--record" && tested.exitCode === 0)
    cpSync(join(settings.out, "screenshots", "readme"), join(projectRoot, "reports", "screenshots"), {
      recursive: true,
    });
  return tested.exitCode === 0 ? 0 : 1;
});
