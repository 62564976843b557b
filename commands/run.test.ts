import { readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { expect, test } from "vitest";
import { projectRoot } from "../helpers/host/settings.ts";

const run = join("commands", "run.js");

test("each command of package.json is known to knc", async () => {
  const { scripts } = JSON.parse(readFileSync(join(projectRoot, "package.json"), "utf8")) as {
    scripts: Record<string, string>;
  };
  const named = Object.values(scripts).flatMap((script) => /commands\/run\.js (\S+)/.exec(script)?.[1] ?? []);
  expect(named.length).toBeGreaterThan(10);
  const known = /new Set\(\s*"([^"]+)"/.exec(readFileSync(join(projectRoot, run), "utf8"))?.[1]?.split(" ");
  expect(known?.toSorted()).toEqual([...new Set(named)].toSorted());
});

test("a command that there is not ends with 2 and one line", async () => {
  const { exitCode, stderr } = await execa(process.execPath, [run, "colour"], { cwd: projectRoot, reject: false });
  expect([exitCode, stderr]).toEqual([2, "error: there is no command colour – knc --help lists them"]);
});
