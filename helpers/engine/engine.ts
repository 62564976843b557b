import { execa } from "execa";
import pRetry from "p-retry";
import { z } from "zod";
import { type CommandResult, lastLine } from "../host/command.ts";
import { UserError } from "../host/errors.ts";
import { entered } from "../host/ledger.ts";

/** A container engine that answers, and how to reach what runs on it. */
export interface Engine {
  readonly cli: "docker" | "podman";
  /** Path or name of the client program. */
  readonly program: string;
  readonly version: string;
  readonly cgroup: "v1" | "v2";
  /** suite: the private engine, all of whose containers are ours */
  readonly owner: "user" | "suite";
  /** What the client, kind and everything started beside them need in their environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** The network namespace from which node addresses and published ports are reached; the process's own where absent. */
  readonly networkNamespace: string | undefined;
  /** Aborted, with the reason, when an engine that this process started ends by itself. */
  readonly died: AbortSignal;
}

/** What it takes to run a command of an engine's client, and to say whose it is. */
export type EngineClient = Pick<Engine, "cli" | "program" | "environment">;

/** Options of {@link engineCommand}. */
export interface CommandOptions {
  readonly signal?: AbortSignal | undefined;
  /** Milliseconds; none where absent. */
  readonly timeout?: number;
  readonly input?: string;
  readonly inputFile?: string;
  /** Takes the output, of which the result has nothing then. */
  readonly outputFile?: string;
  readonly cwd?: string;
}

const Info = z.object({ ServerVersion: z.string().min(1), CgroupVersion: z.string() });
const PodmanInfo = z.object({
  host: z.object({ cgroupVersion: z.string() }),
  version: z.object({ Version: z.string() }),
});

/**
 * Returns the result of a command of the engine's own client; a failed one is a result too, with its exit code.
 *
 * @throws the signal's reason when aborted
 */
export async function engineCommand(
  engine: Pick<Engine, "program" | "environment">,
  words: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const { signal, outputFile, ...rest } = options;
  const result = await entered("command", words.join(" "), () =>
    execa(engine.program, words, {
      ...rest,
      ...(signal === undefined ? {} : { cancelSignal: signal }),
      ...(rest.input === undefined && rest.inputFile === undefined ? { stdin: "ignore" } : {}),
      // Not kept in memory too, where 100 MB are the limit: images are larger.
      ...(outputFile === undefined ? {} : { stdout: { file: outputFile }, buffer: { stdout: false } }),
      env: engine.environment,
      reject: false,
    }),
  );
  signal?.throwIfAborted();
  const { failed, exitCode, stdout = "", stderr, durationMs, timedOut } = result;
  return { failed, exitCode, stdout, stderr, durationMs, timedOut };
}

/** Returns the output of a command of the engine's client. @throws UserError with the client's own words where it fails */
export async function engineOutput(
  engine: EngineClient,
  words: readonly string[],
  options: CommandOptions = {},
): Promise<string> {
  const result = await engineCommand(engine, words, options);
  if (result.failed)
    throw new UserError(
      `${engine.cli} ${words.slice(0, 3).join(" ")} failed: ${lastLine(result.stderr) || "no reason given"}`,
      "look at the engine, its free disk and its network, and run again",
      { cause: result },
    );
  return result.stdout;
}

/**
 * Removes containers with their volumes, running or not; ones that are gone already are fine.
 *
 * Docker gives a container 10 s to die of SIGKILL and then reports failure, which a node with hundreds of processes on a
 * busy machine can exceed; it does die, so the removal is asked for again.
 *
 * @param before done before each time, such as what lets frozen processes die
 * @throws Error with the client's own words where they are still there after half a minute more
 */
export async function removeContainers(
  engine: EngineClient,
  containers: readonly string[],
  before: () => void = () => {},
): Promise<void> {
  if (containers.length === 0) return;
  const remove = () => {
    before();
    return engineOutput(engine, ["rm", "--force", "--volumes", ...containers]);
  };
  await pRetry(remove, { retries: 10, minTimeout: 500, maxTimeout: 3_000, maxRetryTime: 60_000 });
}

/** Returns the words of a command as it has to be started to see the engine's network. */
export function inEngineNetwork(
  { networkNamespace }: Pick<Engine, "networkNamespace">,
  command: readonly string[],
): [string, ...string[]] {
  // Not `ip netns exec`: it mounts /sys anew, and programs that look for cgroups there find none.
  const words = networkNamespace === undefined ? command : ["nsenter", `--net=${networkNamespace}`, "--", ...command];
  return words as [string, ...string[]];
}

/**
 * Returns the engine that the user has, or undefined where there is none: `KIND_EXPERIMENTAL_PROVIDER=podman` asks for
 * Podman, else Docker is tried (`DOCKER_HOST`, its context), then Podman.
 *
 * @throws UserError where one was asked for by name and does not answer, or where this user may not use the one that there is
 */
export async function findUserEngine(environment: NodeJS.ProcessEnv = process.env): Promise<Engine | undefined> {
  // kind and docker take an empty variable for one that is not set.
  const provider = environment["KIND_EXPERIMENTAL_PROVIDER"] || undefined;
  if (provider !== undefined && provider !== "docker" && provider !== "podman")
    throw new UserError(`KIND_EXPERIMENTAL_PROVIDER=${provider} is not supported`, "set it to docker or podman");
  if (provider !== "podman") {
    const docker = await ask("docker", ["info", "--format", "{{json .}}"], (json) => {
      const info = Info.parse(json);
      return { version: info.ServerVersion, cgroup: info.CgroupVersion === "2" ? "v2" : "v1" };
    });
    if (!("why" in docker)) return docker;
    if (/permission denied/.test(docker.why))
      throw new UserError(
        `docker may not be used by this user: ${docker.why}`,
        "become a member of the group that its socket belongs to, or name one of your own in DOCKER_HOST",
      );
    const host = environment["DOCKER_HOST"] || undefined;
    if (host !== undefined)
      throw new UserError(
        `no Docker engine answers at DOCKER_HOST=${host}: ${docker.why}`,
        "start it, or unset DOCKER_HOST",
      );
    if (provider === "docker")
      throw new UserError(
        `KIND_EXPERIMENTAL_PROVIDER=docker, and no Docker engine answers: ${docker.why}`,
        "start it, or unset the variable",
      );
  }
  const podman = await ask("podman", ["info", "--format", "json"], (json) => {
    const info = PodmanInfo.parse(json);
    return { version: info.version.Version, cgroup: info.host.cgroupVersion === "v2" ? "v2" : "v1" };
  });
  if (!("why" in podman)) return podman;
  if (provider === "podman")
    throw new UserError(
      `KIND_EXPERIMENTAL_PROVIDER=podman, and Podman does not answer: ${podman.why}`,
      "install or start it, or unset the variable",
    );
  return undefined;
}

/** Returns the engine behind a client on PATH, or why there is none. */
async function ask(
  cli: Engine["cli"],
  words: readonly string[],
  read: (json: unknown) => Pick<Engine, "version" | "cgroup">,
): Promise<Engine | { readonly why: string }> {
  const result = await execa(cli, words, { reject: false, timeout: 20_000, stdin: "ignore" });
  if (result.code === "ENOENT") return { why: `${cli} is not on PATH` };
  if (result.failed) return { why: lastLine(result.stderr) || "it gave no answer in time" };
  try {
    return {
      cli,
      program: cli,
      owner: "user",
      environment: cli === "podman" ? { KIND_EXPERIMENTAL_PROVIDER: "podman" } : {},
      networkNamespace: undefined,
      died: new AbortController().signal,
      ...read(JSON.parse(result.stdout)),
    };
  } catch {
    return { why: `${cli} ${words[0]} tells of no engine` };
  }
}
