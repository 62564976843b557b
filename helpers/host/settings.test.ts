import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { expect, test, vi } from "vitest";
import { UserError } from "./errors.ts";
import { projectRoot, readSettings, readSettingsOfAll } from "./settings.ts";

test("what is not set has a default", () => {
  expect(readSettings({ XDG_CACHE_HOME: "/var/cache" })).toEqual({
    article: expect.stringMatching(/\/specs\/[^/]+$/),
    nodeImage: undefined,
    imageLock: undefined,
    keepCluster: false,
    kubeconfig: undefined,
    install: "auto",
    cache: "/var/cache/kind-network-conformance",
    out: join(projectRoot, "reports", "out"),
    footnotes: false,
    timeoutFactor: 1,
    worlds: [],
  });
});

test("another article has a folder of its own for its results", () => {
  const { article, out } = readSettings({ KNC_ARTICLE: "tiny" });
  expect(article).toBe(join(projectRoot, "specs", "tiny"));
  expect(out).toBe(join(projectRoot, "reports", "out", "tiny"));
});

test("an article may be anywhere, has its results with it, and need not be named in its folder or the one around it", () => {
  const around = realpathSync(mkdtempSync(join(tmpdir(), "article-")));
  const mine = join(around, "mine");
  mkdirSync(mine);
  writeFileSync(join(mine, "article.yaml"), "");
  const before = process.cwd();
  const main = readSettings({}).article;
  const found = (folder: string) => {
    vi.spyOn(process, "cwd").mockReturnValue(folder);
    return readSettings({});
  };
  try {
    expect(readSettings({ KNC_ARTICLE: mine })).toMatchObject({ article: mine, out: join(mine, "knc-out") });
    expect([found(mine).article, found(around).article]).toEqual([mine, mine]);
    mkdirSync(join(around, "other"));
    writeFileSync(join(around, "other", "article.yaml"), "");
    expect(found(around).article).toBe(main);
  } finally {
    vi.restoreAllMocks();
    rmSync(around, { recursive: true });
  }
  expect(process.cwd()).toBe(before);
});

test("all articles are the repository's but the example, the main one first, each with its own folder for results", () => {
  const all = readSettingsOfAll({ KNC_ARTICLE: "all", KNC_OUT: "/o" });
  const { article: main } = readSettings({});
  expect(all[0]).toMatchObject({ article: main, out: "/o" });
  expect(all.length).toBeGreaterThan(1);
  for (const { article, out } of all.slice(1)) expect(out).toBe(join("/o", basename(article)));
  expect(all.map(({ article }) => basename(article))).not.toContain("tiny");
  expect(new Set(readSettingsOfAll({ KNC_ARTICLE: "all" }).map(({ out }) => out)).size).toBe(all.length);
  expect(readSettingsOfAll({ KNC_ARTICLE: "tiny" })).toEqual([readSettings({ KNC_ARTICLE: "tiny" })]);
  expect(() => readSettings({ KNC_ARTICLE: "all" })).toThrow("KNC_ARTICLE=all names no folder with an article.yaml");
});

test("what is set is taken", () => {
  const digest = "a".repeat(64);
  const settings = readSettings({
    KNC_NODE_IMAGE: `kindest/node:v1.37.0@sha256:${digest}`,
    KNC_KEEP_CLUSTER: "1",
    KNC_TIMEOUT_FACTOR: "2.5",
    KNC_CACHE: "/c",
    KNC_OUT: "/o",
    KNC_INSTALL: "never",
  });
  expect(settings).toMatchObject({
    nodeImage: `kindest/node:v1.37.0@sha256:${digest}`,
    keepCluster: true,
    timeoutFactor: 2.5,
    cache: "/c",
    out: "/o",
    install: "never",
  });
});

test.each([
  ["KNC_KEEP_CLUSTERS", "1", "unknown setting KNC_KEEP_CLUSTERS"],
  ["KNC_KEEP_CLUSTER", "yes", "KNC_KEEP_CLUSTER=yes must be 0 or 1"],
  ["KNC_TIMEOUT_FACTOR", "fast", "KNC_TIMEOUT_FACTOR=fast must be a number"],
  ["KNC_TIMEOUT_FACTOR", "0", "KNC_TIMEOUT_FACTOR=0 must be at least 0.1"],
  ["KNC_INSTALL", "please", "KNC_INSTALL=please must be auto or never"],
  ["KNC_CACHE", "relative/path", "KNC_CACHE=relative/path must be an absolute path"],
  ["KNC_KUBECONFIG", "/no/such/file", "KNC_KUBECONFIG=/no/such/file does not exist"],
  ["KNC_KUBECONFIG", "/tmp", "KNC_KUBECONFIG=/tmp is a folder"],
  ["KNC_IMAGE_LOCK", "/no/such/file", "KNC_IMAGE_LOCK=/no/such/file does not exist"],
  [
    "KNC_NODE_IMAGE",
    "An Image",
    "KNC_NODE_IMAGE=An Image must be an image reference such as kindest/node:v1.37.0@sha256:…",
  ],
])("%s=%s is refused in one line", (name, value, message) => {
  expect(() => readSettings({ [name]: value })).toThrow(expect.objectContaining({ name: "UserError", message }));
  expect(() => readSettings({ [name]: value })).toThrow(UserError);
});
