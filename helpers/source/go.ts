import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import semver from "semver";
import { z } from "zod";
import { lastLine } from "../host/command.ts";
import { UserError } from "../host/errors.ts";
import type { Say } from "../host/progress.ts";
import { PrivateApt } from "./debian.ts";
import { type Part, PartStore } from "./parts.ts";
import type { GoModule, GoSource } from "./recipe.ts";

const oldestGo = "1.26.0";
const progressEveryMs = 10_000;
const reachProxy = "check that this machine reaches its Go module proxy (go env GOPROXY)";

const Downloaded = z.object({ Dir: z.string(), GoMod: z.string(), Version: z.string(), Sum: z.string() });
const ModFile = z.object({
  Go: z.string(),
  Godebug: z.array(z.object({ Key: z.string(), Value: z.string() })).nullish(),
  Require: z.array(z.object({ Path: z.string(), Version: z.string() })).nullish(),
  Replace: z
    .array(
      z.object({
        Old: z.object({ Path: z.string() }),
        New: z.object({ Path: z.string(), Version: z.string().optional() }),
      }),
    )
    .nullish(),
});

/** Options that every Go build shares. */
export interface GoBuild {
  readonly cache: string;
  readonly say: Say;
  readonly signal: AbortSignal;
}

/** Returns the version of the Go tools. @throws UserError where they are missing or too old to build the parts */
export async function goVersion(): Promise<string> {
  const result = await execa("go", ["env", "GOVERSION"], { reject: false });
  if (result.failed)
    throw new UserError(
      "building what cannot be pulled needs Go, which is not on PATH",
      `install Go ${oldestGo} or later`,
    );
  const version = semver.coerce(result.stdout);
  if (version === null || semver.lt(version, oldestGo))
    throw new UserError(`${result.stdout} is too old to build the node image`, `install Go ${oldestGo} or later`);
  return result.stdout;
}

/** Go itself asks for a C compiler only when it comes to the parts in C. @throws UserError where there is none */
async function requireCompiler(name: string): Promise<void> {
  const { stdout: compiler } = await execa`go env CC`;
  const [program = "", ...words] = compiler.split(" ");
  if ((await execa(program, [...words, "--version"], { reject: false, stdin: "ignore" })).failed)
    throw new UserError(
      `building ${name} needs a C compiler, and ${compiler} is not on PATH`,
      "install one and its C library, such as Debian's gcc and libc6-dev",
    );
}

/**
 * Returns the part that holds the module's programs in `bin/`, the licences of all that is in them in `licenses/`, and those
 * of its files that the recipe names in `files/`.
 *
 * The module is built as a dependency of an empty one, with upstream's own requirements: `go install` refuses modules
 * whose go.mod replaces others. Replacements by folders of the same repository become that repository's published
 * modules, as Kubernetes' staging ones are.
 */
export async function goModulePart(name: string, recipe: GoModule, { cache, say, signal }: GoBuild): Promise<Part> {
  const go = await goVersion();
  return new PartStore(cache).make(
    `go-${name}`,
    { format: 1, go, ...recipe },
    say,
    async (folder) => {
      if (recipe.cgo === true) await requireCompiler(name);
      say(`${recipe.module} ${recipe.version}: fetching`);
      const module = await download(`${recipe.module}@${recipe.version}`, cache, signal);
      await writeModFile(folder, name, recipe, module.GoMod);
      await build(
        name,
        folder,
        Object.entries(recipe.programs).map(([program, path]) => [
          program,
          path === "." ? recipe.module : `${recipe.module}/${path}`,
        ]),
        recipe,
        { cache, say, signal },
      );
      for (const file of recipe.files ?? []) cpSync(join(module.Dir, file), join(folder, "files", file));
      const others = Object.entries(recipe.replace ?? {}).map(([path, version]) => `, with ${path} ${version}`);
      return {
        [name]: `Go module ${recipe.module} ${recipe.version} (${module.Sum})${others.join("")}, built with ${go}`,
      };
    },
    signal,
  );
}

/** Returns the part that holds the programs of a Go folder in a Debian source package, like {@link goModulePart}. */
export async function goSourcePart(
  name: string,
  recipe: GoSource,
  suite: string,
  apt: PrivateApt,
  { cache, say, signal }: GoBuild,
): Promise<Part> {
  const go = await goVersion();
  return new PartStore(cache).make(
    `go-${name}`,
    { format: 1, go, suite, ...recipe },
    say,
    async (folder) => {
      await apt.update(say);
      const [archive = ""] = await apt.fetchSource(`${recipe.package}/${suite}`, join(folder, "archive"));
      const source = join(folder, "source");
      mkdirSync(source);
      await execa`tar -xf ${archive} -C ${source} --strip-components=1`;
      await build(
        name,
        join(source, recipe.folder),
        Object.entries(recipe.programs),
        { tags: [], ldflags: "" },
        { cache, say, signal },
        folder,
      );
      cpSync(join(source, "LICENSE"), join(folder, "licenses", recipe.package, "LICENSE"));
      return { [name]: `${recipe.folder} of Debian's source archive ${archive.split("/").at(-1)}, built with ${go}` };
    },
    signal,
  );
}

/** Returns the folder of a module's source, which `go` has checked against its checksum database. */
export async function moduleSource(
  module: string,
  version: string,
  cache: string,
  signal: AbortSignal,
): Promise<string> {
  return (await download(`${module}@${version}`, cache, signal)).Dir;
}

/** Removes what Go compiled and downloaded on the way to the parts: 7 GB for one version of Kubernetes, wanted by no later run. */
export function removeGoCaches(cache: string): void {
  rmSync(join(cache, "go"), { recursive: true, force: true });
}

/** Bytes with which a compiler needs not look for memory to free, but for the largest packages. */
const ampleMemory = 1.4e9;

/** Returns how many bytes each compiler may use if two programs are compiled at once, each by as many compilers as there are cores. */
function memoryForEach(): number {
  return process.availableMemory() / (4 * availableParallelism());
}

/** Returns whether two programs can be compiled at once. */
export function memoryIsAmple(): boolean {
  return memoryForEach() > ampleMemory;
}

/** Caches of the suite's own, so that it can empty them: the user's are the user's. */
function goEnvironment(cache: string) {
  const flags = [process.env["GOFLAGS"] ?? "", "-modcacherw"].join(" ").trim();
  const caches = { GOCACHE: join(cache, "go", "build"), GOMODCACHE: join(cache, "go", "mod"), GOFLAGS: flags };
  const chosen = process.env["GOGC"] ?? process.env["GOMEMLIMIT"];
  if (chosen !== undefined || !memoryIsAmple()) return caches;
  // A compiler spends a third of its time on looking for memory to free (measured).
  return { ...caches, GOGC: "off", GOMEMLIMIT: `${Math.floor(memoryForEach() / 2 ** 20)}MiB` };
}

async function download(module: string, cache: string, signal: AbortSignal): Promise<z.infer<typeof Downloaded>> {
  const result = await execa("go", ["mod", "download", "-json", module], {
    cancelSignal: signal,
    reject: false,
    cwd: "/",
    env: goEnvironment(cache),
  });
  signal.throwIfAborted();
  const answer: unknown = result.stdout === "" ? {} : JSON.parse(result.stdout);
  if (result.failed)
    throw new UserError(
      `go mod download ${module} failed: ${lastLine((answer as { Error?: string }).Error ?? result.stderr)}`,
      reachProxy,
    );
  return Downloaded.parse(answer);
}

/** The version by which a module requires a folder of its own repository. */
const unpublished = "v0.0.0";

async function writeModFile(folder: string, name: string, recipe: GoModule, upstream: string): Promise<void> {
  const { stdout } = await execa`go mod edit -json ${upstream}`;
  const file = ModFile.parse(JSON.parse(stdout));
  const replaced = new Map((file.Replace ?? []).map((entry) => [entry.Old.Path, entry.New]));
  const required = new Map((file.Require ?? []).map(({ Path, Version }) => [Path, Version]));
  const version = semver.parse(recipe.version);
  const lines = [
    `module ${name}.build`,
    `go ${file.Go}`,
    ...(file.Godebug ?? []).map(({ Key, Value }) => `godebug ${Key}=${Value}`),
    `require ${recipe.module} ${recipe.version}`,
    ...[...required].flatMap(([path, needed]) => (needed === unpublished ? [] : [`require ${path} ${needed}`])),
    ...[...replaced].flatMap(([path, target]) => {
      if (target.Version !== undefined) return [`replace ${path} => ${target.Path} ${target.Version}`];
      // Kubernetes publishes the folders of its staging area as v0.<minor>.<patch>; others are required by version, or not at all.
      const published = recipe.replace?.[path] ?? `v0.${version?.minor}.${version?.patch}`;
      return required.get(path) === unpublished ? [`replace ${path} => ${path} ${published}`] : [];
    }),
  ];
  writeFileSync(join(folder, "go.mod"), `${lines.join("\n")}\n`);
}

async function build(
  name: string,
  cwd: string,
  programs: readonly (readonly [program: string, path: string])[],
  { tags, ldflags, cgo = false, test = false }: Pick<GoModule, "tags" | "ldflags" | "cgo" | "test">,
  { cache, say, signal }: GoBuild,
  into = cwd,
): Promise<void> {
  const started = Date.now();
  const bin = join(into, "bin");
  mkdirSync(bin, { recursive: true });
  const [only, ...others] = programs;
  // All at a time, so that one is linked while another is compiled; Go then names each after the last part of its path.
  const output = others.length === 0 && only !== undefined ? join(bin, only[0]) : `${bin}/`;
  // Its -v is not for the compiler, but for the tests.
  const verb = test ? ["test", "-c", "-vet=off"] : ["build", "-v"];
  const flags = ["-mod=mod", "-trimpath", `-tags=${tags.join(",")}`, "-ldflags", `-s -w ${ldflags}`.trim()];
  const names = programs.map(([program]) => program);
  say(`${name}: compiling ${names.join(" ")}`);
  // Below the part's folder: what an interrupted build leaves there is swept.
  const temporary = join(into, "tmp");
  mkdirSync(temporary);
  signal.throwIfAborted();
  const command = execa("go", [...verb, ...flags, "-o", output, ...programs.map(([, path]) => path)], {
    // A group of its own, since go leaves its compilers running when it is ended.
    ...{ cwd, reject: false, stdin: "ignore", detached: true },
    env: { ...goEnvironment(cache), CGO_ENABLED: cgo ? "1" : "0", GOTMPDIR: temporary },
  });
  const end = () => endGroup(command.pid);
  signal.addEventListener("abort", end, { once: true });
  let packages = 0;
  let told = started;
  for await (const line of command.iterable({ from: "stderr" })) {
    if (!line.startsWith("go: ")) packages++;
    if (Date.now() - told < progressEveryMs) continue;
    told = Date.now();
    say(`${name}: ${packages} packages compiled so far`);
  }
  const result = await command;
  signal.removeEventListener("abort", end);
  signal.throwIfAborted();
  rmSync(temporary, { recursive: true });
  if (result.failed) {
    // Between the errors stand the packages that were downloaded and compiled meanwhile.
    const errors = result.stderr.split("\n").filter((line) => !/^(go: (downloading|finding) |[\w./-]+$)/.test(line));
    // Modules that the first one needs are fetched now.
    const unreached = errors.find((line) => /https?:\/\/|dial tcp/.test(line));
    if (unreached !== undefined) throw new UserError(`go build of ${name} failed: ${unreached.trim()}`, reachProxy);
    throw new Error(`go build of ${name} failed:\n${errors.slice(0, 8).join("\n")}`);
  }
  const missing = names.filter((program) => !existsSync(join(bin, program)));
  if (missing.length > 0)
    throw new Error(
      `go build of ${name} made no ${missing.join(", ")}: a program is named after the last part of its path`,
    );
  await collectLicenses(goEnvironment(cache).GOMODCACHE, bin, join(into, "licenses"));
  say(`${name}: built in ${Math.round((Date.now() - started) / 1000)} s`);
}

function endGroup(pid: number | undefined): void {
  if (pid === undefined) return;
  try {
    process.kill(-pid, "SIGKILL");
  } catch (error) {
    // It ended by itself.
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Copies the licence files of every module that is linked into the programs: whoever gets the binary gets them too. */
async function collectLicenses(modCache: string, bin: string, into: string): Promise<void> {
  const { stdout } = await execa`go version -m ${bin}`;
  const modules = new Set(
    stdout.split("\n").flatMap((line) => /^\t(?:dep|=>)\t(\S+)\t(v\S+)/.exec(line)?.slice(1).join("@") ?? []),
  );
  for (const module of modules) {
    const source = join(
      modCache,
      module.replaceAll(/[A-Z]/g, (letter) => `!${letter.toLowerCase()}`),
    );
    if (!existsSync(source)) continue;
    for (const file of readdirSync(source).filter((entry) => /^(licen[cs]e|copying|notice|patents)/i.test(entry))) {
      const target = join(into, module.replaceAll("/", "_"));
      mkdirSync(target, { recursive: true });
      cpSync(join(source, file), join(target, file), { recursive: true, mode: 0 });
    }
  }
}

/** Returns the value of a Go string constant in a source file, for names that a module fixes in its code. */
export function goConstant(file: string, name: string): string {
  const value = new RegExp(`^const ${name} = "([^"]+)"$`, "m").exec(readFileSync(file, "utf8"))?.[1];
  if (value === undefined) throw new Error(`no constant ${name} in ${file}`);
  return value;
}
