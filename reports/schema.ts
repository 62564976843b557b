import { writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { z } from "zod";
import { Results } from "../helpers/claim/results.ts";
import { Matrix } from "./matrix.ts";

const published = {
  results: { title: "Results of a run of kind-network-conformance", schema: Results },
  matrix: { title: "Claims × cells of kind-network-conformance", schema: Matrix },
} as const;

/** What is published with a JSON Schema: results.json and matrix.json. */
export const schemaNames = Object.keys(published) as readonly (keyof typeof published)[];

/** Returns where the published JSON Schema is. */
export function schemaFile(name: keyof typeof published): URL {
  return new URL(`${name}.schema.json`, import.meta.url);
}

/** Returns the JSON Schema (draft 2020-12) as text. */
export function schemaOf(name: keyof typeof published): string {
  const { title, schema } = published[name];
  return `${JSON.stringify({ title, ...z.toJSONSchema(schema) }, undefined, 2)}\n`;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href)
  for (const name of schemaNames) writeFileSync(schemaFile(name), schemaOf(name));
