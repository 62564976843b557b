import { createHash } from "node:crypto";
import { createReadStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { extract, type Header } from "tar-stream";
import { afterAll, expect, test } from "vitest";
import { writeArchive, writeLayer } from "./archive.ts";

const folder = mkdtempSync(join(tmpdir(), "archive-"));
afterAll(() => rmSync(folder, { recursive: true }));

async function entries(file: string): Promise<Map<string, { header: Header; content: Buffer }>> {
  const found = new Map<string, { header: Header; content: Buffer }>();
  for await (const entry of createReadStream(file).pipe(extract()))
    found.set(entry.header.name, { header: entry.header, content: await buffer(entry) });
  return found;
}

const sha256 = (content: Buffer) => createHash("sha256").update(content).digest("hex");

test("a layer holds files, texts, links and folders, owned by root, and is the same when written again", async () => {
  const source = join(folder, "program");
  writeFileSync(source, "#!/bin/sh\n");
  const empty = join(folder, "empty");
  writeFileSync(empty, "");
  const list = [
    { path: "/usr/bin/program", source, mode: 0o755 },
    { path: "/etc/empty", source: empty },
    { path: "/etc/text", text: "文字\n" },
    { path: "/bin/sh", link: "/usr/bin/program" },
    { path: "/var/lib", folder: true as const },
  ];
  const [one, other] = [join(folder, "one.tar"), join(folder, "other.tar")];
  await writeLayer(one, list);
  await writeLayer(other, list);
  expect(readFileSync(one)).toEqual(readFileSync(other));
  const found = await entries(one);
  expect([...found.keys()]).toEqual(["/usr/bin/program", "/etc/empty", "/etc/text", "/bin/sh", "/var/lib"]);
  expect(found.get("/usr/bin/program")).toMatchObject({
    header: { mode: 0o755, uid: 0, gid: 0 },
    content: Buffer.from("#!/bin/sh\n"),
  });
  expect(found.get("/etc/text")?.content.toString()).toBe("文字\n");
  expect(found.get("/bin/sh")?.header).toMatchObject({ type: "symlink", linkname: "/usr/bin/program" });
});

test("an archive names its images first, shares layers, and its ids are the digests of the configurations", async () => {
  const [base, top] = [join(folder, "base.tar"), join(folder, "top.tar")];
  await writeLayer(base, [{ path: "/base", text: "base" }]);
  await writeLayer(top, [{ path: "/top", text: "top" }]);
  const file = join(folder, "images.tar");
  const ids = await writeArchive(file, [
    { name: "registry.k8s.io/one", tag: "v1", layers: [base], command: ["/one"], labels: { what: "one" } },
    {
      name: "docker.io/kindest/two",
      tag: "v2",
      layers: [base, top],
      command: ["/two"],
      arguments: ["x"],
      environment: ["A=b"],
      stopSignal: "SIGRTMIN+3",
      labels: {},
    },
  ]);
  const found = await entries(file);
  expect([...found.keys()].slice(0, 2)).toEqual(["repositories", "manifest.json"]);
  expect(JSON.parse(found.get("repositories")?.content.toString() ?? "")).toEqual({
    "registry.k8s.io/one": { v1: ids[0]?.slice("sha256:".length) },
    "docker.io/kindest/two": { v2: ids[1]?.slice("sha256:".length) },
  });
  const manifest = JSON.parse(found.get("manifest.json")?.content.toString() ?? "") as {
    Config: string;
    RepoTags: string[];
    Layers: string[];
  }[];
  expect(manifest.map(({ RepoTags }) => RepoTags)).toEqual([["registry.k8s.io/one:v1"], ["docker.io/kindest/two:v2"]]);
  expect(manifest[0]?.Layers[0]).toBe(manifest[1]?.Layers[0]);
  for (const [index, { Config, Layers }] of manifest.entries()) {
    const config = found.get(Config)?.content ?? Buffer.of();
    expect(`sha256:${sha256(config)}`).toBe(ids[index]);
    const { rootfs } = JSON.parse(config.toString()) as { rootfs: { diff_ids: string[] } };
    expect(rootfs.diff_ids).toEqual(
      Layers.map((layer) => `sha256:${sha256(found.get(layer)?.content ?? Buffer.of())}`),
    );
  }
  expect(JSON.parse(found.get(manifest[1]?.Config ?? "")?.content.toString() ?? "")).toMatchObject({
    config: { Entrypoint: ["/two"], Cmd: ["x"], StopSignal: "SIGRTMIN+3" },
  });
});
