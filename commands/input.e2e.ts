import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { stringify } from "yaml";
import { deadRuns } from "../helpers/cluster/runs.ts";
import { projectRoot, readSettings } from "../helpers/host/settings.ts";

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "knc-input-"));
  chmodSync(folder, 0o755);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const file = (name: string, text: string) => {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
};

interface Input {
  readonly environment?: () => Record<string, string>;
  readonly before?: readonly string[];
  readonly message: RegExp;
}

/** A folder of its own as cache: nothing is unpacked or built there yet. */
const emptyCache = () => ({ KNC_CACHE: join(folder, `cache-${Math.random().toString(36).slice(2)}`) });

const inputs: Record<string, Input> = {
  "an unknown setting": {
    environment: () => ({ KNC_KEEP: "1" }),
    message: /^error: unknown setting KNC_KEEP – known are KNC_ARTICLE, /,
  },
  "a malformed setting": {
    environment: () => ({ KNC_KEEP_CLUSTER: "yes" }),
    message: /^error: KNC_KEEP_CLUSTER=yes must be 0 or 1 – correct or unset KNC_KEEP_CLUSTER$/,
  },
  "an article that is not there": {
    environment: () => ({ KNC_ARTICLE: "day-6" }),
    message: /^error: KNC_ARTICLE=day-6 names no folder with an article.yaml – correct or unset KNC_ARTICLE$/,
  },
  "a malformed image": {
    environment: () => ({ KNC_NODE_IMAGE: "kindest/node v1" }),
    message: /^error: KNC_NODE_IMAGE=kindest\/node v1 must be an image reference/,
  },
  "an image that does not exist": {
    environment: () => ({ KNC_NODE_IMAGE: "localhost/no/such:image" }),
    message:
      /^error: KNC_NODE_IMAGE=localhost\/no\/such:image is not in the engine and cannot be pulled – correct or unset/,
  },
  "a kubeconfig that does not exist": {
    environment: () => ({ KNC_KUBECONFIG: "/no/such/kubeconfig" }),
    message: /^error: KNC_KUBECONFIG=\/no\/such\/kubeconfig does not exist – /,
  },
  "a kubeconfig that is empty": {
    environment: () => ({ KNC_KUBECONFIG: file("empty", "") }),
    message:
      /^error: KNC_KUBECONFIG=.*empty is no kubeconfig that can be used: it is empty – try it with kubectl --kubeconfig$/,
  },
  "a kubeconfig that is a folder": {
    environment: () => ({ KNC_KUBECONFIG: folder }),
    message: /^error: KNC_KUBECONFIG=.* is a folder – correct or unset KNC_KUBECONFIG$/,
  },
  "a kubeconfig of no kind cluster": {
    environment: () => ({
      KNC_KUBECONFIG: file(
        "kubeconfig",
        stringify({
          "current-context": "minikube",
          contexts: [{ name: "minikube", context: { cluster: "minikube", user: "minikube" } }],
          clusters: [{ name: "minikube", cluster: { server: "https://127.0.0.1:1" } }],
          users: [{ name: "minikube", user: {} }],
        }),
      ),
    }),
    message: /^error: KNC_KUBECONFIG=.* its current context is no kind cluster of this engine – /,
  },
  "a broken image lock": {
    environment: () => ({ KNC_IMAGE_LOCK: file("lock.yaml", "kind: {") }),
    message: /^error: .*lock\.yaml: .* – correct the image lock file$/,
  },
  "a cell that the matrix does not have": {
    environment: () => ({ KNC_CELL: "1.99" }),
    message: /^error: there is no cell 1\.99 – fixtures\/clusters\/matrix\.yaml has 1\.24\.0, /,
  },
  "an engine that was asked for and does not answer": {
    environment: () => ({ DOCKER_HOST: `unix://${folder}/no.sock` }),
    message: /^error: no Docker engine answers at DOCKER_HOST=unix:.*no\.sock: .* – start it, or unset DOCKER_HOST$/,
  },
  "an engine of a kind that is not supported": {
    environment: () => ({ KIND_EXPERIMENTAL_PROVIDER: "nerdctl" }),
    message: /^error: KIND_EXPERIMENTAL_PROVIDER=nerdctl is not supported – /,
  },
  "no engine, and nothing may be unpacked": {
    environment: () => ({ ...emptyCache(), KNC_INSTALL: "never" }),
    message:
      /^error: no container engine answers, and KNC_INSTALL=never forbids unpacking what it takes to make one: docker\.io \(trixie\), .* – start Docker or Podman, or unset KNC_INSTALL$/,
  },
  "no engine and no root": {
    environment: () => ({
      KNC_CACHE: join(folder, "nobody", "cache"),
      KNC_OUT: join(folder, "nobody", "out"),
      HOME: join(folder, "nobody"),
    }),
    before: ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"],
    message:
      /^error: no container engine answers, and making one here needs root on Debian – start Docker or Podman, or run as root$/,
  },
  "no disk": {
    environment: () => ({ KNC_CACHE: join(folder, "small") }),
    message:
      /^error: the private engine needs 1\.0 GB of disk below .*small, [\d.]+ GB are free – free some, or set KNC_CACHE/,
  },
  "Go that is too old": {
    environment: () => {
      mkdirSync(join(folder, "go"), { recursive: true });
      writeFileSync(join(folder, "go", "go"), "#!/bin/sh\necho go1.20.1\n", { mode: 0o755 });
      return { ...emptyCache(), PATH: `${join(folder, "go")}${delimiter}${process.env["PATH"]}` };
    },
    message: /^error: go1\.20\.1 is too old to build the node image – install Go 1\.26\.0 or later$/,
  },
};

test.each(Object.entries(inputs))(
  "%s: exit 2, one line with the remedy, no stack trace, no record of a run",
  async (name, { environment, before = [], message }) => {
    mkdirSync(join(folder, "small"), { recursive: true });
    mkdirSync(join(folder, "nobody"), { recursive: true, mode: 0o777 });
    chmodSync(join(folder, "nobody"), 0o777);
    if (name === "no disk") await execa`mount -t tmpfs -o size=64m tmpfs ${join(folder, "small")}`;
    const given = environment?.() ?? {};
    const cache = given["KNC_CACHE"] ?? readSettings().cache;
    const dead = deadRuns(cache);
    try {
      const { exitCode, stderr } = await execa("env", [...before, process.execPath, "commands/run.js", "test"], {
        cwd: projectRoot,
        env: { KNC_OUT: join(folder, "out"), ...given },
        reject: false,
        stdin: "ignore",
      });
      const errors = stderr.split("\n").filter((line) => !/^ +\d+s {2}/.test(line));
      expect(exitCode, stderr).toBe(2);
      expect(errors, stderr).toEqual([expect.stringMatching(message)]);
      expect(deadRuns(cache)).toEqual(dead);
    } finally {
      if (name === "no disk") await execa`umount ${join(folder, "small")}`;
    }
  },
);

test("a Node that is too old is told by plain JavaScript", async () => {
  const old = await execa("/usr/bin/node", ["--version"], { reject: false });
  const major = Number(/^v(\d+)/.exec(old.stdout ?? "")?.[1] ?? 24);
  const { exitCode, stderr } = await execa(
    major < 24 ? "/usr/bin/node" : process.execPath,
    ["commands/run.js", "claims", "--colour"],
    { cwd: projectRoot, reject: false },
  );
  expect(exitCode).toBe(2);
  expect(stderr.split("\n")).toEqual([
    expect.stringMatching(major < 24 ? /^error: Node [\d.]+ is too old – / : /^error: Unknown option '--colour'/),
  ]);
});

test.each([
  ["test", "-t=no such claim", /^error: -t no such claim is in no claim's sentence or id – npm run claims lists them$/],
  ["controls", "-t=(", /^error: -t \(: Invalid regular expression: .* – npm run claims lists what can be named$/],
  ["claims", "--colour", /^error: Unknown option '--colour'/],
  ["matrix", "--changed=nonsense", /^error: --changed nonsense: fatal: .* – name a commit that git knows$/],
  ["demo", "please", /^error: please is not known – npm run demo$/],
  ["cluster", "sideways", /^error: npm run cluster -- sideways is not known – npm run cluster -- up\|down\|status$/],
])("npm run %s -- %s: exit 2 and one line", async (command, word, message) => {
  const { exitCode, stderr } = await execa(process.execPath, ["commands/run.js", command, word], {
    cwd: projectRoot,
    reject: false,
  });
  expect(exitCode).toBe(2);
  expect(stderr.split("\n")).toEqual([expect.stringMatching(message)]);
});
