import { once } from "node:events";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { Engine } from "../engine/engine.ts";
import { clusterContainers, containerNodes, containerShells, nodeContainers, wantedNetwork } from "./nodes.ts";

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

test.each([
  ["each on its own", containerNodes],
  ["by a shell that stays open", containerShells],
])("commands on nodes go past the proxies that the nodes were given: %s", async (_name, access) => {
  // `exec` in a container that is this machine.
  const engine = client(
    "exec",
    'shift; while :; do case $1 in --env) export "$2"; shift 2;; --interactive) shift;; *) break;; esac; done; shift; exec "$@"',
  );
  const words = ["curl", "--silent", "--show-error", "--max-time", "5", url];
  expect(await access(engine).run("a-node", words)).toMatchObject({ stdout: "iptables", exitCode: 0 });
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
