import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { ShellEnded, type ShellStreams, Shells } from "./shell.ts";

const folder = mkdtempSync(join(tmpdir(), "shell-test-"));
afterAll(() => rmSync(folder, { recursive: true }));

let started = 0;
const processes: number[] = [];

function start(): ShellStreams {
  started++;
  const child = spawn("sh", { stdio: ["pipe", "pipe", "ignore"], env: { PATH: process.env["PATH"], TMPDIR: folder } });
  processes.push(child.pid ?? 0);
  return { stdin: child.stdin, stdout: child.stdout, end: () => child.kill() };
}

test("commands one after another share a shell; what they print, and how they end, is kept apart", async () => {
  using shells = new Shells(start);
  const before = started;
  expect(await shells.run("here", ["printf", "%s|", "a b", "it's", "$HOME", "new\nline", "中"])).toMatchObject({
    failed: false,
    exitCode: 0,
    stdout: "a b|it's|$HOME|new\nline|中|",
    stderr: "",
    timedOut: false,
  });
  expect(await shells.run("here", ["sh", "-c", "echo out; echo err >&2; exit 3"])).toMatchObject({
    failed: true,
    exitCode: 3,
    stdout: "out\n",
    stderr: "err\n",
  });
  expect(await shells.run("here", ["true"])).toMatchObject({ exitCode: 0, stdout: "", stderr: "" });
  expect(await shells.run("here", ["cat"])).toMatchObject({ exitCode: 0, stdout: "" });
  expect((await shells.run("here", ["no-such-program"])).exitCode).toBe(127);
  expect(started - before).toBe(1);
});

test("programs are run, not what a shell has of the same name", async () => {
  using shells = new Shells(start);
  expect((await shells.run("here", ["echo", "--version"])).stdout).toContain("coreutils");
  expect((await shells.run("here", ["/bin/echo", "--version"])).stdout).toContain("coreutils");
  expect((await shells.run("here", ["run"])).exitCode).toBe(127);
});

test("much output arrives whole", async () => {
  using shells = new Shells(start);
  const { stdout } = await shells.run("here", ["seq", "200000"]);
  expect(stdout.split("\n").length).toBe(200_001);
  expect((await shells.run("here", ["echo", "after"])).stdout).toBe("after\n");
});

test("commands at a time have a shell each, and places have their own", async () => {
  using shells = new Shells(start);
  const before = started;
  const echo = (word: string) => shells.run("here", ["sh", "-c", `sleep 0.2; echo ${word}`]);
  expect((await Promise.all([echo("a"), echo("b")])).map(({ stdout }) => stdout)).toEqual(["a\n", "b\n"]);
  await echo("c");
  expect(started - before).toBe(2);
  await shells.run("there", ["true"]);
  expect(started - before).toBe(3);
});

test("a command that is not done in time has no exit code, and the next one has another shell", async () => {
  using shells = new Shells(start);
  const result = await shells.run("here", ["sleep", "10"], { timeout: 200 });
  expect(result).toMatchObject({ failed: true, timedOut: true });
  expect(result.exitCode).toBeUndefined();
  expect((await shells.run("here", ["echo", "next"])).stdout).toBe("next\n");
});

test("an aborted command throws the reason", async () => {
  using shells = new Shells(start);
  const abort = new AbortController();
  const running = shells.run("here", ["sleep", "10"], { signal: abort.signal });
  abort.abort(new Error("enough"));
  await expect(running).rejects.toThrow("enough");
});

test("a shell that ends under a command is an error, and one that ended before it is replaced", async () => {
  using shells = new Shells(start);
  await expect(shells.run("here", ["sh", "-c", 'kill -KILL "$PPID"'])).rejects.toThrow(ShellEnded);
  await shells.run("here", ["true"]);
  process.kill(processes.at(-1) ?? 0, "SIGKILL");
  await expect.poll(() => existsSync(`/proc/${processes.at(-1)}`)).toBe(false);
  await new Promise(setImmediate);
  expect((await shells.run("here", ["echo", "again"])).stdout).toBe("again\n");
});

test("nothing is left behind where a shell's input ends", async () => {
  const own = mkdtempSync(join(tmpdir(), "shell-test-"));
  const child = spawn("sh", { stdio: ["pipe", "pipe", "ignore"], env: { PATH: process.env["PATH"], TMPDIR: own } });
  const shells = new Shells(() => ({ stdin: child.stdin, stdout: child.stdout, end: () => child.stdin.end() }));
  await shells.run("here", ["true"]);
  expect(readdirSync(own)).toHaveLength(2);
  shells[Symbol.dispose]();
  await expect.poll(() => readdirSync(own)).toEqual([]);
  rmSync(own, { recursive: true });
});
