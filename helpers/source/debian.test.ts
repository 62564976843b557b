import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { UserError } from "../host/errors.ts";
import { PrivateApt } from "./debian.ts";

const folder = mkdtempSync(join(tmpdir(), "debian-"));
afterAll(() => rmSync(folder, { recursive: true }));

test.runIf(existsSync("/usr/bin/apt-get"))(
  "a mirror that cannot be reached is told in a line, and its lists do not count as read",
  async () => {
    const mirror = { uri: "http://127.0.0.1:1/debian", codename: "bookworm" };
    const update = new PrivateApt(folder, mirror, []).update(() => {});
    await expect(update).rejects.toThrow(UserError);
    await expect(update).rejects.toThrow(/^apt-get update failed: E: /);
    expect(existsSync(join(folder, "updated"))).toBe(false);
  },
);
