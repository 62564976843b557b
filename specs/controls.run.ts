import { readdirSync } from "node:fs";
import { join } from "node:path";
import { readSettings } from "../helpers/host/settings.ts";

// All specs in one file: which control may be tried beside which is a matter of all of them.
const { article } = readSettings();
for (const file of readdirSync(article).filter((name) => name.endsWith(".spec.ts")))
  await import(/* @vite-ignore */ join(article, file));
await import("./ready-made.spec.ts");
