import { createHash } from "node:crypto";
import { chmodSync, existsSync, mkdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { type Engine, inEngineNetwork } from "../engine/engine.ts";
import { UserError } from "../host/errors.ts";
import type { Say } from "../host/progress.ts";
import { builtKind } from "../source/build.ts";
import type { ImageLock } from "../source/image-lock.ts";
import { networkVariables } from "./nodes.ts";

const releases = "https://github.com/kubernetes-sigs/kind/releases/download";

/** A kind program and where it is from. */
export interface Kind {
  readonly program: string;
  readonly provenance: string;
}

/**
 * Returns a kind program of exactly the locked version: from PATH, else its release with the locked sha256 where an
 * engine of the user's suggests that downloads work, else built from its Go module.
 */
export async function findKind(
  lock: ImageLock["kind"],
  engine: Engine,
  cache: string,
  say: Say,
  signal: AbortSignal,
): Promise<Kind> {
  const onPath = await execa("kind", ["version", "--quiet"], { reject: false, stdin: "ignore" });
  if (!onPath.failed && `v${onPath.stdout.trim()}` === lock.version)
    return { program: "kind", provenance: `kind ${lock.version} on PATH` };
  if (engine.owner === "suite") return builtKind(lock.version, cache, say, signal);
  try {
    return await downloadKind(lock, join(cache, "kind"), say, signal);
  } catch (error) {
    if (error instanceof UserError) throw error;
    signal.throwIfAborted();
    const why = `kind ${lock.version} is not on PATH, and its release cannot be downloaded (${reasonOfFetch(error as Error)})`;
    say(`${why}; building it`);
    return builtKind(lock.version, cache, say, signal).catch((failed: unknown) => {
      if (!(failed instanceof UserError)) throw failed;
      throw new UserError(
        `${why} or built: ${failed.message}`,
        `put kind ${lock.version} on PATH, or ${failed.remedy}`,
      );
    });
  }
}

/** Node's own message is "fetch failed", whatever failed. */
function reasonOfFetch({ message, cause }: Error): string {
  return cause instanceof Error && cause.message !== "" ? cause.message : message;
}

/**
 * Returns kind's release program, downloaded where it is not there and checked against the locked sha256.
 *
 * @throws UserError where the sha256 differs: then nothing is kept. Error where nothing could be downloaded
 */
export async function downloadKind(
  lock: ImageLock["kind"],
  folder: string,
  say: Say,
  signal: AbortSignal,
  from: string = releases,
): Promise<Kind> {
  const arch = process.arch === "x64" ? "amd64" : process.arch;
  const expected = lock.sha256[arch];
  if (expected === undefined) throw new Error(`no sha256 is locked for ${arch}`);
  const program = join(folder, `kind-${lock.version}-${expected.slice(0, 12)}`);
  const provenance = `kind ${lock.version}, release for linux/${arch}, sha256 ${expected}`;
  if (existsSync(program)) return { program, provenance };
  say(`downloading kind ${lock.version}`);
  const response = await fetch(`${from}/${lock.version}/kind-linux-${arch}`, {
    signal: AbortSignal.any([signal, AbortSignal.timeout(120_000)]),
  });
  if (!response.ok) throw new Error(`HTTP status ${response.status}`);
  const content = Buffer.from(await response.arrayBuffer());
  const actual = createHash("sha256").update(content).digest("hex");
  if (actual !== expected)
    throw new UserError(
      `kind ${lock.version} as downloaded has sha256 ${actual}, not the locked ${expected}`,
      "do not use it; check the network and fixtures/images/images.lock.yaml",
    );
  mkdirSync(folder, { recursive: true });
  writeFileSync(`${program}.new`, content);
  chmodSync(`${program}.new`, 0o755);
  renameSync(`${program}.new`, program);
  return { program, provenance };
}

/** What a cluster is made of. */
export interface ClusterPlan {
  readonly name: string;
  readonly image: string;
  /** kind configuration file. */
  readonly config: string;
  /** Written by kind; never the user's. */
  readonly kubeconfig: string;
  /** Where logs go if it does not come up. */
  readonly logs: string;
  /** No node becomes ready before it has another CNI plugin than kind's. */
  readonly withoutCni: boolean;
}

/**
 * Creates a cluster and waits until its control plane is ready, where it has a CNI plugin.
 *
 * @throws UserError with kind's last lines; the nodes' logs are then below `plan.logs`
 */
export async function createCluster(
  kind: Kind,
  engine: Engine,
  plan: ClusterPlan,
  say: Say,
  signal: AbortSignal,
  marker: Readonly<Record<string, string>>,
): Promise<void> {
  const words = [
    "create",
    "cluster",
    "--name",
    plan.name,
    "--image",
    plan.image,
    "--config",
    plan.config,
    "--kubeconfig",
    plan.kubeconfig,
    "--wait",
    plan.withoutCni ? "0s" : "180s",
    "--retain",
  ];
  const [command, ...rest] = inEngineNetwork(engine, [kind.program, ...words]);
  const running = execa(command, rest, {
    env: { ...kindEnvironment(engine), ...marker },
    extendEnv: false,
    cancelSignal: signal,
    reject: false,
    stdin: "ignore",
    forceKillAfterDelay: 10_000,
  });
  for await (const line of running.iterable({ from: "stderr" })) {
    const step = /✓ (.+)$/u
      .exec(line)?.[1]
      ?.replaceAll(/\p{Extended_Pictographic}|\ufe0f/gu, "")
      .trim();
    if (step !== undefined) say(step);
  }
  const result = await running;
  signal.throwIfAborted();
  if (!result.failed) return;
  await exportLogs(kind, engine, plan.name, plan.logs);
  throw new UserError(
    `kind create cluster failed: ${reasonOf(result.stderr)}`,
    `correct its configuration or the machine; what the nodes logged is in ${plan.logs}`,
  );
}

/** Loads an image archive into a cluster's nodes. @throws UserError with kind's words where it cannot be */
export async function loadArchive(
  kind: Kind,
  engine: Engine,
  name: string,
  archive: string,
  signal: AbortSignal,
): Promise<void> {
  const [command, ...rest] = inEngineNetwork(engine, [kind.program, "load", "image-archive", archive, "--name", name]);
  const result = await execa(command, rest, {
    env: kindEnvironment(engine),
    extendEnv: false,
    cancelSignal: signal,
    reject: false,
    stdin: "ignore",
  });
  signal.throwIfAborted();
  if (result.failed)
    throw new UserError(`kind load image-archive failed: ${reasonOf(result.stderr)}`, "look at the nodes' free disk");
}

/** Returns kind's own reason, of all that it prints: what a command of the engine's said, if one failed. */
export function reasonOf(stderr: string): string {
  const said = /Command Output: ([^]*?)(?:\n\n|\nStack Trace|$)/.exec(stderr)?.[1]?.trim();
  if (said) return said.split("\n").slice(0, 3).join(" ");
  const lines = stderr.trim().split("\n");
  return lines.find((line) => line.startsWith("ERROR") || line.includes("error:")) ?? lines.slice(-3).join(" ");
}

/** Collects the logs of a cluster's nodes below a folder, as far as they can be had. */
export async function exportLogs(kind: Kind, engine: Engine, name: string, folder: string): Promise<void> {
  mkdirSync(dirname(folder), { recursive: true });
  const [command, ...rest] = inEngineNetwork(engine, [kind.program, "export", "logs", folder, "--name", name]);
  await execa(command, rest, {
    env: kindEnvironment(engine),
    extendEnv: false,
    reject: false,
    stdin: "ignore",
    timeout: 60_000,
  });
}

/** kind reads many variables; it gets only those that say which engine and proxy to use. */
function kindEnvironment(engine: Engine): Record<string, string> {
  const passed = [
    "PATH",
    "HOME",
    "TMPDIR",
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_CONFIG",
    "DOCKER_TLS_VERIFY",
    "DOCKER_CERT_PATH",
    "CONTAINER_HOST",
    "SSH_AUTH_SOCK",
    "XDG_RUNTIME_DIR",
    ...Object.values(networkVariables),
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
  ];
  const own = Object.fromEntries(
    passed.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])),
  );
  return { ...own, ...engine.environment };
}
