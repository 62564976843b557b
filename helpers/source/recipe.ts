import { readFileSync } from "node:fs";
import semver, { SemVer } from "semver";
import { parse } from "yaml";
import { z } from "zod";

const file = new URL("../../fixtures/images/recipe.yaml", import.meta.url);
const cniFile = new URL("../../fixtures/images/cni.yaml", import.meta.url);
const conformanceFile = new URL("../../fixtures/images/conformance.yaml", import.meta.url);

const programs = z.record(z.string(), z.string());

const GoModule = z.strictObject({
  module: z.string(),
  version: z.string(),
  programs: programs.describe("program -> package below the module"),
  test: z.boolean().optional().describe("the program is that of the package's tests"),
  tags: z.array(z.string()),
  ldflags: z.string(),
  replace: z.record(z.string(), z.string()).optional().describe("required module -> the version to take instead"),
  cgo: z.boolean().optional().describe("it has parts in C, which need a C compiler"),
  files: z.array(z.string()).optional().describe("files of the module that are kept beside the programs"),
});
/** What of a module is otherwise for other versions of Kubernetes; all that fit count, the later before the earlier. */
const Otherwise = GoModule.partial().extend({ kubernetes: z.string().describe("range of versions") });
/** Programs to build from a published Go module. */
export type GoModule = z.infer<typeof GoModule>;

const GoSource = z.strictObject({ package: z.string(), folder: z.string(), programs });
/** Programs to build from a folder of a Debian source package. */
export type GoSource = z.infer<typeof GoSource>;

const RootFs = z.strictObject({
  installed: z.boolean(),
  packages: z.array(z.string()).min(1),
  packagesOf: z
    .strictObject({ module: z.string(), file: z.string() })
    .optional()
    .describe("a Dockerfile of one of the modules, whose packages are taken too"),
  hooks: z.array(z.string()),
});
/** A root file system of Debian packages. */
export type RootFs = z.infer<typeof RootFs>;

// An image inside the node image: a root file system, programs on top, and what it runs.
const Image = z.strictObject({
  rootfs: z.string().optional(),
  programs: z.record(z.string(), z.array(z.string())).default({}),
  command: z.array(z.string()).default([]),
  arguments: z.array(z.string()).default([]),
});

const WrittenModule = GoModule.extend({
  tags: GoModule.shape.tags.default([]),
  ldflags: GoModule.shape.ldflags.default(""),
});
const Modules = z.record(z.string(), WrittenModule.extend({ otherwise: z.array(Otherwise).default([]) }));

const BuildRecipe = z.strictObject({
  debianSuite: z.string(),
  modules: z.record(z.string(), GoModule),
  sources: z.record(z.string(), GoSource),
  rootfs: z.record(z.string(), RootFs),
  images: z.record(z.string(), Image),
});
/** Everything that is built for a node image; see fixtures/images/recipe.yaml. */
export type BuildRecipe = z.infer<typeof BuildRecipe>;

/** Returns the build recipe for a Kubernetes version such as `v1.37.0`. */
export function readRecipe(kubernetes: string): BuildRecipe {
  const version = new SemVer(kubernetes);
  const { modules, ...rest } = parse(withVersion(readFileSync(file, "utf8"), version)) as { modules: unknown };
  const fitting = Object.entries(Modules.parse(modules)).map(([name, { otherwise, ...module }]) => {
    const changes = otherwise.filter((each) => semver.satisfies(version, each.kubernetes));
    const { kubernetes: _, ...changed } = Object.assign({}, module, ...changes) as z.infer<typeof Otherwise>;
    return [name, changed] as const;
  });
  return BuildRecipe.parse({ ...rest, modules: Object.fromEntries(fitting) });
}

function withVersion(text: string, { version, major, minor }: SemVer): string {
  return text
    .replaceAll("${kubernetes}", `v${version}`)
    .replaceAll("${major}", String(major))
    .replaceAll("${minor}", String(minor));
}

const ConformanceRecipe = z.strictObject({ tests: WrittenModule, rootfs: RootFs, images: z.array(z.string()).min(1) });
/** What it takes to run Kubernetes' own conformance tests; see fixtures/images/conformance.yaml. */
export type ConformanceRecipe = z.infer<typeof ConformanceRecipe>;

/** Returns what it takes to run the conformance tests of a Kubernetes version such as `v1.37.0`. */
export function readConformanceRecipe(kubernetes: string): ConformanceRecipe {
  return ConformanceRecipe.parse(parse(withVersion(readFileSync(conformanceFile, "utf8"), new SemVer(kubernetes))));
}

const CniRecipe = z.strictObject({
  image: z.string(),
  published: z.array(z.string()).min(1),
  modules: z.record(z.string(), WrittenModule),
  rootfs: z.string(),
  folders: z.record(z.string(), z.string()),
  manifest: z.strictObject({ part: z.string(), file: z.string() }),
  arguments: z.record(z.string(), z.array(z.string())).default({}),
});
/** What is built for a CNI plugin other than kind's own; see fixtures/images/cni.yaml. */
export type CniRecipe = z.infer<typeof CniRecipe>;

/** Returns what is built for the CNI plugin of that name. @throws RangeError for an unknown one */
export function readCniRecipe(name: string): CniRecipe {
  const recipe = z.record(z.string(), CniRecipe).parse(parse(readFileSync(cniFile, "utf8")))[name];
  if (recipe === undefined) throw new RangeError(`fixtures/images/cni.yaml has no ${name}`);
  return recipe;
}

/**
 * Returns the Debian packages that the first stage of a Dockerfile installs by kind's own `clean-install`.
 *
 * @throws Error where it has none
 */
export function packagesOfDockerfile(text: string): string[] {
  const [, first = ""] = text.split(/^FROM .*$/m);
  const [, command = ""] = /clean-install((?:\\\n|[^&\n])*)/.exec(first) ?? [];
  const packages = command.replaceAll("\\\n", " ").split(/\s+/).filter(Boolean);
  if (packages.length === 0) throw new Error("the Dockerfile's first stage installs no packages by clean-install");
  return packages;
}
