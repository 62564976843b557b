import { readdirSync } from "node:fs";
import { join } from "node:path";

// All specs in one file: which control may be tried beside which is a matter of all of them.
for (const file of readdirSync(import.meta.dirname).filter((name) => name.endsWith(".spec.ts")))
  await import(/* @vite-ignore */ join(import.meta.dirname, file));
