import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseAllDocuments, stringify } from "yaml";
import { acquireLock } from "../host/lock.ts";
import { writeArchive, writeLayer } from "./archive.ts";
import type { Surroundings } from "./build.ts";
import { goModulePart, goVersion, removeGoCaches } from "./go.ts";
import { labels, licences, programEntry } from "./layers.ts";
import { type Part, PartStore, type Provenance } from "./parts.ts";
import { type CniRecipe, readCniRecipe, readRecipe } from "./recipe.ts";
import { rootfsPart } from "./rootfs.ts";

/** A CNI plugin that is there to be installed in a cluster. */
export interface CniPlugin {
  readonly name: string;
  /** The archive with its image. */
  readonly archive: string;
  /** The plugin's own, with that image in it. */
  readonly manifest: string;
  readonly provenance: Provenance;
}

/**
 * Builds a CNI plugin's image of fixtures/images/cni.yaml as an archive in `folder`, and returns it with the plugin's own
 * manifest, in which the image stands for the published ones. Parts that are there already are taken as they are.
 *
 * @throws UserError where Go or a C compiler is missing; RangeError for an unknown name; Error where a part cannot be built, or
 *   the manifest names an image that nothing stands for
 */
export async function buildCniPlugin(
  name: string,
  kubernetes: string,
  folder: string,
  { tools, cache, say, signal }: Omit<Surroundings, "engine">,
): Promise<CniPlugin> {
  const recipe = readCniRecipe(name);
  const store = new PartStore(cache);
  // Asked first: a root file system would be for nothing.
  await goVersion();
  using _ = await acquireLock(join(cache, "image.lock"), `build ${name}`, say, signal);
  const { rootfs, debianSuite } = readRecipe(kubernetes);
  const base = rootfs[recipe.rootfs];
  if (base === undefined) throw new Error(`fixtures/images/recipe.yaml has no root file system ${recipe.rootfs}`);
  const rootfsOf = await rootfsPart(recipe.rootfs, base, debianSuite, tools, store, say, signal);
  const parts: Record<string, Part> = {};
  for (const [part, module] of Object.entries(recipe.modules))
    parts[part] = await goModulePart(part, module, { cache, say, signal });
  removeGoCaches(cache);
  const [layer, archive] = [join(folder, `${name}.layer.tar`), join(folder, `${name}.tar`)];
  await writeLayer(
    layer,
    Object.entries(parts).flatMap(([part, made]) => [
      ...Object.keys(recipe.modules[part]?.programs ?? {}).map((program) =>
        programEntry(made, program, recipe.folders[program] ?? ""),
      ),
      ...licences(made, part),
    ]),
  );
  const provenance = Object.assign({}, ...Object.values(parts).map((part) => part.provenance)) as Provenance;
  const [image = "", tag = ""] = recipe.image.split(/:(?=[^:]+$)/);
  await writeArchive(archive, [
    {
      ...{ name: image, tag, command: [] },
      layers: [join(rootfsOf.folder, "rootfs.tar"), layer],
      labels: { [labels.provenance]: JSON.stringify({ ...provenance, ...rootfsOf.provenance }) },
    },
  ]);
  rmSync(layer);
  const made = parts[recipe.manifest.part];
  if (made === undefined) throw new Error(`fixtures/images/cni.yaml: ${name} has no module ${recipe.manifest.part}`);
  const manifest = readFileSync(join(made.folder, "files", recipe.manifest.file), "utf8");
  return { name, archive, manifest: adaptManifest(manifest, recipe), provenance };
}

interface Templated {
  readonly spec?: {
    readonly template?: { readonly spec?: Readonly<Record<"initContainers" | "containers", Container[]>> };
  };
}
interface Container {
  readonly name: string;
  image: string;
  args?: readonly string[];
}

/** Returns a manifest with the image that was built in the place of those that it names. @throws Error where it names another */
export function adaptManifest(
  manifest: string,
  { image, published, arguments: others }: Pick<CniRecipe, "image" | "published" | "arguments">,
): string {
  const objects = parseAllDocuments(manifest)
    .map((document) => document.toJS() as Templated | null)
    .filter((object) => object !== null);
  for (const { spec } of objects)
    for (const container of [spec?.template?.spec?.initContainers, spec?.template?.spec?.containers].flat()) {
      if (container === undefined) continue;
      if (!published.includes(container.image))
        throw new Error(
          `the manifest's container ${container.name} is of ${container.image}, and nobody said what stands for it`,
        );
      container.image = image;
      container.args = others[container.name] ?? container.args ?? [];
    }
  return objects.map((object) => stringify(object)).join("---\n");
}
