import { execa } from "execa";
import { expect, test } from "vitest";
import { projectRoot } from "../helpers/host/settings.ts";

test.each([
  ["no folder", []],
  ["a folder without a run", ["/no/such/folder"]],
  ["an unknown option", ["--colour"]],
])("%s is told in one line", async (_what, words) => {
  const { exitCode, stderr } = await execa(process.execPath, ["commands/run.js", "rejudge", ...words], {
    cwd: projectRoot,
    reject: false,
    stdin: "ignore",
  });
  expect(exitCode).toBe(2);
  expect(stderr).toMatch(/^error: [^\n]+$/);
});
