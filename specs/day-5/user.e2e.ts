import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import {
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface, type Interface } from "node:readline";
import { execa } from "execa";
import { expect, test } from "vitest";
import { Results } from "../../helpers/claim/results.ts";
import { type Engine, engineOutput, inEngineNetwork } from "../../helpers/engine/engine.ts";
import { acquireLock } from "../../helpers/host/lock.ts";
import { findProcesses } from "../../helpers/host/process.ts";
import { projectRoot, readSettings } from "../../helpers/host/settings.ts";
import { builtKind } from "../../helpers/source/build.ts";
import { readImageLock } from "../../helpers/source/image-lock.ts";
import { PartStore } from "../../helpers/source/parts.ts";
import {
  clearPrivateEngine,
  privateEnginePlace,
  runningPrivateEngine,
  startPrivateEngine,
} from "../../helpers/source/private.ts";
import { engineTools } from "../../helpers/source/tools.ts";

const { cache } = readSettings();
const say = () => {};
const { signal } = new AbortController();
const nobody = 65_534;

/** What the host has to reach to answer, and what can be asked from beside the nodes, or only with the engine's client. */
const external = "node-ip-answers-on-linux";
const judged = [
  ...[
    "nodeport-on-localhost-of-the-host",
    "curl-in-another-terminal-shows-packets",
    "only-the-api-server-is-published",
  ],
  ...["eth0-port-80-shows-the-nodeport-traffic", "localhost-in-the-node-reaches-the-nodeport"],
  ...["pods-talk-without-nat-on-one-node", "nodeport-on-every-node", "inspect-template-shows-node-ip"],
];

/** Leads connections on, from a port of loopback or a socket that everybody may use to another such; a socket is in no network. */
const relay = `
  const { connect, createServer } = require("node:net");
  const [from, to] = process.argv.slice(1).map((end) => (end.startsWith("/") ? { path: end } : { port: Number(end), host: "127.0.0.1" }));
  createServer({ allowHalfOpen: true }, (near) => {
    const far = connect({ ...to, allowHalfOpen: true });
    near.pipe(far).pipe(near);
    for (const socket of [near, far]) socket.on("error", () => [near, far].map((each) => each.destroy()));
  }).listen({ ...from, readableAll: true, writableAll: true }, () => console.log("listening"));`;

/** An engine as Docker Desktop gives it to a user: by a socket, with published ports on localhost, and nodes out of reach. */
class Desktop implements AsyncDisposable {
  readonly #engine: Engine;
  readonly #folder: string;
  readonly #running: ChildProcess[] = [];

  constructor(engine: Engine, folder: string) {
    this.#engine = engine;
    this.#folder = folder;
  }

  /** Returns what DOCKER_HOST has to be. */
  async open(): Promise<string> {
    const socket = join(this.#folder, "docker.sock");
    const own = this.#engine.environment["DOCKER_HOST"]?.replace("unix://", "") ?? "";
    await this.#lead([process.execPath, "--eval", relay, socket, own]);
    const filters = ["--filter", "event=start", "--filter", "label=io.x-k8s.kind.role=control-plane"];
    const events = this.#start([this.#engine.program, "events", ...filters, "--format", "{{.Actor.Attributes.name}}"]);
    events.on("line", (name: string) => void this.#publish(name));
    return `unix://${socket}`;
  }

  /** Publishes the API server's port of a control plane on localhost. */
  async #publish(name: string): Promise<void> {
    const port = /:(\d+)$/.exec(await engineOutput(this.#engine, ["port", name, "6443/tcp"]))?.[1] ?? "";
    const between = join(this.#folder, `${port}.sock`);
    await this.#lead(inEngineNetwork(this.#engine, [process.execPath, "--eval", relay, between, port]));
    await this.#lead([process.execPath, "--eval", relay, port, between]);
  }

  async #lead(words: readonly string[]): Promise<void> {
    await once(this.#start(words), "line");
  }

  #start([command = "", ...words]: readonly string[]): Interface {
    const env = { ...process.env, ...this.#engine.environment };
    const running = spawn(command, words, { env, stdio: ["ignore", "pipe", "inherit"] });
    this.#running.push(running);
    return createInterface(running.stdout);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = this.#running.map((running) => once(running, "exit"));
    for (const running of this.#running) running.kill();
    await Promise.all(ended);
  }
}

/** Runs `use` with the private engine of the suite's cache; one that runs for a kept cluster is left as it is. */
async function withSuitesEngine<T>(use: (engine: Engine, client: string) => Promise<T>): Promise<T> {
  const tools = await engineTools(new PartStore(cache), cache, "auto", say);
  const place = privateEnginePlace(cache);
  using _ = await acquireLock(join(cache, "run.lock"), "be an ordinary user", say);
  const running = await runningPrivateEngine(place, tools);
  const engine = running ?? (await startPrivateEngine(place, tools, "e2e", say, signal));
  try {
    return await use(engine, join(tools.folder, "root", "usr", "bin", "docker"));
  } finally {
    if (running === undefined) await clearPrivateEngine(place, tools);
  }
}

/** Makes a folder of programs, and returns it as value for PATH: an ordinary user has no more of those that a run could want. */
async function programs(folder: string, docker: string): Promise<string> {
  const bin = join(folder, "bin");
  mkdirSync(bin);
  const kind = await builtKind(readImageLock().kind.version, cache, say, signal);
  // Links would lead to root's folder.
  for (const [name, program] of Object.entries({ docker, kind: kind.program })) copyFileSync(program, join(bin, name));
  const { stdout: npm } = await execa("sh", ["-c", "command -v npm"]);
  for (const [name, program] of Object.entries({ node: process.execPath, npm, sh: "/bin/sh" }))
    symlinkSync(program, join(bin, name));
  return bin;
}

function processesOf(folder: string): number[] {
  const environment = (pid: number) => {
    try {
      return readFileSync(`/proc/${pid}/environ`, "utf8");
    } catch {
      return "";
    }
  };
  return findProcesses((pid) => environment(pid).includes(folder)).map(({ pid }) => pid);
}

test("a user without root and tools, whose machine does not reach the nodes, judges all that does not speak of that", async () => {
  const folder = mkdtempSync(join(tmpdir(), "knc-user-"));
  chownSync(folder, nobody, nobody);
  try {
    await withSuitesEngine(async (engine, docker) => {
      const before = await engineOutput(engine, ["ps", "--all", "--quiet"]);
      await using desktop = new Desktop(engine, folder);
      const [out, own] = [join(folder, "out"), join(folder, "cache")];
      const environment = {
        ...{ PATH: await programs(folder, docker), HOME: folder, DOCKER_HOST: await desktop.open() },
        ...{ KNC_OUT: out, KNC_CACHE: own },
      };
      const { exitCode, all } = await execa(
        "setpriv",
        [
          ...[`--reuid=${nobody}`, `--regid=${nobody}`, "--clear-groups", "env", "--ignore-environment"],
          ...Object.entries(environment).map(([name, value]) => `${name}=${value}`),
          ...["npm", "test", "--", "-t", `^(${[external, ...judged].join("|")})$`],
        ],
        { cwd: projectRoot, reject: false, all: true, stdin: "ignore" },
      );
      expect(exitCode, all).toBe(0);
      const { world, claims } = Results.parse(JSON.parse(readFileSync(join(out, "results.json"), "utf8")));
      expect(world).toMatchObject({ engine: { owner: "user" }, features: { hostReachesNodes: false } });
      expect(claims.filter(({ verdict }) => verdict === "external").map(({ id, why }) => [id, why])).toEqual([
        [external, expect.stringContaining("a machine that reaches its nodes' addresses")],
      ]);
      expect(claims.filter(({ verdict }) => verdict === "holds" || verdict === "refuted").length).toBe(judged.length);
      expect(await engineOutput(engine, ["ps", "--all", "--quiet"])).toBe(before);
      expect(existsSync(join(own, "runs")) ? readdirSync(join(own, "runs")) : []).toEqual([]);
    });
    expect(processesOf(folder)).toEqual([]);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
