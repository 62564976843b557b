import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { expect, test } from "vitest";
import { keepRun, startRun } from "../helpers/cluster/runs.ts";
import { engineOutput } from "../helpers/engine/engine.ts";
import { identify, runsWithProcesses } from "../helpers/host/process.ts";
import { projectRoot, readSettings } from "../helpers/host/settings.ts";
import { builtNodeImage } from "../helpers/source/build.ts";
import { readImageLock } from "../helpers/source/image-lock.ts";
import { PartStore } from "../helpers/source/parts.ts";
import {
  clearPrivateEngine,
  privateEngineLeftovers,
  privateEnginePlace,
  startPrivateEngine,
} from "../helpers/source/private.ts";
import { engineTools } from "../helpers/source/tools.ts";

const { cache } = readSettings();

/** What a run could leave on this machine, counted the same way before and after. */
function traces(): Record<string, string[]> {
  const list = (folder: string) => (existsSync(folder) ? readdirSync(folder) : []);
  const commands = list("/proc")
    .filter((pid) => /^\d+$/.test(pid))
    .flatMap((pid) => {
      try {
        // A process that is dead and only waits for init to notice is gone.
        return identify(Number(pid)) === undefined ? [] : [readFileSync(`/proc/${pid}/comm`, "utf8").trim()];
      } catch {
        return [];
      }
    });
  return {
    processes: commands
      .filter((name) => /^(dockerd|containerd|kind|kubelet|kube-|etcd|mmdebstrap|compile|link)/.test(name))
      .toSorted(),
    runs: [...runsWithProcesses()].toSorted(),
    namespaces: list("/run/netns").toSorted(),
    mounts: readFileSync("/proc/self/mounts", "utf8")
      .split("\n")
      .map((line) => line.split(" ")[1] ?? "")
      .toSorted(),
    runtime: list("/run").filter((name) => name.startsWith("knc-")),
    cgroups: [...list("/sys/fs/cgroup"), ...list("/sys/fs/cgroup/memory")].filter((name) => name.startsWith("knc-")),
    records: list(join(cache, "runs")),
    temporary: list(tmpdir()).filter((name) => /^(k8s-tar|mmdebstrap|kind|build-|load-|catalogue-)/.test(name)),
  };
}

/** What is tried takes a run, not many claims. */
const fewClaims = ["--article", "tiny"];

/** Starts `npm test`, does something when its output first matches, and returns how it ended. */
async function runUntil(
  match: RegExp,
  then: (child: { pid: number }) => void,
  environment: Record<string, string> = {},
) {
  const out = mkdtempSync(join(tmpdir(), "knc-e2e-"));
  const child = execa("node", ["commands/run.js", "test", ...fewClaims], {
    cwd: projectRoot,
    preferLocal: true,
    localDir: projectRoot,
    env: { ...environment, KNC_OUT: out },
    reject: false,
    all: true,
    stdin: "ignore",
  });
  let done = false;
  for await (const line of child.iterable({ from: "all" })) {
    if (done || !match.test(line)) continue;
    done = true;
    then({ pid: child.pid ?? 0 });
  }
  const result = await child;
  rmSync(out, { recursive: true, force: true });
  return { matched: done, exitCode: result.exitCode, output: result.all };
}

const phases: [phase: string, line: RegExp][] = [
  ["engine", /waiting|private engine:|reading Debian/],
  ["cluster", /Preparing nodes/],
  ["claims", /✓ +holds/],
  ["reports", /Allure's report is being made/],
];

test.each(phases)("Ctrl-C in phase %s leaves nothing", async (_phase, line) => {
  const before = traces();
  const { matched, exitCode, output } = await runUntil(line, ({ pid }) => process.kill(pid, "SIGINT"));
  expect(matched, output).toBe(true);
  expect(exitCode, output).toBe(130);
  expect(output).not.toContain("    at ");
  expect(traces()).toEqual(before);
});

test("a kept cluster that ended with the machine's last start does not stand in the next run's way", async () => {
  const before = traces();
  const run = startRun(cache);
  const lost = keepRun(cache, run, { engine: "suite", image: "localhost/lost", kind: "v0.0.0", adaptations: [] });
  const { exitCode, output } = await runUntil(/Preparing nodes/, ({ pid }) => process.kill(pid, "SIGINT"));
  expect(output).toContain(`the kept cluster ${lost.cluster} is gone`);
  expect(exitCode, output).toBe(130);
  expect(traces()).toEqual(before);
});

test("SIGTERM while parts are being built leaves nothing, and the next start goes on", async () => {
  const fresh = mkdtempSync(join(tmpdir(), "knc-cache-"));
  const before = traces();
  // Root file systems are made one after another, beside what is compiled.
  const second = /rootfs busybox:/;
  const { matched, exitCode, output } = await runUntil(second, ({ pid }) => process.kill(pid, "SIGTERM"), {
    KNC_CACHE: fresh,
  });
  expect(matched, output).toBe(true);
  expect(exitCode, output).toBe(143);
  expect(traces()).toEqual(before);
  expect(output).toContain("rootfs pause:");
  const again = await runUntil(second, ({ pid }) => process.kill(pid, "SIGINT"), { KNC_CACHE: fresh });
  expect(again.matched, again.output).toBe(true);
  expect(again.output).not.toContain("rootfs pause:");
  expect(traces()).toEqual(before);
  rmSync(fresh, { recursive: true, force: true });
});

test.each(phases.slice(1, 3))("kill -9 in phase %s leaves nothing after the next start", async (_phase, line) => {
  const before = traces();
  const killed = await runUntil(line, ({ pid }) => process.kill(pid, "SIGKILL"));
  expect(killed.matched, killed.output).toBe(true);
  const next = await runUntil(/image +node image/, ({ pid }) => process.kill(pid, "SIGINT"));
  expect(next.exitCode, next.output).toBe(130);
  expect(traces()).toEqual(before);
});

test("two runs at once do not collide: the second waits, and tells who holds the lock", async () => {
  const before = traces();
  let second: ReturnType<typeof runUntil> | undefined;
  const first = await runUntil(/Preparing nodes/, ({ pid }) => {
    second = runUntil(/waiting: process/, (waiting) => {
      process.kill(waiting.pid, "SIGINT");
      process.kill(pid, "SIGINT");
    });
  });
  const waited = await second;
  expect(waited?.output).toMatch(/waiting: process \d+ holds it to run the suite, since \d{4}-/);
  expect([first.exitCode, waited?.exitCode]).toEqual([130, 130]);
  expect(traces()).toEqual(before);
});

test.runIf(existsSync("/sys/fs/cgroup/freezer"))(
  "a container that is frozen when its engine is stopped is gone all the same",
  async () => {
    const before = traces();
    const tools = await engineTools(new PartStore(cache), cache, "auto", () => {});
    const place = privateEnginePlace(cache);
    const engine = await startPrivateEngine(place, tools, "e2e", () => {}, new AbortController().signal);
    const id = await engineOutput(engine, [
      "run",
      "--detach",
      "--entrypoint",
      "sleep",
      builtNodeImage(readImageLock()),
      "infinity",
    ]);
    writeFileSync(join("/sys/fs/cgroup/freezer", place.name, id, "freezer.state"), "FROZEN");
    await clearPrivateEngine(place, tools);
    expect(privateEngineLeftovers(place)).toEqual([]);
    expect(traces()).toEqual(before);
  },
);

test("an engine that dies in the middle of a run is told in one line, and nothing is left", async () => {
  const before = traces();
  const { exitCode, output } = await runUntil(/Preparing nodes/, () => {
    // The suite's own engine, by its pid file: another one may be running here.
    const pid = readFileSync(join(privateEnginePlace(cache).runtime, "docker.pid"), "utf8");
    process.kill(Number(pid), "SIGKILL");
  });
  expect(exitCode, output).toBe(2);
  expect(output.split("\n").filter((line) => line.startsWith("error: "))).toEqual([
    expect.stringMatching(/^error: the private engine ended by itself; its last words: .* – run again/),
  ]);
  expect(output).not.toContain("    at ");
  expect(traces()).toEqual(before);
});
