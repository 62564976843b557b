import { rmSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { acquireLock } from "../host/lock.ts";
import { type LayerEntry, writeArchive, writeLayer } from "./archive.ts";
import type { Surroundings } from "./build.ts";
import { goModulePart, removeGoCaches } from "./go.ts";
import { labels, licences, programEntry } from "./layers.ts";
import { PartStore } from "./parts.ts";
import { readConformanceRecipe, readRecipe } from "./recipe.ts";
import { rootfsPart } from "./rootfs.ts";

/** Kubernetes' own conformance tests, ready to run. */
export interface ConformanceTests {
  /** The program of the tests. */
  readonly program: string;
  /** The archive with what stands for their images. */
  readonly archive: string;
  /** Part -> what it really is. */
  readonly provenance: Readonly<Record<string, string>>;
}

/**
 * Builds the program of a Kubernetes version's conformance tests from its module, and an archive in `folder` with images under the names
 * that the program asks for. Parts that are there already are taken as they are.
 *
 * @throws UserError where Go is missing; Error where a part cannot be built
 */
export async function buildConformanceTests(
  kubernetes: string,
  folder: string,
  { tools, cache, say, signal }: Omit<Surroundings, "engine">,
): Promise<ConformanceTests> {
  const recipe = readConformanceRecipe(kubernetes);
  const { modules, debianSuite } = readRecipe(kubernetes);
  const agnhostOf = modules["kubernetes"];
  if (agnhostOf === undefined) throw new Error("fixtures/images/recipe.yaml has no module kubernetes");
  using _ = await acquireLock(join(cache, "image.lock"), "build the conformance tests", say, signal);
  const tests = await goModulePart("conformance-tests", recipe.tests, { cache, say, signal });
  const programs = await goModulePart("kubernetes", agnhostOf, { cache, say, signal });
  const rootfs = await rootfsPart(
    "conformance-tests",
    recipe.rootfs,
    debianSuite,
    tools,
    new PartStore(cache),
    say,
    signal,
  );
  removeGoCaches(cache);
  const program = join(tests.folder, "bin", "e2e.test");
  const { stdout } = await execa(program, ["--list-images"], { cancelSignal: signal, stdin: "ignore" });
  const layer = join(folder, "conformance.layer.tar");
  await writeLayer(layer, [
    programEntry(programs, "agnhost", ""),
    { path: "/agnhost-2", link: "agnhost" },
    ...(recipe.tests.files ?? []).map(
      (file): LayerEntry => ({ path: `/${file.split("/").at(-1)}`, source: join(tests.folder, "files", file) }),
    ),
    ...licences(programs, "kubernetes"),
  ]);
  const provenance = { ...tests.provenance, ...programs.provenance, ...rootfs.provenance };
  const archive = join(folder, "conformance.tar");
  await writeArchive(
    archive,
    recipe.images.flatMap((image) => {
      // The program names older ones too, in any order.
      const references = stdout.split("\n").filter((line) => line.includes(`/${image}:`));
      if (references.length === 0) throw new Error(`the conformance tests of ${kubernetes} name no image ${image}`);
      return references.map((reference) => {
        const [name = "", tag = ""] = reference.trim().split(/:(?=[^:]+$)/);
        return {
          ...{ name, tag, command: ["/agnhost"], arguments: ["pause"] },
          layers: [join(rootfs.folder, "rootfs.tar"), layer],
          labels: { [labels.provenance]: JSON.stringify(provenance) },
        };
      });
    }),
  );
  rmSync(layer);
  return { program, archive, provenance };
}
