import { writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import { Results } from "../helpers/claim/results.ts";

/** Where the published JSON Schema of results.json is. */
export const schemaFile: URL = new URL("results.schema.json", import.meta.url);

/** Returns the JSON Schema (draft 2020-12) of results.json as text. */
export function resultsSchema(): string {
  return `${JSON.stringify({ title: "Results of a run of kind-network-conformance", ...z.toJSONSchema(Results) }, undefined, 2)}\n`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) writeFileSync(schemaFile, resultsSchema());
