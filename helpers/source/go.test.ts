import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execaSync } from "execa";
import { afterAll, expect, test, vi } from "vitest";
import { UserError } from "../host/errors.ts";
import { moduleSource } from "./go.ts";

const cache = mkdtempSync(join(tmpdir(), "go-"));
afterAll(() => {
  vi.unstubAllEnvs();
  rmSync(cache, { recursive: true });
});

test.skipIf(execaSync("go", ["version"], { reject: false }).failed)(
  "a Go module proxy that cannot be reached is told in a line, as the network's",
  async () => {
    vi.stubEnv("GOPROXY", "http://127.0.0.1:1");
    const fetched = moduleSource("sigs.k8s.io/kind", "v0.33.0", cache, new AbortController().signal);
    await expect(fetched).rejects.toThrow(UserError);
    await expect(fetched).rejects.toThrow(/^go mod download sigs\.k8s\.io\/kind@v0\.33\.0 failed: .*refused$/);
  },
);
