import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import semver from "semver";
import { type CommandOptions, type Engine, engineCommand, engineOutput, removeContainers } from "../engine/engine.ts";
import { lastLine } from "../host/command.ts";
import { UserError } from "../host/errors.ts";
import type { Say } from "../host/progress.ts";
import { buildNodeImage, buildWorkload, builtNodeImage } from "./build.ts";
import { type ImageLock, splitReference } from "./image-lock.ts";
import { labels } from "./layers.ts";
import { PartStore } from "./parts.ts";
import { type EngineTools, engineTools } from "./tools.ts";

/** A workload image as a pod names it. */
interface WorkloadImage {
  readonly reference: string;
  /** Digest of its configuration, which a node reports as the image's id; unknown for one that is loaded. */
  readonly id: string | undefined;
}

/** The node image of a run. */
export interface NodeImage {
  readonly reference: string;
  readonly origin: "given" | "present" | "pulled" | "built";
  /** By the names of the image lock. */
  readonly workloads: Readonly<Record<string, WorkloadImage>>;
  /** Whether the nodes have the workload images already; they are loaded otherwise. */
  readonly carriesWorkloads: boolean;
  /** Part of the image -> what it really is. */
  readonly provenance: Readonly<Record<string, string>>;
}

/** Where and how a node image may be had. */
export interface NodeImageSearch {
  readonly lock: ImageLock;
  readonly engine: Engine;
  /** There already for the private engine. */
  readonly tools: EngineTools | undefined;
  readonly cache: string;
  readonly install: "auto" | "never";
  /** The one that the user gave. */
  readonly given: string | undefined;
  readonly say: Say;
  readonly signal: AbortSignal;
}

/**
 * Returns the node image: the one given, else one that the engine has, else the published one pulled by its digest,
 * else one built here.
 *
 * @throws UserError where the given one is neither in the engine nor to be pulled, and where none can be built
 */
export async function findNodeImage(search: NodeImageSearch): Promise<NodeImage> {
  const { lock, engine, given, say } = search;
  if (given !== undefined) {
    if (!(await isPresent(engine, given)) && !(await pull(search, given)).ok)
      throw new UserError(
        `KNC_NODE_IMAGE=${given} is not in the engine and cannot be pulled`,
        "correct or unset KNC_NODE_IMAGE",
      );
    return describe(search, given, "given");
  }
  const built = builtNodeImage(lock);
  const { published } = lock.node;
  for (const reference of published === undefined ? [built] : [published, built])
    if (await isPresent(engine, reference)) return describe(search, reference, "present");
  let what = `no registry has a node image of ${lock.node.kubernetes}`;
  // The private engine has no uplink, so there is nothing that it could pull from.
  if (engine.owner === "user" && published !== undefined) {
    const pulled = await pull(search, published);
    if (pulled.ok) return describe(search, published, "pulled");
    say(`${published} cannot be pulled (${pulled.reason}); building one`);
    what = `the node image ${published} cannot be pulled (${pulled.reason})`;
  }
  const lack = { what, remedy: "check the network, or name another image in KNC_NODE_IMAGE" };
  const { cache, install, signal } = search;
  const tools = search.tools ?? (await engineTools(new PartStore(cache), cache, install, say, signal, lack));
  return describe(search, await buildNodeImage(lock, { ...search, tools }), "built");
}

/** What it takes to load images into nodes. */
interface Loading {
  readonly cache: string;
  readonly load: (archive: string) => Promise<void>;
  readonly say: Say;
  readonly signal: AbortSignal;
  /** Of a container that is made for it, by which it is found if this process ends before it is removed. */
  readonly label: string;
}

/** Loads the workload images into a cluster's nodes, from the engine or from the node image that carries them. */
export async function loadWorkloads(
  image: NodeImage,
  engine: Engine,
  { cache, load, say, signal, label }: Loading,
): Promise<void> {
  const folder = mkdtempSync(join(cache, "load-"));
  try {
    if (image.carriesWorkloads) {
      say(`loading the images that ${image.reference} carries`);
      const archive = join(folder, "carried.tar");
      const references = Object.values(image.workloads).map(({ reference }) => reference);
      await saveCarried(image.reference, references, engine, archive, { signal, label });
      await load(archive);
      return;
    }
    // Without --platform, an engine with containerd's image store saves an index whose other platforms it lacks, and
    // nodes refuse to import it (kind#3795); older engines do not know the option and do not need it.
    const platform =
      engine.cli === "docker" && semver.gte(semver.coerce(engine.version) ?? "0.0.0", "28.0.0")
        ? ["--platform", `linux/${process.arch === "x64" ? "amd64" : process.arch}`]
        : [];
    for (const [name, { reference }] of Object.entries(image.workloads)) {
      say(`loading ${reference}`);
      const archive = join(folder, `${name}.tar`);
      // Not by --output: a client may be confined to other folders than the cache, as Docker's snap is.
      await engineOutput(engine, ["image", "save", ...platform, reference], { signal, outputFile: archive });
      await load(archive);
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Saves the workload images that a node image carries: what it has in its containerd, which is started in a container for that. */
export async function saveCarried(
  nodeImage: string,
  images: readonly string[],
  engine: Engine,
  archive: string,
  { signal, label }: Pick<Loading, "signal" | "label">,
): Promise<void> {
  const script =
    'containerd >/dev/null 2>&1 & until ctr version >/dev/null 2>&1; do sleep 0.1; done; ctr --namespace k8s.io images export /carried.tar "$@"';
  const words = ["run", "--detach", "--label", label, "--privileged", "--entrypoint", "sleep", nodeImage, "infinity"];
  const container = (await engineOutput(engine, words, { signal })).trim();
  try {
    await engineOutput(engine, ["exec", container, "sh", "-c", script, "sh", ...images], { signal, timeout: 120_000 });
    // Not by a path: a client may be confined to other folders than the cache.
    await engineOutput(engine, ["exec", container, "cat", "/carried.tar"], { signal, outputFile: archive });
  } finally {
    await removeContainers(engine, [container]);
  }
}

async function describe(search: NodeImageSearch, reference: string, origin: NodeImage["origin"]): Promise<NodeImage> {
  const { engine, lock } = search;
  const [image] = JSON.parse(await engineOutput(engine, ["image", "inspect", reference])) as [
    { Id: string; Config: { Labels?: Record<string, string> | null } },
  ];
  const label = (name: string): unknown => JSON.parse(image.Config.Labels?.[name] ?? "null");
  const baked = label(labels.workloads) as Record<string, WorkloadImage> | null;
  const provenance = label(labels.provenance) as Record<string, string> | null;
  const workloads = baked ?? (await pullWorkloads(search));
  const missing = Object.entries(lock.workloads).find(
    ([name, { published }]) => workloads[name] === undefined && (baked !== null || published !== undefined),
  )?.[0];
  if (missing !== undefined)
    throw new UserError(`${reference} carries no workload image ${missing}`, "build it anew with the present recipe");
  return {
    reference,
    origin,
    workloads,
    carriesWorkloads: baked !== null,
    provenance: {
      "node image": `${reference} (${image.Id}), ${origin}`,
      ...(provenance ?? { "node parts": "as published in the node image" }),
    },
  };
}

async function pullWorkloads(search: NodeImageSearch): Promise<Record<string, WorkloadImage>> {
  const { engine, lock } = search;
  const workloads: Record<string, WorkloadImage> = {};
  for (const [name, { published }] of Object.entries(lock.workloads)) {
    if (published === undefined) {
      const built = await buildWorkload(name, lock, search).catch((error: unknown) => {
        if (!(error instanceof UserError)) throw error;
        search.say(`without ${name}: ${error.message}`);
      });
      if (built !== undefined) workloads[name] = { reference: built, id: undefined };
      continue;
    }
    const { tagged } = splitReference(published);
    if (!(await isPresent(engine, published))) {
      const pulled = await pull(search, published);
      if (!pulled.ok)
        throw new UserError(
          `the workload image ${published} cannot be pulled: ${pulled.reason}`,
          "check the network, or name a registry that can be reached in KNC_IMAGE_LOCK",
        );
    }
    await engineOutput(engine, ["tag", published, tagged]);
    workloads[name] = { reference: tagged, id: undefined };
  }
  return workloads;
}

async function isPresent(engine: Engine, reference: string): Promise<boolean> {
  return !(await engineCommand(engine, ["image", "inspect", reference])).failed;
}

async function pull(
  { engine, say, signal }: NodeImageSearch,
  reference: string,
): Promise<{ ok: boolean; reason: string }> {
  if (engine.owner === "suite") return { ok: false, reason: "the private engine has no uplink" };
  say(`pulling ${reference}`);
  const options: CommandOptions = { signal };
  const result = await engineCommand(engine, ["pull", "--quiet", reference], options);
  return { ok: !result.failed, reason: lastLine(result.stderr) };
}
