import { createHash } from "node:crypto";
import { once } from "node:events";
import { createReadStream, createWriteStream, readFileSync, statSync } from "node:fs";
import { finished, pipeline } from "node:stream/promises";
import { type Header, type Pack, pack } from "tar-stream";

/** A file, folder or link to put into a layer; `source` is a path on this machine. */
export type LayerEntry = { readonly path: string; readonly mode?: number } & (
  | { readonly source: string }
  | { readonly text: string }
  | { readonly link: string }
  | { readonly folder: true }
);

/** An image to be written: layers from the lowest to the highest, each a tar file. */
export interface ArchivedImage {
  readonly name: string;
  readonly tag: string;
  readonly layers: readonly string[];
  readonly command: readonly string[];
  readonly arguments?: readonly string[];
  readonly environment?: readonly string[];
  readonly stopSignal?: string;
  readonly labels: Readonly<Record<string, string>>;
}

const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/opt/cni/bin";

/** Writes a layer: a tar file whose content depends on its entries alone. */
export async function writeLayer(file: string, entries: readonly LayerEntry[]): Promise<void> {
  await writeTar(file, async (tar) => {
    for (const entry of entries) {
      const header = { name: entry.path, mtime: new Date(0), uid: 0, gid: 0 };
      if ("folder" in entry) await add(tar, { ...header, type: "directory", mode: entry.mode ?? 0o755 });
      else if ("link" in entry) await add(tar, { ...header, type: "symlink", linkname: entry.link });
      else if ("text" in entry) await add(tar, { ...header, mode: entry.mode ?? 0o644 }, Buffer.from(entry.text));
      else await addFile(tar, { ...header, mode: entry.mode ?? 0o644 }, entry.source);
    }
  });
}

/**
 * Writes images as one archive that `docker load` and `ctr images import` read (Docker image specification v1.2).
 *
 * `repositories` comes first and names every image: kind takes an archive's tags from the first list it meets, and
 * from manifest.json only its first image.
 *
 * @returns the images' ids (`sha256:…`, the digest of the configuration), in the order given
 */
export async function writeArchive(file: string, images: readonly ArchivedImage[]): Promise<string[]> {
  const digests = new Map<string, string>();
  for (const layer of new Set(images.flatMap(({ layers }) => layers))) digests.set(layer, await sha256(layer));
  const digestOf = (layer: string) => digests.get(layer) as string;
  const configured = images.map((image) => {
    const config = JSON.stringify(configOf(image, image.layers.map(digestOf)));
    return { ...image, config, id: createHash("sha256").update(config).digest("hex") };
  });
  const repositories: Record<string, Record<string, string>> = {};
  for (const { name, tag, id } of configured) repositories[name] = { ...repositories[name], [tag]: id };
  const manifest = configured.map(({ name, tag, id, layers }) => ({
    Config: `${id}.json`,
    RepoTags: [`${name}:${tag}`],
    Layers: layers.map((layer) => `${digestOf(layer)}.tar`),
  }));
  await writeTar(file, async (tar) => {
    await add(tar, { name: "repositories" }, Buffer.from(JSON.stringify(repositories)));
    await add(tar, { name: "manifest.json" }, Buffer.from(JSON.stringify(manifest)));
    for (const { id, config } of configured) await add(tar, { name: `${id}.json` }, Buffer.from(config));
    for (const [layer, digest] of digests) await addFile(tar, { name: `${digest}.tar` }, layer);
  });
  return configured.map(({ id }) => `sha256:${id}`);
}

function configOf(image: ArchivedImage, layers: readonly string[]): object {
  return {
    architecture: process.arch === "arm64" ? "arm64" : "amd64",
    os: "linux",
    created: new Date(0).toISOString(),
    config: {
      Env: [path, ...(image.environment ?? [])],
      Entrypoint: image.command,
      ...(image.arguments === undefined || image.arguments.length === 0 ? {} : { Cmd: image.arguments }),
      ...(image.stopSignal === undefined ? {} : { StopSignal: image.stopSignal }),
      Labels: image.labels,
    },
    rootfs: { type: "layers", diff_ids: layers.map((digest) => `sha256:${digest}`) },
    history: layers.map(() => ({ created: new Date(0).toISOString(), created_by: "kind-network-conformance" })),
  };
}

async function writeTar(file: string, fill: (tar: Pack) => Promise<void>): Promise<void> {
  const tar = pack();
  const output = createWriteStream(file);
  tar.pipe(output);
  await fill(tar);
  tar.finalize();
  await finished(output);
}

async function add(tar: Pack, header: Partial<Header> & { name: string }, content?: Buffer): Promise<void> {
  const entry = tar.entry({ ...header, size: content?.length ?? 0 });
  entry.end(content);
  await once(entry, "finish");
}

async function addFile(tar: Pack, header: Partial<Header> & { name: string }, source: string): Promise<void> {
  const { size } = statSync(source);
  // A tar entry of no bytes ends as soon as it is made: a stream piped into it would never finish.
  if (size === 0) return add(tar, header, readFileSync(source));
  await pipeline(createReadStream(source), tar.entry({ ...header, size }));
}

async function sha256(file: string): Promise<string> {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file), hash);
  return hash.digest("hex");
}
