import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TLSSocket } from "node:tls";
import { execaSync } from "execa";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { UserError } from "../host/errors.ts";
import { ApiUnreachable, KubernetesApi } from "./api.ts";
import { readKubeconfig } from "./kubeconfig.ts";

const folder = mkdtempSync(join(tmpdir(), "kubeconfig-"));
const there = (name: string) => join(folder, name);
afterAll(() => rmSync(folder, { recursive: true }));

let number = 0;
function write(cluster: object, user: object): string {
  const file = there(`config-${number++}`);
  const config = {
    ...{ apiVersion: "v1", kind: "Config", "current-context": "second" },
    contexts: [
      { name: "first", context: { cluster: "nowhere", user: "nobody" } },
      { name: "second", context: { cluster: "c", user: "u" } },
    ],
    clusters: [
      { name: "nowhere", cluster: { server: "https://127.0.0.1:1" } },
      { name: "c", cluster },
    ],
    users: [
      { name: "nobody", user: {} },
      { name: "u", user },
    ],
  };
  writeFileSync(file, stringify(config));
  return file;
}

describe.skipIf(execaSync("openssl", ["version"], { reject: false }).failed)("users and servers of all kinds", () => {
  let server: Server;
  let url = "";
  const data = (name: string) => readFileSync(there(name)).toString("base64");

  beforeAll(async () => {
    for (const name of ["server", "client"])
      execaSync("openssl", [
        ...["req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"],
        ...["-subj", `/CN=the ${name}`, "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"],
        ...["-keyout", there(`${name}.key`), "-out", there(`${name}.crt`)],
      ]);
    const [key, cert] = [readFileSync(there("server.key")), readFileSync(there("server.crt"))];
    // Tells whom it sees.
    server = createServer({ key, cert, requestCert: true, rejectUnauthorized: false }, (request, response) => {
      const { CN } = (request.socket as TLSSocket).getPeerCertificate().subject ?? {};
      response.end(
        JSON.stringify({ certificate: CN, authorization: request.headers.authorization, path: request.url }),
      );
    }).listen(0, "127.0.0.1");
    await once(server, "listening");
    url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    writeFileSync(there("token"), "from-a-file\n");
    mkdirSync(there("bin"));
    const credential = {
      apiVersion: "client.authentication.k8s.io/v1",
      kind: "ExecCredential",
      status: { token: "by-a-plugin" },
    };
    writeFileSync(there("bin/plugin"), `#!/bin/sh\necho '${JSON.stringify(credential)}'\n`, { mode: 0o755 });
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  const exec = {
    apiVersion: "client.authentication.k8s.io/v1",
    command: "./bin/plugin",
    args: [],
    interactiveMode: "Never",
  };
  test.each([
    [
      "data in the file",
      () => ({ "client-certificate-data": data("client.crt"), "client-key-data": data("client.key") }),
      { certificate: "the client" },
    ],
    [
      "files beside it",
      () => ({ "client-certificate": "client.crt", "client-key": "client.key" }),
      { certificate: "the client" },
    ],
    ["a token", () => ({ token: "a-token" }), { authorization: "Bearer a-token" }],
    ["a token in a file", () => ({ tokenFile: "token" }), { authorization: "Bearer from-a-file" }],
    ["a plugin", () => ({ exec }), { authorization: "Bearer by-a-plugin" }],
    [
      "a name and a password",
      () => ({ username: "me", password: "secret" }),
      { authorization: `Basic ${btoa("me:secret")}` },
    ],
  ])("%s", async (_name, user, seen) => {
    using api = new KubernetesApi(write({ server: url, "certificate-authority": "server.crt" }, user()));
    expect(await api.get("/api")).toMatchObject(seen);
  });

  test("a server whose certificate is not to be looked at, and one below a path", async () => {
    using api = new KubernetesApi(write({ server: `${url}/below/`, "insecure-skip-tls-verify": true }, {}));
    expect(await api.get("/api")).toMatchObject({ path: "/below/api" });
  });

  test("one whose certificate nobody vouches for is not asked", async () => {
    using api = new KubernetesApi(write({ server: url }, { token: "secret" }));
    await expect(api.get("/api")).rejects.toThrow(ApiUnreachable);
  });

  test("a plugin that fails is told by its own words", async () => {
    const failing = { ...exec, command: "sh", args: ["-c", "echo no login >&2; exit 1"] };
    using api = new KubernetesApi(write({ server: url }, { exec: failing }));
    await expect(api.get("/api")).rejects.toThrow("no credentials: no login");
  });
});

test.each([
  ["an empty file", "", /: it is empty$/],
  ["no YAML", "{", /^[^\n]*$/],
  [
    "no context",
    stringify({ "current-context": "minikube" }),
    /its current context names no cluster and user that it has$/,
  ],
])("%s is refused in one line", (_name, text, message) => {
  const file = there("broken");
  writeFileSync(file, text);
  expect(() => readKubeconfig(file)).toThrow(UserError);
  expect(() => readKubeconfig(file)).toThrow(message);
});
