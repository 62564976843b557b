import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { execa } from "execa";
import {
  type CommandOptions,
  type Engine,
  type EngineClient,
  engineCommand,
  engineOutput,
  removeContainers,
} from "../engine/engine.ts";
import { lastLine } from "../host/command.ts";
import { UserError } from "../host/errors.ts";
import { endProcesses, findProcesses, identify, type ProcessIdentity, runMarker } from "../host/process.ts";
import type { Say } from "../host/progress.ts";
import type { EngineTools } from "./tools.ts";

const startTimeoutMs = 60_000;
const stopTimeoutMs = 20_000;

/** Where the private engine of a cache folder keeps its things; two cache folders never share any. */
export interface PrivateEnginePlace {
  /** Also the name of its network namespace and of its containers' cgroup. */
  readonly name: string;
  /** Images and containers; kept between runs. */
  readonly data: string;
  /** Socket, pid file, log; gone when it stops. */
  readonly runtime: string;
}

/** What the engine (daemon.json) and its client (config.json) have in their configuration; see Docker's reference of dockerd and of docker. */
export interface EngineConfig {
  readonly daemon?: object;
  readonly client?: object;
}

/** Returns where the private engine of that cache folder lives. */
export function privateEnginePlace(cache: string): PrivateEnginePlace {
  const name = `knc-${createHash("sha256").update(cache).digest("hex").slice(0, 6)}`;
  return { name, data: join(cache, "engine"), runtime: `/run/${name}` };
}

/**
 * Starts the private engine in a network namespace of its own, which has loopback and no uplink, and waits until it
 * answers. Containers that an earlier, dead run left on it are removed.
 *
 * @throws UserError with the engine's last words where it does not answer within a minute
 */
export async function startPrivateEngine(
  place: PrivateEnginePlace,
  tools: EngineTools,
  run: string,
  say: Say,
  signal: AbortSignal,
  { daemon: daemonConfig = {}, client: clientConfig = {} }: EngineConfig = {},
): Promise<Engine> {
  await clearPrivateEngine(place, tools);
  for (const folder of [place.data, place.runtime]) mkdirSync(folder, { recursive: true, mode: 0o700 });
  const client = clientOf(place, tools);
  const { environment } = client;
  for (const words of [
    ["netns", "add", place.name],
    ["-n", place.name, "link", "set", "lo", "up"],
  ]) {
    const result = await execa("ip", words, { env: environment, reject: false, stdin: "ignore" });
    if (result.failed)
      throw new UserError(
        `no network namespace can be made here: ip ${words.join(" ")} failed: ${lastLine(result.stderr)}`,
        "run where root may do that (CAP_SYS_ADMIN, CAP_NET_ADMIN), or start Docker or Podman",
      );
  }
  writeFileSync(join(place.runtime, "daemon.json"), JSON.stringify(daemonConfig));
  writeFileSync(join(place.runtime, "config.json"), JSON.stringify(clientConfig));
  const log = join(place.runtime, "dockerd.log");
  const output = openSync(log, "a");
  // Detached, so that Ctrl-C reaches the command and not the engine that its clean-up needs.
  const daemon = spawn(
    "nsenter",
    [
      ...[`--net=${client.networkNamespace}`, "--", join(tools.folder, "bin", "dockerd")],
      ...["--config-file", join(place.runtime, "daemon.json"), "--host", environment.DOCKER_HOST],
      ...[
        "--data-root",
        place.data,
        "--exec-root",
        join(place.runtime, "exec"),
        "--pidfile",
        join(place.runtime, "docker.pid"),
      ],
      ...[
        "--add-runtime",
        `private=${runcOf(tools)}`,
        "--default-runtime",
        "private",
        "--cgroup-parent",
        `/${place.name}`,
      ],
      ...["--bip", "172.30.0.1/24", "--default-address-pool", "base=172.31.0.0/16,size=24"],
      ...["--userland-proxy-path", join(tools.folder, "bin", "docker-proxy"), "--group", "root", "--log-level", "warn"],
    ],
    { env: { ...process.env, ...environment, [runMarker]: run }, detached: true, stdio: ["ignore", output, output] },
  );
  closeSync(output);
  const died = new AbortController();
  const words = () => lastLine(existsSync(log) ? readFileSync(log, "utf8") : "");
  daemon.once("exit", () => died.abort(endedByItself(words())));
  daemon.once("error", (error) => died.abort(endedByItself(error.message)));
  // A kept cluster's engine outlives this process.
  daemon.unref();
  const deadline = Date.now() + startTimeoutMs;
  for (;;) {
    const engine = await ask(client, { signal: AbortSignal.any([signal, died.signal]) });
    if (engine !== undefined) {
      chmodSync(join(place.runtime, "docker.sock"), 0o600);
      await removeAllContainers(place, engine);
      say(`private engine: docker ${engine.version}, network namespace ${place.name}, no uplink`);
      return { ...engine, died: died.signal };
    }
    if (Date.now() > deadline)
      throw new UserError(
        `the private engine did not answer within ${startTimeoutMs / 1000} s; its last words: ${words()}`,
        "look at free memory and disk, and run again",
      );
    await delay(100, undefined, { signal });
  }
}

function endedByItself(lastWords: string): UserError {
  return new UserError(
    `the private engine ended by itself; its last words: ${lastWords}`,
    "run again; if it happens twice, look at free memory and disk",
  );
}

/** Returns the private engine of that place where one runs and answers, for instance below a kept cluster. */
export async function runningPrivateEngine(place: PrivateEnginePlace, tools: EngineTools): Promise<Engine | undefined> {
  if (!existsSync(join(place.runtime, "docker.sock"))) return undefined;
  return ask(clientOf(place, tools), { timeout: 10_000 });
}

type Client = Pick<Engine, "cli" | "program" | "environment" | "networkNamespace">;

function clientOf(place: PrivateEnginePlace, tools: EngineTools) {
  return {
    cli: "docker",
    program: join(tools.folder, "bin", "docker"),
    environment: {
      PATH: tools.path,
      DOCKER_HOST: `unix://${join(place.runtime, "docker.sock")}`,
      DOCKER_CONFIG: place.runtime,
    },
    networkNamespace: `/run/netns/${place.name}`,
  } satisfies Client;
}

/** Returns the engine behind the client where it answers; it is not watched for its end. */
async function ask(client: Client, options: CommandOptions): Promise<Engine | undefined> {
  const answer = await engineCommand(client, ["info", "--format", "{{.ServerVersion}} {{.CgroupVersion}}"], options);
  const [version = "", cgroup] = answer.stdout.split(" ");
  if (answer.failed || version === "") return undefined;
  return {
    ...client,
    version,
    cgroup: cgroup === "2" ? "v2" : "v1",
    owner: "suite",
    died: new AbortController().signal,
  };
}

/** Stops the private engine and removes all it holds but images: containers, processes, mounts, namespace, runtime folder. */
export async function clearPrivateEngine(place: PrivateEnginePlace, tools: EngineTools): Promise<void> {
  const running = await runningPrivateEngine(place, tools);
  // Where that fails, their processes are ended below all the same, and the next start removes what is left on disk.
  if (running !== undefined) await removeAllContainers(place, running).catch(() => {});
  await endProcesses(engineDaemons(place), stopTimeoutMs);
  thaw(place);
  await endProcesses([...processesAt(place), ...processesInCgroups(place)], stopTimeoutMs);
  for (const mount of mountsBelow(place)) await execa("umount", ["--lazy", mount], { reject: false });
  if (existsSync(`/run/netns/${place.name}`)) await execa({ env: { PATH: tools.path } })`ip netns del ${place.name}`;
  rmSync(place.runtime, { recursive: true, force: true });
  for (const cgroup of cgroupsOf(place)) removeCgroup(cgroup);
}

/** Returns a line for everything of the private engine that is still there, images excepted. */
export function privateEngineLeftovers(place: PrivateEnginePlace): string[] {
  return [
    ...[...processesAt(place), ...processesInCgroups(place)].map(({ pid }) => `process ${pid} of the private engine`),
    ...mountsBelow(place).map((mount) => `mount ${mount}`),
    ...(existsSync(`/run/netns/${place.name}`) ? [`network namespace ${place.name}`] : []),
    ...(existsSync(place.runtime) ? [`folder ${place.runtime}`] : []),
    ...cgroupsOf(place).map((cgroup) => `cgroup ${cgroup}`),
  ];
}

function runcOf(tools: EngineTools): string {
  const unpacked = join(tools.folder, "bin", "runc");
  return existsSync(unpacked) ? unpacked : "/usr/sbin/runc";
}

async function removeAllContainers(place: PrivateEnginePlace, engine: EngineClient): Promise<void> {
  const containers = (await engineOutput(engine, ["ps", "--all", "--quiet"])).split("\n").filter(Boolean);
  await removeContainers(engine, containers, () => thaw(place));
  await engineOutput(engine, ["network", "prune", "--force"]);
  await engineOutput(engine, ["volume", "prune", "--force", "--all"]);
}

/** dockerd has to end first: it would start its containerd and containers again. */
function engineDaemons(place: PrivateEnginePlace): ProcessIdentity[] {
  return processesAt(place).filter(({ pid }) => commandLine(pid).some((word) => word.endsWith("/dockerd")));
}

function processesAt(place: PrivateEnginePlace): ProcessIdentity[] {
  return findProcesses((pid) =>
    commandLine(pid).some((word) => word.startsWith(`${place.runtime}/`) || word === place.data),
  );
}

function commandLine(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return [];
  }
}

function mountsBelow(place: PrivateEnginePlace): string[] {
  return readFileSync("/proc/self/mountinfo", "utf8")
    .split("\n")
    .flatMap((line) => line.split(" ")[4] ?? [])
    .filter((mount) => [place.runtime, place.data].some((folder) => mount === folder || mount.startsWith(`${folder}/`)))
    .toReversed();
}

function cgroupsOf(place: PrivateEnginePlace): string[] {
  const root = "/sys/fs/cgroup";
  if (!existsSync(root)) return [];
  return [root, ...readdirSync(root).map((controller) => join(root, controller))]
    .map((folder) => join(folder, place.name))
    .filter((folder) => existsSync(folder));
}

function cgroupTree(folder: string): string[] {
  const entries = ifThere(() => readdirSync(folder, { withFileTypes: true })) ?? [];
  const children = entries.filter((entry) => entry.isDirectory());
  return [...children.flatMap(({ name }) => cgroupTree(join(folder, name))), folder];
}

/** A cgroup ends with its processes, perhaps while one looks at it. */
function ifThere<T>(look: () => T): T | undefined {
  try {
    return look();
  } catch (error) {
    if (["ENOENT", "ENODEV"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

function processesInCgroups(place: PrivateEnginePlace): ProcessIdentity[] {
  const pids = cgroupsOf(place)
    .flatMap(cgroupTree)
    .flatMap((folder) => (ifThere(() => readFileSync(join(folder, "cgroup.procs"), "utf8")) ?? "").split("\n"))
    .filter(Boolean);
  return [...new Set(pids)].flatMap((pid) => identify(Number(pid)) ?? []);
}

/**
 * Lets frozen processes run again: on cgroup v1 SIGKILL waits until then, and a node that is stopped while its runtime
 * has a container frozen leaves it so (kernel documentation, cgroup-v1/freezer-subsystem).
 */
function thaw(place: PrivateEnginePlace): void {
  const freezer = join("/sys/fs/cgroup/freezer", place.name);
  if (!existsSync(freezer)) return;
  for (const folder of cgroupTree(freezer)) {
    const state = join(folder, "freezer.state");
    if (existsSync(state)) ifThere(() => writeFileSync(state, "THAWED"));
  }
}

function removeCgroup(folder: string): void {
  for (const leaf of cgroupTree(folder)) {
    try {
      rmdirSync(leaf);
    } catch (error) {
      if (!["ENOENT", "EBUSY"].includes((error as NodeJS.ErrnoException).code ?? "")) throw error;
    }
  }
}
