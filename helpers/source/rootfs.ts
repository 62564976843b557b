import { rmSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { lastLine } from "../host/command.ts";
import { UserError } from "../host/errors.ts";
import type { Say } from "../host/progress.ts";
import { debianMirror, sourceLine } from "./debian.ts";
import type { Part, PartStore } from "./parts.ts";
import type { RootFs } from "./recipe.ts";
import type { EngineTools } from "./tools.ts";

/**
 * Returns the part that holds a root file system of Debian packages as `rootfs.tar`, made by mmdebstrap. Documentation
 * is left out, copyright files stay. The provenance names each package with its version.
 */
export async function rootfsPart(
  name: string,
  recipe: RootFs,
  suite: string,
  tools: EngineTools,
  store: PartStore,
  say: Say,
  signal: AbortSignal,
): Promise<Part> {
  return store.make(
    `rootfs-${name}`,
    { format: 1, suite, ...recipe },
    say,
    async (folder) => {
      const packages = recipe.packages.flatMap((line) => line.split(" "));
      say(`rootfs ${name}: Debian ${suite}, ${packages.length} packages and what they depend on`);
      const mirror = await debianMirror();
      const list = join(folder, "packages");
      // Hooks see the tree at "$1"; an extracted one has no package database, so its archives tell what is in it.
      const hooks = [
        recipe.installed
          ? `dpkg-query --admindir="$1"/var/lib/dpkg -W > ${list}`
          : `for f in "$1"/var/cache/apt/archives/*.deb; do dpkg-deb -W "$f"; done > ${list}`,
        ...recipe.hooks,
        'rm -rf "$1"/usr/share/man "$1"/usr/share/locale "$1"/usr/share/info "$1"/etc/apt/sources.list',
        'find "$1"/usr/share/doc ! -type d ! -name copyright -delete',
      ];
      const result = await execa(
        "mmdebstrap",
        [
          ...[
            "--quiet",
            "--mode=root",
            `--variant=${recipe.installed ? "minbase" : "extract"}`,
            `--include=${packages.join(",")}`,
          ],
          '--aptopt=APT::Sandbox::User "root"',
          ...hooks.map((hook) => `--${recipe.installed ? "customize" : "extract"}-hook=${hook}`),
          ...[suite, join(folder, "rootfs.tar"), sourceLine(mirror, suite)],
        ],
        {
          env: { PATH: tools.path, LC_ALL: "C", TMPDIR: folder },
          cancelSignal: signal,
          reject: false,
          stdin: "ignore",
        },
      );
      signal.throwIfAborted();
      if (result.failed)
        throw new UserError(
          `mmdebstrap of rootfs ${name} failed: ${
            result.stderr
              .split("\n")
              .filter((line) => line.startsWith("E:"))
              .join("; ") || lastLine(result.stderr)
          }`,
          "check that this machine reaches its Debian mirror",
        );
      const { stdout } = await execa`cat ${list}`;
      rmSync(list);
      return Object.fromEntries(
        stdout
          .split("\n")
          .map((line) => line.split("\t"))
          .filter((pair) => pair.length === 2)
          .map(([key, version]) => [key, `Debian ${version}`]),
      );
    },
    signal,
  );
}
