import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { stringify } from "yaml";
import { readImageLock } from "./image-lock.ts";

const folder = mkdtempSync(join(tmpdir(), "image-lock-"));
afterAll(() => rmSync(folder, { recursive: true }));
const file = join(folder, "lock.yaml");

test("a lock without a digest is refused in one line that names the place", () => {
  const lock = structuredClone(readImageLock());
  writeFileSync(
    file,
    stringify({
      ...lock,
      workloads: { ...lock.workloads, nginx: { ...lock.workloads["nginx"], published: "nginx:1.21" } },
    }),
  );
  expect(() => readImageLock(file)).toThrow(`${file}: workloads.nginx.published: must be name:tag@sha256:digest`);
});

test("a file that is no YAML is refused in one line", () => {
  writeFileSync(file, "{");
  expect(() => readImageLock(file)).toThrow(/^[^\n]+$/);
});
