import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { main } from "../helpers/host/main.ts";
import { projectRoot } from "../helpers/host/settings.ts";
import { apiAsMarkdown, readApi } from "./own-docs/api-page.ts";

/** Writes the page of what specs may import from its doc comments. */
await main(async () => {
  writeFileSync(join(projectRoot, "docs", "api.md"), apiAsMarkdown(readApi()));
  return 0;
});
