import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { checksAsMarkdown } from "../helpers/checks/page.ts";
import { main } from "../helpers/host/main.ts";
import { projectRoot } from "../helpers/host/settings.ts";

/** Writes the page of the ready-made checks from their schemas. */
await main(async () => {
  writeFileSync(join(projectRoot, "docs", "checks.md"), checksAsMarkdown());
  return 0;
});
