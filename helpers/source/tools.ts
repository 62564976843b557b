import { chmodSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { UserError } from "../host/errors.ts";
import type { Say } from "../host/progress.ts";
import { debianMirror, PrivateApt, unpack } from "./debian.ts";
import { type Part, type PartStore, requireDisk } from "./parts.ts";

/** The suite whose engine can run privileged containers on a Debian 12 host; Debian 12's own 20.10 cannot. */
export const engineSuite = "trixie";

const fromEngineSuite = ["docker.io", "docker-cli", "containerd"];
// runc of the engine's suite wants a newer libc than Debian 12 has; the others are tools that may be installed already.
const fromOwnSuite = ["runc", "iptables", "iproute2", "mmdebstrap", "libseccomp2"];
const wrapped = [
  "dockerd",
  "docker",
  "docker-proxy",
  "containerd",
  "containerd-shim-runc-v2",
  "runc",
  "ip",
  "mmdebstrap",
];
const netfilter = { iptables: "iptables-nft", ip6tables: "ip6tables-nft" };

/** Package lists, packages and the unpacked tree. Measured: 0.6 GB. */
const diskForEngine = 1e9;

/** Something that a machine does not have and that can be made on Debian as root, and what else would mend that. */
interface Lack {
  readonly what: string;
  readonly remedy: string;
}

const noEngine: Lack = { what: "no container engine answers", remedy: "start Docker or Podman" };

/** What the private engine needs, unpacked below the cache folder. */
export interface EngineTools extends Part {
  /** Value for PATH: the unpacked programs first. */
  readonly path: string;
}

/**
 * Returns the private engine and the host tools it needs. They are unpacked, not installed: packages that the machine
 * has are used as they are.
 *
 * @param lack what is not there, wherefore they are wanted, and what else would mend that
 * @throws UserError off Debian, without root, and where they are not there yet and may not be fetched
 */
export async function engineTools(
  store: PartStore,
  cache: string,
  install: "auto" | "never",
  say: Say,
  signal?: AbortSignal,
  lack: Lack = noEngine,
): Promise<EngineTools> {
  if (process.getuid?.() !== 0)
    throw new UserError(`${lack.what}, and making one here needs root on Debian`, `${lack.remedy}, or run as root`);
  const mirror = await debianMirror().catch((error: unknown) => {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(
      `${lack.what}, and none can be made here: ${error.message}`,
      `${lack.remedy}, or ${error.remedy}`,
    );
  });
  const recipe = { format: 3, codename: mirror.codename, engineSuite, fromEngineSuite, fromOwnSuite };
  if (install === "never" && store.find("engine", recipe) === undefined) {
    const names = [...fromEngineSuite.map((name) => `${name} (${engineSuite})`), ...fromOwnSuite];
    throw new UserError(
      `${lack.what}, and KNC_INSTALL=never forbids unpacking what it takes to make one: ${names.join(", ")}`,
      `${lack.remedy}, or unset KNC_INSTALL`,
    );
  }
  const part = await store.make(
    "engine",
    recipe,
    say,
    async (folder) => {
      requireDisk(cache, diskForEngine, "the private engine", say);
      const apt = new PrivateApt(join(cache, "apt"), mirror, [engineSuite]);
      await apt.update(say);
      say(`unpacking, not installing: ${[...fromEngineSuite, ...fromOwnSuite].join(" ")}`);
      const engine = await apt.fetch(
        fromEngineSuite.map((name) => `${name}/${engineSuite}`),
        join(folder, "debs"),
      );
      const tools = await apt.fetchMissing(fromOwnSuite, join(folder, "debs-own"));
      const root = join(folder, "root");
      await unpack([...engine, ...tools], root);
      for (const debs of ["debs", "debs-own"]) rmSync(join(folder, debs), { recursive: true });
      writeWrappers(folder);
      return Object.fromEntries([...engine, ...tools].map(({ name, version }) => [name, `Debian ${version}`]));
    },
    signal,
  );
  return {
    ...part,
    path: [join(part.folder, "bin"), process.env["PATH"] ?? "/usr/sbin:/usr/bin:/sbin:/bin", "/usr/sbin", "/sbin"].join(
      delimiter,
    ),
  };
}

/** Each program gets a starter that finds the libraries unpacked beside it; a program that was not fetched gets none. */
function writeWrappers(folder: string): void {
  const bin = join(folder, "bin");
  mkdirSync(bin);
  // The part is renamed when it is whole, so the starters find it from where they are.
  const head = [
    "#!/bin/sh",
    // By the shell alone: a run calls them hundreds of times.
    'root="${0%/*}/../root"',
    'for lib in "$root"/usr/lib/*-linux-gnu "$root"/lib/*-linux-gnu; do [ -d "$lib" ] && libs="$libs:$lib"; done',
    'export LD_LIBRARY_PATH="${libs#:}"',
    'for x in "$root"/usr/lib/*-linux-gnu/xtables; do [ -d "$x" ] && export XTABLES_LIBDIR="$x"; done',
  ];
  const programs = new Map<string, string>([
    ...wrapped.map((name): [string, string] => [name, name]),
    ...Object.entries(netfilter),
  ]);
  for (const [name, target] of programs) {
    const place = ["usr/sbin", "usr/bin", "sbin", "bin"].find((dir) =>
      readdirOf(join(folder, "root", dir)).includes(target),
    );
    if (place === undefined) continue;
    writeFileSync(join(bin, name), `${[...head, `exec "$root/${place}/${target}" "$@"`].join("\n")}\n`);
    chmodSync(join(bin, name), 0o755);
  }
}

function readdirOf(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : [];
}
