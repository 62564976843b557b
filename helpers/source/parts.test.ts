import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { UserError } from "../host/errors.ts";
import { PartStore, requireDisk } from "./parts.ts";

const cache = mkdtempSync(join(tmpdir(), "parts-"));
afterAll(() => rmSync(cache, { recursive: true }));
const store = new PartStore(cache);
const silent = () => {};

function builder() {
  let builds = 0;
  return {
    count: () => builds,
    build: async (folder: string) => {
      builds++;
      writeFileSync(join(folder, "file"), "content");
      return { file: "made here" };
    },
  };
}

test("a part is built once, and found by its recipe whatever the order of its keys", async () => {
  const { build, count } = builder();
  const made = await store.make("one", { a: "1", b: { c: "2", d: "3" } }, silent, build);
  const again = await store.make("one", { b: { d: "3", c: "2" }, a: "1" }, silent, build);
  expect(count()).toBe(1);
  expect(again).toEqual(made);
  expect(readFileSync(join(made.folder, "file"), "utf8")).toBe("content");
  expect(made.provenance).toEqual({ file: "made here" });
});

test("another recipe is another part", async () => {
  const { build, count } = builder();
  const one = await store.make("two", { version: "1" }, silent, build);
  const other = await store.make("two", { version: "2" }, silent, build);
  expect(count()).toBe(2);
  expect(other.folder).not.toBe(one.folder);
});

test("two that want the same part at once build it once", async () => {
  const { build, count } = builder();
  const parts = await Promise.all([1, 2, 3].map(() => store.make("three", {}, silent, build)));
  expect(count()).toBe(1);
  expect(new Set(parts.map(({ folder }) => folder)).size).toBe(1);
});

test("a part whose building failed is not there, and the next try starts clean", async () => {
  const broken = async (folder: string) => {
    writeFileSync(join(folder, "half"), "");
    throw new Error("no compiler");
  };
  await expect(store.make("four", {}, silent, broken)).rejects.toThrow("no compiler");
  expect(store.find("four", {})).toBeUndefined();
  const part = await store.make("four", {}, silent, builder().build);
  expect(readdirSync(part.folder).toSorted()).toEqual(["file", "provenance.json"]);
});

test("sweeping removes what an interrupted build left and no finished part", async () => {
  const part = await store.make("five", {}, silent, builder().build);
  mkdirSync(join(store.folder, "six-0.unfinished"));
  store.sweep();
  expect(existsSync(join(store.folder, "six-0.unfinished"))).toBe(false);
  expect(existsSync(part.folder)).toBe(true);
});

test("what somebody builds at the moment is not swept, and others' leftovers are", async () => {
  const left = join(store.folder, "eight-0.unfinished");
  const part = await store.make("seven", {}, silent, async (folder) => {
    mkdirSync(left);
    new PartStore(cache).sweep();
    writeFileSync(join(folder, "file"), "");
    return { seven: "here" };
  });
  expect(existsSync(join(part.folder, "file"))).toBe(true);
  expect(existsSync(left)).toBe(false);
});

test("parts are built beside each other", async () => {
  const other = Promise.withResolvers<void>();
  const waiting = store.make("nine", {}, silent, async () => {
    await other.promise;
    return {};
  });
  await store.make("ten", {}, silent, async () => ({}));
  other.resolve();
  expect((await waiting).folder).toContain("nine-");
});

test("a disk that is too full is told before anything is written, with both figures", () => {
  const lines: string[] = [];
  requireDisk(cache, 1, "a test", (line) => lines.push(line));
  expect(lines[0]).toMatch(/^disk: a test needs up to 0\.0 GB, [\d.]+ GB are free$/);
  expect(() => requireDisk(cache, 1e18, "a test", silent)).toThrow(UserError);
  expect(() => requireDisk(cache, 1e18, "a test", silent)).toThrow(
    /a test needs 1000000000\.0 GB of disk below .*, [\d.]+ GB are free/,
  );
});
