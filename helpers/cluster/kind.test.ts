import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { UserError } from "../host/errors.ts";
import { downloadKind } from "./kind.ts";

const release = "#!/bin/sh\necho 0.33.0\n";
const arch = process.arch === "x64" ? "amd64" : process.arch;
const lock = (sha256: string) => ({ version: "v0.33.0", sha256: { [arch]: sha256 } });
const right = createHash("sha256").update(release).digest("hex");
const never = new AbortController().signal;
const silent = () => {};

let server: Server;
let from = "";
let folder = "";
let requests = 0;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "kind-"));
  server = createServer((request, response) => {
    requests++;
    if (request.url === `/v0.33.0/kind-linux-${arch}`) response.end(release);
    else response.writeHead(404).end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  from = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

test("a release with the locked sha256 is kept, can be run, and is not downloaded twice", async () => {
  const { program } = await downloadKind(lock(right), folder, silent, never, from);
  expect(readFileSync(program, "utf8")).toBe(release);
  expect(statSync(program).mode & 0o777).toBe(0o755);
  await downloadKind(lock(right), folder, silent, never, from);
  expect(requests).toBe(1);
});

test("one with another sha256 is refused, and nothing of it stays", async () => {
  const before = readdirSync(folder);
  const download = downloadKind(lock("0".repeat(64)), folder, silent, never, from);
  await expect(download).rejects.toThrow(UserError);
  await expect(download).rejects.toThrow(`has sha256 ${right}, not the locked ${"0".repeat(64)}`);
  expect(readdirSync(folder)).toEqual(before);
});

test("a release that is not there is an error, so that it is built instead", async () => {
  await expect(
    downloadKind({ ...lock("1".repeat(64)), version: "v0.0.0" }, folder, silent, never, from),
  ).rejects.toThrow("HTTP status 404");
});
