import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { afterAll, expect, test } from "vitest";
import { UserError } from "../host/errors.ts";
import { detectWorld, type Given, kernelFeatures } from "./detect.ts";

const folder = mkdtempSync(join(tmpdir(), "detect-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("without nft nothing tells whether the kernel has NFT_QUEUE, and that is no end of the run", async () => {
  const bin = join(folder, "bin");
  mkdirSync(bin);
  for (const program of ["sh", "test", "unshare"]) symlinkSync(`/usr/bin/${program}`, join(bin, program));
  const works = async (script: string) =>
    !(await execa("/bin/sh", ["-c", script], { env: { PATH: [bin, ""].join(delimiter) }, reject: false })).failed;
  expect(await kernelFeatures(works)).toMatchObject({ networkQueue: undefined });
});

test("a node that cannot be asked is told in a line", async () => {
  const gone = {
    run: () =>
      execa("sh", ["-c", "echo 'Error response from daemon: container abc is not running' >&2; exit 1"], {
        reject: false,
      }),
  };
  const found = detectWorld(gone, "c-control-plane", {} as Given);
  await expect(found).rejects.toThrow(UserError);
  await expect(found).rejects.toThrow(
    /failed on c-control-plane: Error response from daemon: container abc is not running$/,
  );
});
