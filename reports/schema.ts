import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { execa } from "execa";
import { z } from "zod";
import { Results } from "../helpers/claim/results.ts";

/** Where the published JSON Schema of results.json is. */
export const schemaFile: string = fileURLToPath(new URL("results.schema.json", import.meta.url));

/** Returns the JSON Schema (draft 2020-12) of results.json. */
export function resultsSchema(): Record<string, unknown> {
  return { title: "Results of a run of kind-network-conformance", ...z.toJSONSchema(Results) };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(schemaFile, JSON.stringify(resultsSchema()));
  await execa("biome", ["format", "--write", schemaFile], { preferLocal: true });
}
