import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { UserError } from "../host/errors.ts";
import type { Say } from "../host/progress.ts";

const keyring = "/usr/share/keyrings/debian-archive-keyring.gpg";
const listsMaxAgeMs = 24 * 3600 * 1000;

/** A package as it was fetched: what goes into the provenance of whatever is made from it. */
export interface DebianPackage {
  readonly name: string;
  readonly version: string;
  readonly file: string;
}

/** Where this machine gets Debian from, as its own apt configuration says. */
export interface DebianMirror {
  readonly uri: string;
  readonly codename: string;
}

/**
 * Returns this machine's Debian mirror and release.
 *
 * @throws UserError where the machine is not Debian or its apt names no mirror of its release
 */
export async function debianMirror(): Promise<DebianMirror> {
  const release = existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "";
  const codename = /^VERSION_CODENAME=(\w+)$/m.exec(release)?.[1];
  if (!/^ID=debian$/m.test(release) || codename === undefined)
    throw new UserError("this is not Debian, of whose packages it would be made", "run on Debian");
  const targets = await execa`apt-get indextargets --format ${"$(REPO_URI) $(RELEASE)"}`;
  const uri = targets.stdout
    .split("\n")
    .find((line) => line.endsWith(` ${codename}`))
    ?.split(" ")[0];
  if (uri === undefined || !existsSync(keyring))
    throw new UserError(
      `apt names no signed mirror of Debian ${codename}`,
      "add one to /etc/apt/sources.list.d, with the package debian-archive-keyring",
    );
  return { uri, codename };
}

/** Returns the line of an apt source list that stands for a suite of the mirror, signed by Debian's archive keyring. */
export function sourceLine(mirror: DebianMirror, suite: string, type: "deb" | "deb-src" = "deb"): string {
  return `${type} [signed-by=${keyring}] ${mirror.uri} ${suite} main`;
}

/** apt with lists, cache and sources of its own, so that the machine's apt state stays untouched. */
export class PrivateApt {
  readonly #root: string;
  readonly #mirror: DebianMirror;
  readonly #suites: readonly string[];

  /** `root` holds the private state; `suites` are the releases to read beside the machine's own. */
  constructor(root: string, mirror: DebianMirror, suites: readonly string[]) {
    this.#root = root;
    this.#mirror = mirror;
    this.#suites = suites;
  }

  /** Reads the package lists unless they were read within a day. */
  async update(say: Say): Promise<void> {
    const stamp = join(this.#root, "updated");
    if (existsSync(stamp) && Date.now() - statSync(stamp).mtimeMs < listsMaxAgeMs) return;
    say(`reading Debian's package lists (${[this.#mirror.codename, ...this.#suites].join(", ")})`);
    for (const folder of ["lists/partial", "cache/archives/partial"])
      mkdirSync(join(this.#root, folder), { recursive: true });
    const lines = [
      sourceLine(this.#mirror, this.#mirror.codename),
      ...this.#suites.flatMap((suite) => [sourceLine(this.#mirror, suite), sourceLine(this.#mirror, suite, "deb-src")]),
    ];
    writeFileSync(join(this.#root, "sources.list"), `${lines.join("\n")}\n`);
    // Without the option lists that could not be read are a warning, and would count as read for a day.
    await this.#apt(["update", "-o", "APT::Update::Error-Mode=any"]);
    writeFileSync(stamp, "");
  }

  /** Fetches exactly the named packages (`name/suite`) into a new folder and returns them. */
  async fetch(names: readonly string[], into: string): Promise<DebianPackage[]> {
    mkdirSync(into, { recursive: true });
    await this.#apt(["download", ...names], into);
    return packagesIn(into);
  }

  /** Fetches the named packages and those of their dependencies that this machine lacks; none where all are installed. */
  async fetchMissing(names: readonly string[], into: string): Promise<DebianPackage[]> {
    mkdirSync(join(into, "partial"), { recursive: true });
    await this.#apt([
      "install",
      "--download-only",
      "--yes",
      "--no-install-recommends",
      "-o",
      `Dir::Cache::Archives=${into}`,
      "-t",
      this.#mirror.codename,
      ...names,
    ]);
    rmSync(join(into, "partial"), { recursive: true });
    rmSync(join(into, "lock"), { force: true });
    return packagesIn(into);
  }

  /** Fetches the upstream archives of a source package into a new folder and returns their paths. */
  async fetchSource(name: string, into: string): Promise<string[]> {
    mkdirSync(into, { recursive: true });
    await this.#apt(["source", "--download-only", "--tar-only", name], into);
    return (await readdir(into)).map((file) => join(into, file));
  }

  async #apt(words: readonly string[], cwd = this.#root): Promise<void> {
    const state = [
      ["Dir::Etc::SourceList", join(this.#root, "sources.list")],
      ["Dir::Etc::SourceParts", "/dev/null"],
      ["Dir::State::Lists", join(this.#root, "lists")],
      ["Dir::Cache", join(this.#root, "cache")],
      ["APT::Sandbox::User", "root"],
      ["Debug::NoLocking", "1"],
      ["Acquire::Languages", "none"],
      ["Acquire::IndexTargets::deb::DEP-11::DefaultEnabled", "false"],
    ].flatMap(([key, value]) => ["-o", `${key}=${value}`]);
    const result = await execa("apt-get", ["-q", ...state, ...words], {
      cwd,
      reject: false,
      all: true,
      stdin: "ignore",
      env: { LC_ALL: "C" },
    });
    if (result.failed) {
      const reason = result.all.split("\n").findLast((line) => line.startsWith("E:")) ?? result.shortMessage;
      throw new UserError(`apt-get ${words[0]} failed: ${reason}`, "check that this machine reaches its Debian mirror");
    }
  }
}

/** Unpacks packages into a folder; nothing is installed and no maintainer script runs. */
export async function unpack(packages: readonly DebianPackage[], root: string): Promise<void> {
  mkdirSync(root, { recursive: true });
  for (const { file } of packages) await execa`dpkg-deb -x ${file} ${root}`;
}

async function packagesIn(folder: string): Promise<DebianPackage[]> {
  const files = (await readdir(folder)).filter((file) => file.endsWith(".deb")).sort();
  return Promise.all(
    files.map(async (file) => {
      const path = join(folder, file);
      const { stdout } = await execa("dpkg-deb", ["-W", "--showformat=${Package} ${Version}", path]);
      const [name = "", version = ""] = stdout.split(" ");
      return { name, version, file: path };
    }),
  );
}
