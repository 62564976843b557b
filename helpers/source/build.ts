import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Semaphore } from "async-mutex";
import { execa } from "execa";
import { type Engine, engineCommand, engineOutput } from "../engine/engine.ts";
import { acquireLock } from "../host/lock.ts";
import type { Say } from "../host/progress.ts";
import { type ArchivedImage, type LayerEntry, writeArchive, writeLayer } from "./archive.ts";
import { debianMirror, PrivateApt } from "./debian.ts";
import {
  type GoBuild,
  goConstant,
  goModulePart,
  goSourcePart,
  goVersion,
  memoryIsAmple,
  moduleSource,
  removeGoCaches,
} from "./go.ts";
import { type ImageLock, readImageLock } from "./image-lock.ts";
import { goPart, labels, licences, type Parts, programEntry, rootfsTar } from "./layers.ts";
import { baseName, kindSource, loadBase } from "./node-base.ts";
import { type Part, PartStore, type Provenance, requireDisk } from "./parts.ts";
import { type BuildRecipe, packagesOfDockerfile, type RootFs, readRecipe } from "./recipe.ts";
import { rootfsPart } from "./rootfs.ts";
import { type EngineTools, engineSuite } from "./tools.ts";

/** Go's module and build caches, the parts, and the image with the copies that its making needs. Measured: 13.8 GB. */
const diskForBuild = 18e9;
const diskForImage = 5e9;

/** What building needs of its surroundings. */
export interface Surroundings {
  readonly engine: Engine;
  readonly tools: EngineTools;
  readonly cache: string;
  readonly say: Say;
  readonly signal: AbortSignal;
}

/** Returns the name under which the node image of the present recipe is built: its tag changes with the recipe. */
export function builtNodeImage(lock: ImageLock): string {
  const { kubernetes, built } = lock.node;
  const key = createHash("sha256")
    .update(JSON.stringify([4, readRecipe(kubernetes)]))
    .digest("hex")
    .slice(0, 8);
  return `${built}:${kubernetes}-${key}`;
}

/**
 * Builds the node image from Go modules and Debian packages with `kind build node-image`, workload images included,
 * and returns its name. Parts that are there already are taken as they are.
 */
export async function buildNodeImage(lock: ImageLock, surroundings: Surroundings): Promise<string> {
  const { engine, cache, say, signal } = surroundings;
  using _ = await acquireLock(join(cache, "image.lock"), "build the node image", say, signal);
  const image = builtNodeImage(lock);
  if ((await engineOutput(engine, ["image", "ls", "--quiet", image])) !== "") return image;
  const recipe = readRecipe(lock.node.kubernetes);
  await removeOtherImages(engine, image);
  const parts = await makeParts(recipe, surroundings);
  requireDisk(cache, diskForImage, "the node image", say);
  const work = mkdtempSync(join(cache, "build-"));
  try {
    await assemble(image, lock, recipe, parts, work, surroundings);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
  // The node image holds its layers.
  await engineCommand(engine, ["image", "rm", "--force", baseName(image)]);
  removeGoCaches(cache);
  return image;
}

/**
 * Removes the images of other versions and of earlier recipes, but not the image lock's own: one further version is on disk at
 * a time, and is put together again from its parts in about a minute.
 */
async function removeOtherImages(engine: Engine, image: string): Promise<void> {
  const own = readImageLock();
  const reference = `reference=${own.node.built}:*`;
  const there = await engineOutput(engine, [
    "image",
    "ls",
    "--format",
    "{{.Repository}}:{{.Tag}}",
    "--filter",
    reference,
  ]);
  const others = there.split("\n").filter((name) => ![image, builtNodeImage(own), ""].includes(name));
  if (others.length > 0) await engineCommand(engine, ["image", "rm", "--force", ...others]);
}

/** Returns the `kind` program of the recipe's Go module, built where it is not there. */
export async function builtKind(
  version: string,
  cache: string,
  say: Say,
  signal: AbortSignal,
): Promise<{ program: string; provenance: string }> {
  const recipe = { module: "sigs.k8s.io/kind", version, programs: { kind: "." }, tags: [], ldflags: "" };
  const part = await goModulePart("kind", recipe, { cache, say, signal });
  return { program: join(part.folder, "bin", "kind"), provenance: part.provenance["kind"] ?? "" };
}

/** Returns a root file system's recipe with the packages of the Dockerfile that it names. */
async function withPackages(
  { packagesOf, ...rootfs }: RootFs,
  recipe: BuildRecipe,
  cache: string,
  signal: AbortSignal,
): Promise<RootFs> {
  if (packagesOf === undefined) return rootfs;
  const module = recipe.modules[packagesOf.module];
  if (module === undefined) throw new Error(`fixtures/images/recipe.yaml has no module ${packagesOf.module}`);
  const source = await moduleSource(module.module, module.version, cache, signal);
  const packages = packagesOfDockerfile(readFileSync(join(source, packagesOf.file), "utf8"));
  return { ...rootfs, packages: [...packages, ...rootfs.packages] };
}

/** Returns all parts of a recipe. What waits for a network or a disk is done beside what the processor is needed for. */
async function makeParts(recipe: BuildRecipe, { tools, cache, say, signal: interrupt }: Surroundings): Promise<Parts> {
  const store = new PartStore(cache);
  // Asked first: half an hour of other parts would be for nothing.
  await goVersion();
  const apt = new PrivateApt(join(cache, "apt"), await debianMirror(), [engineSuite]);
  const stop = new AbortController();
  const signal = AbortSignal.any([interrupt, stop.signal]);
  const count = [recipe.rootfs, recipe.modules, recipe.sources].flatMap(Object.keys).length;
  let begun = 0;
  let checked = false;
  const compiling = new Semaphore(memoryIsAmple() ? 2 : 1);
  const debian = new Semaphore(1);
  const part = (turns: Semaphore, name: string, make: (step: Say) => Promise<Part>) =>
    turns.runExclusive(async () => {
      signal.throwIfAborted();
      const place = ++begun;
      const made = await make((line) => {
        if (!checked) requireDisk(cache, diskForBuild, "building the node image's parts", say);
        checked = true;
        say(`part ${place} of ${count}: ${line}`);
      });
      return [name, made] as const;
    });
  const build = (step: Say): GoBuild => ({ cache, say: step, signal });
  // The small ones, which are the recipe's last, come first, so that an interrupted build leaves finished parts.
  const rootfs = Object.entries(recipe.rootfs)
    .toReversed()
    .map(([name, its]) =>
      part(debian, name, async (step) =>
        rootfsPart(
          name,
          await withPackages(its, recipe, cache, signal),
          recipe.debianSuite,
          tools,
          store,
          step,
          signal,
        ),
      ),
    );
  const go = [
    ...Object.entries(recipe.modules).map(([name, module]) =>
      part(compiling, name, (step) => goModulePart(name, module, build(step))),
    ),
    ...Object.entries(recipe.sources).map(([name, source]) =>
      part(compiling, name, (step) => goSourcePart(name, source, recipe.debianSuite, apt, build(step))),
    ),
  ];
  try {
    const made = await Promise.all([Promise.all(rootfs), Promise.all(go)]);
    return { rootfs: Object.fromEntries(made[0]), go: Object.fromEntries(made[1]) };
  } finally {
    // Nothing is compiled or unpacked any more, when this is left.
    stop.abort(new Error("another part of the node image could not be made"));
    await Promise.allSettled([...rootfs, ...go]);
  }
}

async function assemble(
  image: string,
  lock: ImageLock,
  recipe: BuildRecipe,
  parts: Parts,
  work: string,
  { engine, tools, cache, say, signal }: Surroundings,
): Promise<void> {
  say("putting the images together");
  const names = await imageNames(lock, recipe, parts, { cache, signal });
  const images = new Map<string, ArchivedImage>();
  for (const [key, spec] of Object.entries(recipe.images)) {
    const reference = names.get(key);
    if (reference === undefined)
      throw new Error(`image ${key} of the recipe has no name: neither kubeadm, kind nor the image lock asks for it`);
    const colon = reference.lastIndexOf(":");
    const used = Object.keys(spec.programs);
    const layer = join(work, `${key}.layer.tar`);
    await writeLayer(layer, [
      ...Object.entries(spec.programs).flatMap(([part, programs]) =>
        programs.map((program) => programEntry(goPart(parts, part), program, "/usr/local/bin")),
      ),
      ...used.flatMap((part) => licences(goPart(parts, part), part)),
    ]);
    images.set(key, {
      name: reference.slice(0, colon),
      tag: reference.slice(colon + 1),
      layers: [
        ...(spec.rootfs === undefined ? [] : [rootfsTar(parts, spec.rootfs)]),
        ...(used.length === 0 ? [] : [layer]),
      ],
      command: spec.command,
      arguments: spec.arguments,
      labels: { [labels.provenance]: JSON.stringify(provenanceOf(parts, used, spec.rootfs)) },
    });
  }
  const bin = join(work, "kubernetes", "server", "bin");
  await execa`mkdir -p ${bin}`;
  const separate = ["kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy"];
  const rest = [...images.keys()].filter((key) => !separate.includes(key));
  const ids = new Map<string, string>();
  for (const key of separate) {
    // kind looks for four archives and takes all tags of each: everything else rides in the first.
    const inside = key === "kube-apiserver" ? [key, ...rest] : [key];
    const written = await writeArchive(
      join(bin, `${key}.tar`),
      inside.map((name) => images.get(name) as ArchivedImage),
    );
    for (const [index, name] of inside.entries()) ids.set(name, written[index] as string);
  }
  const kubernetes = goPart(parts, "kubernetes");
  for (const program of ["kubeadm", "kubelet", "kubectl"])
    await execa`cp ${join(kubernetes.folder, "bin", program)} ${bin}`;
  writeFileSync(join(work, "kubernetes", "version"), lock.node.kubernetes);
  await execa({
    cwd: work,
    cancelSignal: signal,
  })`tar --use-compress-program ${"gzip -1"} -cf server.tar.gz kubernetes`;
  await execa`rm -r ${join(work, "kubernetes")}`;
  const workloads = Object.fromEntries(
    Object.keys(lock.workloads).map((name) => [name, { reference: names.get(name), id: ids.get(name) }]),
  );
  await loadBase(image, recipe, parts, workloads, work, { engine, cache, signal });
  say("kind build node-image");
  const result = await execa(
    join(goPart(parts, "kind").folder, "bin", "kind"),
    [
      "build",
      "node-image",
      "--type",
      "file",
      join(work, "server.tar.gz"),
      "--base-image",
      baseName(image),
      "--image",
      image,
    ],
    {
      env: { ...engine.environment, PATH: engine.environment["PATH"] ?? tools.path, TMPDIR: work },
      cancelSignal: signal,
      reject: false,
      stdin: "ignore",
    },
  );
  signal.throwIfAborted();
  if (result.failed)
    throw new Error(`kind build node-image failed:\n${result.stderr.split("\n").slice(-8).join("\n")}`);
}

/**
 * Builds a workload image that no registry has from its Go module, for an engine that pulls the others, and returns its name.
 * The recipe's image has no root file system, so it takes Go alone.
 *
 * @throws UserError where Go is missing
 */
export async function buildWorkload(
  name: string,
  lock: ImageLock,
  { engine, cache, say, signal }: Omit<Surroundings, "tools">,
): Promise<string> {
  const { kubernetes } = lock.node;
  const recipe = readRecipe(kubernetes);
  const spec = recipe.images[name];
  const target = lock.workloads[name]?.built;
  if (spec === undefined || spec.rootfs !== undefined || target === undefined)
    throw new Error(`fixtures/images/recipe.yaml has no image ${name} of programs alone`);
  using _ = await acquireLock(join(cache, "image.lock"), `build ${name}`, say, signal);
  const work = mkdtempSync(join(cache, "build-"));
  try {
    const layer = join(work, "layer.tar");
    const entries: LayerEntry[] = [];
    let provenance: Provenance = {};
    for (const [part, programs] of Object.entries(spec.programs)) {
      const module = recipe.modules[part];
      if (module === undefined) throw new Error(`fixtures/images/recipe.yaml has no module ${part}`);
      const made = await goModulePart(part, module, { cache, say, signal });
      entries.push(
        ...programs.map((program) => programEntry(made, program, "/usr/local/bin")),
        ...licences(made, part),
      );
      provenance = { ...provenance, ...made.provenance };
    }
    removeGoCaches(cache);
    await writeLayer(layer, entries);
    const archive = join(work, `${name}.tar`);
    const { command, arguments: words } = spec;
    const labelled = { [labels.provenance]: JSON.stringify(provenance) };
    await writeArchive(archive, [
      { name: target, tag: kubernetes, layers: [layer], command, arguments: words, labels: labelled },
    ]);
    await engineOutput(engine, ["load", "--input", archive], { signal });
    return `${target}:${kubernetes}`;
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** The names that kubeadm, the node's containerd, kind's manifests and the image lock ask for, by the recipe's keys. */
async function imageNames(
  lock: ImageLock,
  recipe: BuildRecipe,
  parts: Parts,
  { cache, signal }: Pick<Surroundings, "cache" | "signal">,
): Promise<Map<string, string>> {
  const kubeadm = join(goPart(parts, "kubernetes").folder, "bin", "kubeadm");
  const { stdout } = await execa`${kubeadm} config images list --kubernetes-version ${lock.node.kubernetes}`;
  const source = await kindSource(recipe, cache, signal);
  const constants = join(source, "pkg", "build", "nodeimage");
  const sandbox = /sandbox_image = "([^"]+)"/.exec(
    readFileSync(join(source, "images", "base", "files", "etc", "containerd", "config.toml"), "utf8"),
  )?.[1];
  if (sandbox === undefined) throw new Error("the base image's containerd configuration names no sandbox image");
  const required = stdout.split("\n").filter((reference) => !reference.includes("/pause:"));
  return new Map([
    ...required.map((reference): [string, string] => [
      (reference.split("/").at(-1) ?? "").split(":")[0] ?? "",
      reference,
    ]),
    ["pause", sandbox],
    ["kindnetd", goConstant(join(constants, "const_cni.go"), "kindnetdImage")],
    ["local-path-provisioner", goConstant(join(constants, "const_storage.go"), "storageProvisionerImage")],
    ["local-path-helper", goConstant(join(constants, "const_storage.go"), "storageHelperImage")],
    ...Object.entries(lock.workloads).map(([name, { built }]): [string, string] => [
      name,
      `${built}:${lock.node.kubernetes}`,
    ]),
  ]);
}

function provenanceOf(parts: Parts, go: readonly string[], rootfs: string | undefined): Provenance {
  return Object.assign(
    {},
    ...go.map((name) => goPart(parts, name).provenance),
    rootfs === undefined ? {} : parts.rootfs[rootfs]?.provenance,
  ) as Provenance;
}
