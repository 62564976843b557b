import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { resultsSchema, schemaFile } from "./schema.ts";

test("the published JSON Schema is that of the results", () => {
  const published: unknown = JSON.parse(readFileSync(schemaFile, "utf8"));
  expect(published, "stale: renew it with `node reports/schema.ts`").toEqual(resultsSchema());
});
