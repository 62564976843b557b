import { once } from "node:events";
import { createServer } from "node:http";
import { type AddressInfo, createServer as createTcpServer, type Server } from "node:net";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { httpFromHere } from "./here.ts";
import { distribution, hostPort, meet, meetOften, request } from "./http.ts";
import type { Peer } from "./peer.ts";

/** This machine as a peer: the probes' own curl, against small servers on loopback. */
const here: Peer = {
  label: "here (127.0.0.1)",
  run: async (_title, [command = "", ...words]) => {
    const result = await execa(command, words, { reject: false, stdin: "ignore" });
    return {
      failed: result.failed,
      exitCode: result.exitCode,
      stdout: result.stdout,
      stderr: result.stderr,
      durationMs: result.durationMs,
      timedOut: result.timedOut,
    };
  },
};

const servers: Server[] = [];
let answering = "";
let silent = "";
let closing = "";
let lying = "";
let closed = "";
let connections = 0;
let lastPort: number | undefined;

async function listen(server: Server): Promise<string> {
  servers.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

beforeAll(async () => {
  answering = await listen(
    createServer((incoming, response) => {
      const url = new URL(incoming.url ?? "", "http://here");
      const { remoteAddress, remotePort } = incoming.socket;
      const answers: Record<string, string> = {
        "/hostname": "server-1",
        "/clientip": `${remoteAddress}:${remotePort}`,
        "/echo": url.searchParams.get("msg") ?? "",
        "/": "Welcome\nHTTP-STATUS is a word",
      };
      response.end(answers[url.pathname]);
    }).on("connection", ({ remotePort }) => {
      connections++;
      lastPort = remotePort;
    }),
  );
  lying = await listen(createServer((_incoming, response) => response.end("always the same")));
  silent = await listen(createTcpServer(() => {}));
  closing = await listen(createTcpServer((socket) => socket.destroy()));
  const gone = createTcpServer();
  closed = await listen(gone);
  gone.close();
});
afterAll(() => {
  for (const server of servers) server.close();
});

test("an answer comes with its status and its body, whatever the body says", async () => {
  expect(await request(here, `http://${answering}/`, 2000)).toMatchObject({
    outcome: "answered",
    status: 200,
    body: "Welcome\nHTTP-STATUS is a word",
  });
});

test("who answered, and whom it saw, is told by the answer itself", async () => {
  expect(await meet(here, answering, 2000)).toMatchObject({
    outcome: "answered",
    pod: "server-1",
    source: "127.0.0.1",
  });
});

test("a connection comes from the port that was asked for", async () => {
  const free = createTcpServer();
  const port = Number((await listen(free)).split(":")[1]);
  await new Promise((closed) => free.close(closed));
  expect(await meet(here, answering, 2000, port)).toMatchObject({ outcome: "answered" });
  expect(lastPort).toBe(port);
});

test("an answer without the token that was sent is no answer of the suite's server", async () => {
  await expect(meet(here, lying, 2000)).rejects.toThrow("but not as the suite's server does");
});

test.each([
  ["refused", () => closed],
  ["silent", () => silent],
  ["refused", () => closing],
])("the end of a request is told apart: %s", async (outcome, target) => {
  expect(await meet(here, target(), 700)).toMatchObject({ outcome });
  expect(await httpFromHere(`http://${target()}/`, 700)).toMatchObject({ outcome });
});

test("a name without an address is unresolved", async () => {
  expect(await request(here, "http://no-such-name.invalid/", 3000)).toMatchObject({ outcome: "unresolved" });
});

test("a probe that cannot be run is no observation", async () => {
  const broken: Peer = { ...here, run: (title, words) => here.run(title, ["sh", "-c", "exit 127", ...words]) };
  await expect(request(broken, `http://${answering}/`, 700)).rejects.toThrow("ended with 127");
});

test("each of many requests has a connection of its own, and is counted by who answered or how it failed", async () => {
  const before = connections;
  expect(distribution(await meetOften(here, answering, 25, 2000))).toEqual({ "server-1": 25 });
  expect(connections - before).toBe(25);
  expect(distribution(await meetOften(here, closed, 3, 2000))).toEqual({ "curl exit 7": 3 });
});

test("a curl of before 7.75, which has no word for its exit code, is understood too", async () => {
  const old: Peer = {
    ...here,
    run: async (title, words) =>
      here.run(
        title,
        words.map((word) => word.replace("%{exitcode}", "")),
      ),
  };
  expect(distribution(await meetOften(old, answering, 4, 2000))).toEqual({ "server-1": 4 });
  expect(distribution(await meetOften(old, closed, 3, 2000))).toEqual({ "curl exit 7": 3 });
  expect(Object.keys(distribution(await meetOften(old, closing, 2, 2000)))[0]).toMatch(/^curl exit 5[26]$/);
});

test("many requests come no faster than they may", async () => {
  const begun = performance.now();
  await meetOften(here, answering, 10, 2000, 20);
  expect(performance.now() - begun).toBeGreaterThanOrEqual(400);
});

test("IPv6 addresses stand in brackets", () => {
  expect(hostPort("fd00::1", 80)).toBe("[fd00::1]:80");
  expect(hostPort("10.0.0.1", 80)).toBe("10.0.0.1:80");
});
