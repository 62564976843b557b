import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { stringify } from "yaml";
import type { Engine } from "../engine/engine.ts";
import { UserError } from "../host/errors.ts";
import { givenCluster, requireApiServer } from "./given.ts";

const folder = mkdtempSync(join(tmpdir(), "given-"));
let server: Server;
let url = "";
beforeAll(async () => {
  server = createServer((_request, response) => response.end(JSON.stringify({ metadata: { uid: "1-2-3" } })));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true });
});

/** An engine with one cluster `mine`, whose control plane says that UID of its own API server. */
function engineWith(uid: string): Engine {
  const program = join(folder, "engine");
  const script = `case "$*" in
    exec*) echo ${uid};;
    *cluster=mine*role=control-plane*) echo mine-control-plane;;
  esac`;
  writeFileSync(program, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return {
    ...{ cli: "docker", program, version: "28", cgroup: "v2", owner: "user", networkNamespace: undefined },
    ...{ environment: {}, died: new AbortController().signal },
  };
}

function kubeconfig(context: string, cluster: string, server_: string = url): string {
  const file = join(folder, "kubeconfig");
  const config = {
    "current-context": context,
    contexts: [{ name: context, context: { cluster, user: "u" } }],
    clusters: [{ name: cluster, cluster: { server: server_ } }],
    users: [{ name: "u", user: { token: "t" } }],
  };
  writeFileSync(file, stringify(config));
  return file;
}

test.each([
  ["kind-mine", "kind-mine"],
  ["renamed", "kind-mine"],
])("the cluster that the context %s leads to is known by kind's name and its own UID", async (context, cluster) => {
  const given = await givenCluster(engineWith("1-2-3"), kubeconfig(context, cluster));
  expect(given).toEqual({ name: "mine", nodes: ["mine-control-plane"] });
});

test.each([
  [
    "one of that name that is another",
    "9-9-9",
    "kind-mine",
    undefined,
    /leads to another cluster than kind's cluster mine on this engine$/,
  ],
  ["one that is not on this engine", "1-2-3", "kind-yours", undefined, /is no kind cluster of this engine$/],
  [
    "one that does not answer",
    "1-2-3",
    "kind-mine",
    "http://127.0.0.1:1",
    /gave no answer that tells which cluster it is of: .*ECONNREFUSED/,
  ],
])("%s is refused", async (_name, uid, context, at, message) => {
  const given = givenCluster(engineWith(uid), kubeconfig(context, context, at));
  await expect(given).rejects.toThrow(UserError);
  await expect(given).rejects.toThrow(message);
});

test("a new cluster's API server that is published on another machine's loopback is told in a line", async () => {
  await expect(requireApiServer(engineWith("1-2-3"), kubeconfig("kind-new", "kind-new"))).resolves.toBeUndefined();
  const elsewhere = requireApiServer(engineWith("1-2-3"), kubeconfig("kind-new", "kind-new", "http://127.0.0.1:1"));
  await expect(elsewhere).rejects.toThrow(UserError);
  await expect(elsewhere).rejects.toThrow(/does not answer on this machine's loopback.*ECONNREFUSED/);
});
