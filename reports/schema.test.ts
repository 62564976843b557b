import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { resultsSchema, schemaFile } from "./schema.ts";

test("the published JSON Schema is that of the results", () => {
  expect(readFileSync(schemaFile, "utf8"), "stale: renew it with `node reports/schema.ts`").toBe(resultsSchema());
});
