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
  const child = spawn("sh", { env: { PATH: process.env["PATH"], TMPDIR: folder } });
  processes.push(child.pid ?? 0);
  const { stdin, stdout, stderr } = child;
  return { stdin, stdout, stderr, end: () => child.kill() };
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

test("commands at a time run beside each other in one shell, and places have their own", async () => {
  using shells = new Shells(start);
  const before = started;
  // Each waits for what the other one does, and what they print is more than a pipe takes at once.
  const say = (own: string, other: string) =>
    shells.run("here", [
      "sh",
      "-c",
      `touch ${folder}/${own}; until [ -e ${folder}/${other} ]; do sleep 0.05; done; seq -f ${own}%.0f 20000; seq -f ${own}%.0f 20000 >&2`,
    ]);
  for (const [index, { stdout, stderr }] of (await Promise.all([say("a", "b"), say("b", "a")])).entries()) {
    const own = ["a", "b"][index];
    expect(stdout).toBe(Array.from({ length: 20_000 }, (_, line) => `${own}${line + 1}\n`).join(""));
    expect(stderr).toBe(stdout);
  }
  expect(started - before).toBe(1);
  await shells.run("there", ["true"]);
  expect(started - before).toBe(2);
});

test("what a shell says of a command that a signal ended is not taken for another command's end", async () => {
  using shells = new Shells(start);
  const [killed, other] = await Promise.all([
    shells.run("here", ["sh", "-c", "kill -KILL $$"]),
    shells.run("here", ["sh", "-c", "sleep 0.2; echo other"]),
  ]);
  expect(killed).toMatchObject({ failed: true, exitCode: 137 });
  expect(other).toMatchObject({ exitCode: 0, stdout: "other\n" });
});

test("output that could not be kept is an error, not an empty output", async () => {
  using shells = new Shells(start);
  const lose = ["sh", "-c", `rm -rf ${folder}/tmp.*; echo lost`];
  await expect(shells.run("here", lose)).rejects.toThrow("could not keep what a command printed");
  expect((await shells.run("here", ["echo", "next"])).stdout).toBe("next\n");
});

test("a command that is not done in time has no exit code, and what it prints later is nobody else's", async () => {
  using shells = new Shells(start);
  const result = await shells.run("here", ["sh", "-c", "sleep 0.5; echo late"], { timeout: 100 });
  expect(result).toMatchObject({ failed: true, timedOut: true });
  expect(result.exitCode).toBeUndefined();
  expect((await shells.run("here", ["echo", "next"])).stdout).toBe("next\n");
  expect((await shells.run("here", ["sh", "-c", "sleep 0.6; echo last"])).stdout).toBe("last\n");
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
  await shells.run("here", ["true"]);
  const end = ["sh", "-c", `kill -KILL ${processes.at(-1)} $PPID $$`];
  await expect(shells.run("here", end)).rejects.toThrow(ShellEnded);
  await shells.run("here", ["true"]);
  process.kill(processes.at(-1) ?? 0, "SIGKILL");
  await expect.poll(() => existsSync(`/proc/${processes.at(-1)}`)).toBe(false);
  await new Promise(setImmediate);
  expect((await shells.run("here", ["echo", "again"])).stdout).toBe("again\n");
});

test("where nothing can be kept, no command is run", async () => {
  const { stdin, stdout, stderr } = spawn("sh", {
    env: { PATH: process.env["PATH"], TMPDIR: join(folder, "nowhere") },
  });
  using shells = new Shells(() => ({ stdin, stdout, stderr, end: () => stdin.end() }));
  const proof = join(folder, "it-ran");
  await expect(shells.run("here", ["touch", proof])).rejects.toThrow(ShellEnded);
  expect(existsSync(proof)).toBe(false);
});

test("nothing is left behind where a shell's input ends", async () => {
  const own = mkdtempSync(join(tmpdir(), "shell-test-"));
  const { stdin, stdout, stderr } = spawn("sh", { env: { PATH: process.env["PATH"], TMPDIR: own } });
  const shells = new Shells(() => ({ stdin, stdout, stderr, end: () => stdin.end() }));
  await shells.run("here", ["true"]);
  expect(readdirSync(own)).toHaveLength(1);
  shells[Symbol.dispose]();
  await expect.poll(() => readdirSync(own)).toEqual([]);
  rmSync(own, { recursive: true });
});
