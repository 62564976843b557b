import { once } from "node:events";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { execa } from "execa";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import type { Engine } from "../engine/engine.ts";
import {
  clusterContainers,
  containerNodes,
  containerShells,
  type NodeAccess,
  nodeContainers,
  nodesToAsk,
  wantedNetwork,
} from "./nodes.ts";

const folder = mkdtempSync(join(tmpdir(), "nodes-"));
const server: Server = createServer((_request, response) => response.end("iptables"));
let url = "";
beforeAll(async () => {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/proxyMode`;
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
  vi.unstubAllEnvs();
});

/** A client of an engine that does what the script says. */
function client(name: string, script: string): Engine {
  const program = join(folder, name);
  writeFileSync(program, `#!/bin/sh\n${script}\n`);
  chmodSync(program, 0o755);
  return {
    ...{ cli: "docker", program, version: "28", cgroup: "v2", owner: "user", networkNamespace: undefined },
    ...{ environment: { http_proxy: "http://127.0.0.1:1" }, died: new AbortController().signal },
  };
}

/** What `docker exec` does, in a container that is this machine. */
const exec =
  'shift; while :; do case $1 in --env) export "$2"; shift 2;; --interactive) shift;; *) break;; esac; done; shift; exec "$@"';

test.each([
  ["each on its own", containerNodes],
  ["by a shell that stays open", containerShells],
  ["by one that stays open until all is asked", nodesToAsk],
])("commands on nodes go past the proxies that the nodes were given: %s", async (_name, access) => {
  const engine = client("exec", exec);
  const words = ["curl", "--silent", "--show-error", "--max-time", "5", url];
  const nodes: NodeAccess & Partial<Disposable> = access(engine);
  onTestFinished(() => nodes[Symbol.dispose]?.());
  expect(await nodes.run("a-node", words)).toMatchObject({ stdout: "iptables", exitCode: 0 });
});

test("a node that has no shell is asked once more, and the engine says why", async () => {
  const engine = client("stopped", "echo container a-node is not running >&2; exit 1");
  using nodes = nodesToAsk(engine);
  expect(await nodes.run("a-node", ["ls"])).toMatchObject({ exitCode: 1, stderr: "container a-node is not running" });
});

test("who asks late is refused, and starts nothing", async () => {
  const started = join(folder, "started");
  const engine = client("late", `echo >>${started}; ${exec}`);
  const nodes = nodesToAsk(engine);
  await nodes.run("a-node", ["true"]);
  const slow = nodes.run("a-node", ["sleep", "1"]);
  nodes[Symbol.dispose]();
  await expect(slow).rejects.toThrow("ended before an exit status arrived");
  await expect(nodes.run("a-node", ["true"])).rejects.toThrow("nobody waits for a-node any more");
  expect(readFileSync(started, "utf8")).toBe("\n");
});

test("a process that has nothing else to do waits for what it asked, and ends", async () => {
  const { program } = client("slow", exec);
  const script = `import { nodesToAsk } from "${pathToFileURL(join(import.meta.dirname, "nodes.ts")).href}";
    using nodes = nodesToAsk({ program: ${JSON.stringify(program)}, environment: {} });
    console.log((await nodes.run("a-node", ["sh", "-c", "sleep 0.2; echo asked"])).stdout);`;
  const { stdout } = await execa(process.execPath, ["--input-type=module-typescript", "--eval", script], {
    timeout: 20_000,
  });
  expect(stdout).toBe("asked");
});

test("kind's load balancer is no node, and is removed with its cluster", async () => {
  const engine = client(
    "ps",
    `case "$*" in
      *kind.role=control-plane*) echo c-control-plane2; echo c-control-plane;;
      *kind.role=worker*) echo c-worker;;
      *) echo c-worker; echo c-external-load-balancer; echo c-control-plane;;
    esac`,
  );
  expect(await nodeContainers(engine, "c")).toEqual(["c-control-plane", "c-control-plane2", "c-worker"]);
  expect(await clusterContainers(engine, "c")).toContain("c-external-load-balancer");
});

test("the network of the nodes is the one that kind's own setting asks for, unless that is empty", () => {
  expect(wantedNetwork({ cli: "docker" })).toBe("kind");
  vi.stubEnv("KIND_EXPERIMENTAL_DOCKER_NETWORK", "");
  expect(wantedNetwork({ cli: "docker" })).toBe("kind");
  vi.stubEnv("KIND_EXPERIMENTAL_DOCKER_NETWORK", "mine");
  expect(wantedNetwork({ cli: "docker" })).toBe("mine");
  expect(wantedNetwork({ cli: "podman" })).toBe("kind");
});
