import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { schemaFile, schemaNames, schemaOf } from "./schema.ts";

test.each(schemaNames)("the published JSON Schema of %s is today's", (name) => {
  expect(readFileSync(schemaFile(name), "utf8"), "stale: renew it with `node reports/schema.ts`").toBe(schemaOf(name));
});
