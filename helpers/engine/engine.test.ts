import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { lastLine } from "../host/command.ts";
import { UserError } from "../host/errors.ts";
import { engineCommand, engineOutput, findUserEngine, inEngineNetwork } from "./engine.ts";

test("a command is wrapped only where the engine has a network of its own", () => {
  expect(inEngineNetwork({ networkNamespace: undefined }, ["kind", "version"])).toEqual(["kind", "version"]);
  expect(inEngineNetwork({ networkNamespace: "/run/netns/x" }, ["kind", "version"])).toEqual([
    "nsenter",
    "--net=/run/netns/x",
    "--",
    "kind",
    "version",
  ]);
});

test("a client that fails gives its exit code and its words", async () => {
  const client = { cli: "docker" as const, program: "sh", environment: {} };
  expect(await engineCommand(client, ["-c", "echo some; echo words >&2; exit 3"])).toMatchObject({
    failed: true,
    exitCode: 3,
    stdout: "some",
    stderr: "words",
  });
  const output = engineOutput(client, ["-c", "echo first >&2; echo last >&2; exit 3"]);
  await expect(output).rejects.toThrow(/failed: last$/);
  await expect(output).rejects.toThrow(UserError);
});

test("output that goes to a file is not read as text, and whole", async () => {
  const folder = mkdtempSync(join(tmpdir(), "knc-output-"));
  const outputFile = join(folder, "archive");
  try {
    await engineOutput({ cli: "docker", program: "sh", environment: {} }, ["-c", "printf 'a\\377\\n\\n'"], {
      outputFile,
    });
    expect([...readFileSync(outputFile)]).toEqual([97, 255, 10, 10]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("a client that hangs ends when it is aborted", async () => {
  await expect(
    engineCommand({ program: "sleep", environment: {} }, ["60"], { signal: AbortSignal.timeout(200) }),
  ).rejects.toThrow();
});

test("an engine that was asked for by name and does not answer is an error with a remedy", async () => {
  await expect(findUserEngine({ KIND_EXPERIMENTAL_PROVIDER: "nerdctl" })).rejects.toThrow(
    "KIND_EXPERIMENTAL_PROVIDER=nerdctl is not supported",
  );
});

describe("why there is no engine", () => {
  const folder = mkdtempSync(join(tmpdir(), "knc-engine-"));
  beforeEach(() => vi.stubEnv("PATH", folder));
  afterEach(() => vi.unstubAllEnvs());
  afterAll(() => rmSync(folder, { recursive: true }));
  const docker = (words: string) =>
    writeFileSync(join(folder, "docker"), `#!/bin/sh\necho '${words}' >&2\nexit 1\n`, { mode: 0o755 });

  test("a client that is not there", async () => {
    await expect(findUserEngine({ DOCKER_HOST: "tcp://engine:1" })).rejects.toThrow(
      "no Docker engine answers at DOCKER_HOST=tcp://engine:1: docker is not on PATH",
    );
    await expect(findUserEngine({ KIND_EXPERIMENTAL_PROVIDER: "podman" })).rejects.toThrow("podman is not on PATH");
    expect(await findUserEngine({})).toBeUndefined();
  });

  test("a socket that is another user's", async () => {
    docker("permission denied while trying to connect to the Docker daemon socket");
    await expect(findUserEngine({})).rejects.toThrow("docker may not be used by this user: permission denied while");
  });

  test("nobody who answers", async () => {
    docker("Cannot connect to the Docker daemon");
    await expect(findUserEngine({ DOCKER_HOST: "tcp://engine:1" })).rejects.toThrow(/: Cannot connect to the Docker/);
    expect(await findUserEngine({})).toBeUndefined();
  });
});

test("a variable that is empty counts as unset", async () => {
  const environment = { KIND_EXPERIMENTAL_PROVIDER: "", DOCKER_HOST: "" };
  await expect(findUserEngine(environment)).resolves.not.toThrow();
});

test("the last line is the last that says something", () => {
  expect(lastLine("one\ntwo\n\n")).toBe("two");
  expect(lastLine("")).toBe("");
});

test("an output of any size goes to a file", async () => {
  const folder = mkdtempSync(join(tmpdir(), "engine-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "image.tar");
  const bytes = 120_000_000;
  const words = ["-c", String(bytes), "/dev/zero"];
  const { failed } = await engineCommand({ program: "head", environment: {} }, words, { outputFile: file });
  expect(failed).toBe(false);
  expect(statSync(file).size).toBe(bytes);
});
