import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, expect, test } from "vitest";
import { WebSocketServer } from "ws";
import { ApiError, ApiUnreachable, KubernetesApi } from "./api.ts";
import { ExecTransportError, execInPod } from "./exec.ts";
import { Watch } from "./watch.ts";

const folder = mkdtempSync(join(tmpdir(), "api-"));
const target = { namespace: "cast", pod: "client-1", container: "client" };
const seen: { method: string | undefined; body: string }[] = [];
let server: Server;
let api: KubernetesApi;

function kubeconfig(port: number): string {
  const file = join(folder, `kubeconfig-${port}`);
  const config = {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "c",
    contexts: [{ name: "c", context: { cluster: "c", user: "u" } }],
    clusters: [{ name: "c", cluster: { server: `http://127.0.0.1:${port}`, "insecure-skip-tls-verify": true } }],
    users: [{ name: "u", user: {} }],
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}

/** How a container's end comes over the wire: channel 3 of the remote command protocol carries a Status. */
const status = (value: object) => Buffer.concat([Buffer.of(3), Buffer.from(JSON.stringify(value))]);
const success = status({ status: "Success" });
const exit = (code: number) =>
  status({ status: "Failure", details: { causes: [{ reason: "ExitCode", message: String(code) }] } });

beforeAll(async () => {
  let asked = 0;
  const answer = async (request: IncomingMessage, response: ServerResponse) => {
    seen.push({ method: request.method, body: await text(request) });
    if (request.url === "/api/v1/namespaces/cast/services" && request.method === "POST")
      response.writeHead(422).end(JSON.stringify({ message: "the provided port is not in the valid range" }));
    else if (request.url?.endsWith("/endpoints"))
      response
        .appendHeader("warning", '299 - "v1 Endpoints is deprecated"')
        .appendHeader("warning", String.raw`299 - "a \"quote\""`)
        .end("{}");
    else if (request.url?.endsWith("/pods?watch=true"))
      response.write('{"type":"ADDED","object":{"a":1}}\n{"type":"DELETED","object":{"a":1}}\n');
    else if (request.url?.endsWith("/ended?watch=true")) response.end('{"type":"ADDED","object":{}}\n');
    else if (request.url?.endsWith("/refused?watch=true"))
      response.writeHead(403).end(JSON.stringify({ message: "not you" }));
    else if (request.url?.endsWith("/pods/slow")) response.writeHead(asked++ < 2 ? 200 : 404).end("{}");
    else response.end(JSON.stringify({ unknownField: 1 }));
  };
  server = createServer((request, response) => void answer(request, response)).listen(0, "127.0.0.1");
  new WebSocketServer({ server }).on("connection", (socket, request) => {
    const command = new URL(request.url ?? "", "http://here").searchParams.getAll("command");
    socket.send(Buffer.concat([Buffer.of(1), Buffer.from("out")]));
    socket.send(Buffer.concat([Buffer.of(2), Buffer.from("err")]));
    if (command[0] === "true") socket.send(success);
    if (command[0] === "false") socket.send(exit(7));
    if (command[0] === "drop") socket.close();
    if (command[0] === "refuse") socket.send(status({ status: "Failure", message: "container not found" }));
  });
  await once(server, "listening");
  api = new KubernetesApi(kubeconfig((server.address() as AddressInfo).port));
});
afterAll(() => {
  api[Symbol.dispose]();
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true });
});

test("fields that no client library knows come through, both ways", async () => {
  expect(await api.get("/anything")).toEqual({ unknownField: 1 });
  await api.create({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: "p", namespace: "cast" },
    spec: { inventedField: true },
  });
  expect(seen.at(-1)).toMatchObject({ method: "POST", body: expect.stringContaining("inventedField") as string });
});

test("what the server warns of beside comes through, each by itself", async () => {
  const object = { apiVersion: "v1", kind: "Endpoints", metadata: { name: "e", namespace: "cast" } };
  expect(await api.tryCreate(object)).toMatchObject({ warnings: ["v1 Endpoints is deprecated", 'a "quote"'] });
  expect(await api.request("GET", "/anything")).toMatchObject({ warnings: [] });
});

test("a watch tells event by event until it is ended", async () => {
  const over = new AbortController();
  const types: string[] = [];
  await api.watch(
    "/pods",
    ({ type }) => {
      types.push(type);
      if (types.length === 2) over.abort();
    },
    over.signal,
  );
  expect(types).toEqual(["ADDED", "DELETED"]);
  const ended = (path: string) => api.watch(path, () => {}, new AbortController().signal);
  await expect(ended("/ended")).rejects.toThrow(ApiUnreachable);
  await expect(ended("/refused")).rejects.toThrow("not you (HTTP 403)");
});

test("who waits is woken by what is of interest, or by who ends the waiting; all share one watch", async () => {
  const asked = seen.length;
  const watch = new Watch<object>(api, "/pods");
  const over = new AbortController();
  const never = watch.wake(() => false)(over.signal);
  await watch.wake(({ type }) => type === "DELETED")(over.signal);
  expect(await Promise.race([never, Promise.resolve("waits on")])).toBe("waits on");
  over.abort();
  await never;
  expect(seen.length - asked).toBe(1);
});

test("a watch that the server has ended begins anew with who waits next", async () => {
  const watch = new Watch<object>(api, "/ended");
  const asked = seen.length;
  const wait = async () => watch.wake(({ type }) => type === "ADDED")(AbortSignal.timeout(100));
  await wait();
  const again = async () => {
    await wait();
    return seen.length - asked;
  };
  await expect.poll(again, { timeout: 5_000 }).toBeGreaterThan(1);
});

test("a refusal keeps the server's status and words", async () => {
  const object = { apiVersion: "v1", kind: "Service", metadata: { name: "s", namespace: "cast" } };
  expect(await api.tryCreate(object)).toEqual({
    code: 422,
    body: { message: "the provided port is not in the valid range" },
    warnings: [],
  });
  await expect(api.create(object)).rejects.toThrow(new ApiError(422, "the provided port is not in the valid range"));
});

test("deleting waits until the object is gone, and tells when it does not go", async () => {
  await api.delete({ apiVersion: "v1", kind: "Pod", metadata: { name: "slow", namespace: "cast" } }, 5000);
  await expect(
    api.delete({ apiVersion: "v1", kind: "Pod", metadata: { name: "stays", namespace: "cast" } }, 300),
  ).rejects.toThrow("waited 0.3 s for Pod stays to be gone; last seen: 200");
});

test("a server that is not there is told apart from one that refuses", async () => {
  using absent = new KubernetesApi(kubeconfig(1));
  await expect(absent.get("/api")).rejects.toThrow(ApiUnreachable);
});

test("a command's output and exit code come back", async () => {
  const never = new AbortController().signal;
  expect(await execInPod(api.config, target, ["true"], never)).toMatchObject({
    failed: false,
    exitCode: 0,
    stdout: "out",
    stderr: "err",
  });
  expect(await execInPod(api.config, target, ["false"], never)).toMatchObject({
    failed: true,
    exitCode: 7,
    stdout: "out",
  });
});

test("a stream that ends without an exit status is an error, not a success", async () => {
  const never = new AbortController().signal;
  await expect(execInPod(api.config, target, ["drop"], never)).rejects.toThrow(ExecTransportError);
  await expect(execInPod(api.config, target, ["drop"], never)).rejects.toThrow("before an exit status arrived");
  await expect(execInPod(api.config, target, ["refuse"], never)).rejects.toThrow(
    "no command ran in cast/client-1: container not found",
  );
});

test("a command that hangs ends when its time is up", async () => {
  await expect(execInPod(api.config, target, ["hang"], AbortSignal.timeout(300))).rejects.toThrow(/timeout/i);
});

test("a kept connection that the server has ended is no answer: the request is sent on a new one", async () => {
  const connections = new Set<unknown>();
  const idle = createServer((request, response) => {
    // The second request on a connection comes too late.
    if (connections.has(request.socket)) request.socket.destroy();
    else response.end("{}");
    connections.add(request.socket);
  }).listen(0, "127.0.0.1");
  await once(idle, "listening");
  using client = new KubernetesApi(kubeconfig((idle.address() as AddressInfo).port));
  await client.get("/first");
  await expect(client.get("/second")).resolves.toEqual({});
  expect(connections.size).toBe(2);
  idle.close();
});

test("a server that hangs up on a new connection is unreachable", async () => {
  let asked = 0;
  const silent = createServer(({ socket }) => {
    asked++;
    socket.destroy();
  }).listen(0, "127.0.0.1");
  await once(silent, "listening");
  using client = new KubernetesApi(kubeconfig((silent.address() as AddressInfo).port));
  await expect(client.get("/first")).rejects.toThrow(ApiUnreachable);
  expect(asked).toBe(1);
  silent.close();
});
