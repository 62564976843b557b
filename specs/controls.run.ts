import { readdirSync } from "node:fs";
import { join } from "node:path";
import { readyMadeSpec, specsIn } from "../helpers/article/specs.ts";
import { readSettings } from "../helpers/host/settings.ts";

// All specs in one file: which control may be tried beside which is a matter of all of them.
const { article } = readSettings();
const own = readdirSync(article).filter((name) => name.endsWith(".spec.ts"));
const files = [...own.map((name) => join(article, name)), ...specsIn(article).filter((name) => name === readyMadeSpec)];
for (const file of files) await import(/* @vite-ignore */ file);
