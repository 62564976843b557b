import { expect, test } from "vitest";
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

test("a variable that is empty counts as unset", async () => {
  const environment = { KIND_EXPERIMENTAL_PROVIDER: "", DOCKER_HOST: "" };
  await expect(findUserEngine(environment)).resolves.not.toThrow();
});

test("the last line is the last that says something", () => {
  expect(lastLine("one\ntwo\n\n")).toBe("two");
  expect(lastLine("")).toBe("");
});
