import { createHash } from "node:crypto";
import { once } from "node:events";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import type { Engine } from "../engine/engine.ts";
import { UserError } from "../host/errors.ts";
import { createCluster, downloadKind, loadArchive, reasonOf } from "./kind.ts";

const release = "#!/bin/sh\necho 0.33.0\n";
const arch = process.arch === "x64" ? "amd64" : process.arch;
const lock = (sha256: string) => ({ version: "v0.33.0", sha256: { [arch]: sha256 } });
const right = createHash("sha256").update(release).digest("hex");
const never = new AbortController().signal;
const silent = () => {};

let server: Server;
let from = "";
let folder = "";
let requests = 0;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "kind-"));
  server = createServer((request, response) => {
    requests++;
    if (request.url === `/v0.33.0/kind-linux-${arch}`) response.end(release);
    else response.writeHead(404).end();
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  from = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

test("a release with the locked sha256 is kept, can be run, and is not downloaded twice", async () => {
  const { program } = await downloadKind(lock(right), folder, silent, never, from);
  expect(readFileSync(program, "utf8")).toBe(release);
  expect(statSync(program).mode & 0o777).toBe(0o755);
  await downloadKind(lock(right), folder, silent, never, from);
  expect(requests).toBe(1);
});

test("one with another sha256 is refused, and nothing of it stays", async () => {
  const before = readdirSync(folder);
  const download = downloadKind(lock("0".repeat(64)), folder, silent, never, from);
  await expect(download).rejects.toThrow(UserError);
  await expect(download).rejects.toThrow(`has sha256 ${right}, not the locked ${"0".repeat(64)}`);
  expect(readdirSync(folder)).toEqual(before);
});

test("a release that is not there is an error, so that it is built instead", async () => {
  await expect(
    downloadKind({ ...lock("1".repeat(64)), version: "v0.0.0" }, folder, silent, never, from),
  ).rejects.toThrow("HTTP status 404");
});

const engine: Engine = {
  ...{ cli: "docker", program: "docker", version: "28", cgroup: "v2", owner: "user" },
  ...{ environment: {}, networkNamespace: undefined, died: never },
};

/** A program in kind's place that does what the script says. */
function kindThat(script: string) {
  const program = join(folder, "kind-that");
  writeFileSync(program, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return { program, provenance: "" };
}

const create = (script: string) => {
  const plan = { name: "c", image: "i", config: "f", kubeconfig: "k", logs: join(folder, "logs"), withoutCni: false };
  return createCluster(kindThat(script), engine, plan, silent, never, {});
};

test("a cluster that does not come up is told in kind's words, as nothing that is the suite's", async () => {
  const created = create(`
    [ "$1" = create ] || exit 0
    echo "Creating cluster" >&2
    echo 'ERROR: failed to create cluster: failed to pull image "docker.io/kindest/haproxy:v1": exit status 1' >&2
    echo "a trace of kind's" >&2
    exit 1`);
  await expect(created).rejects.toThrow(UserError);
  await expect(created).rejects.toThrow(
    /^kind create cluster failed: ERROR: failed to create cluster: failed to pull image "docker.io\/kindest\/haproxy:v1": exit status 1$/,
  );
  const loaded = loadArchive(kindThat("echo ERROR: no space left >&2; exit 1"), engine, "c", "archive", never);
  await expect(loaded).rejects.toThrow(UserError);
  await expect(loaded).rejects.toThrow("kind load image-archive failed: ERROR: no space left");
});

test("kind gets the variables that say which engine, network and proxy to use, and no others", async () => {
  vi.stubEnv("KIND_EXPERIMENTAL_DOCKER_NETWORK", "mine");
  vi.stubEnv("KIND_EXPERIMENTAL_PODMAN_NETWORK", "mine-too");
  vi.stubEnv("HTTPS_PROXY", "http://127.0.0.1:1");
  vi.stubEnv("KIND_CLUSTER_NAME", "another");
  await create(`env > ${join(folder, "environment")}`);
  vi.unstubAllEnvs();
  const environment = readFileSync(join(folder, "environment"), "utf8").split("\n");
  expect(environment).toEqual(
    expect.arrayContaining([
      "KIND_EXPERIMENTAL_DOCKER_NETWORK=mine",
      "KIND_EXPERIMENTAL_PODMAN_NETWORK=mine-too",
      "HTTPS_PROXY=http://127.0.0.1:1",
    ]),
  );
  expect(environment.filter((line) => line.startsWith("KIND_CLUSTER_NAME"))).toEqual([]);
});

test("of a failed command of the engine's what it said is the reason", () => {
  const stderr = `ERROR: failed to create cluster: command "docker run --name a bash -c 'mkdir -p b &&
more'" failed with error: exit status 125
Command Output: Unable to find image 'docker.io/envoyproxy/envoy:v1.36.2' locally
docker: Error response from daemon: failed to resolve reference

Stack Trace: 
main.main()`;
  expect(reasonOf(stderr)).toBe(
    "Unable to find image 'docker.io/envoyproxy/envoy:v1.36.2' locally docker: Error response from daemon: failed to resolve reference",
  );
  expect(reasonOf("Creating\nERROR: no nodes found\nbye")).toBe("ERROR: no nodes found");
});
