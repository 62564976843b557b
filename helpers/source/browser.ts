import { existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { UserError } from "../host/errors.ts";
import type { Say } from "../host/progress.ts";
import type { Settings } from "../host/settings.ts";
import { debianMirror, PrivateApt, unpack } from "./debian.ts";
import { PartStore, requireDisk } from "./parts.ts";

/** A browser that draws Chinese too. */
const packages = ["chromium", "fonts-noto-cjk"];

/** Package lists, packages and the unpacked tree. Measured: 0.9 GB. */
const diskForBrowser = 2e9;

/** A browser and what it has to be started with. */
export interface Browser {
  readonly program: string;
  readonly environment: Readonly<Record<string, string>>;
}

/**
 * Returns the machine's Chromium, or Debian's unpacked below the cache folder, with the libraries and fonts that the machine
 * lacks.
 *
 * @throws UserError off Debian, and where it is not there yet and may not be fetched
 */
export async function findBrowser({ cache, install }: Pick<Settings, "cache" | "install">, say: Say): Promise<Browser> {
  const { stdout: own } = await execa("sh", ["-c", "command -v chromium"], { reject: false });
  if (own !== "") return { program: own, environment: {} };
  const mirror = await debianMirror();
  const store = new PartStore(cache);
  const recipe = { format: 1, codename: mirror.codename, packages };
  if (install === "never" && store.find("browser", recipe) === undefined)
    throw new UserError(
      `there is no chromium, and KNC_INSTALL=never forbids unpacking one`,
      `install ${packages.join(" and ")}, or unset KNC_INSTALL`,
    );
  const { folder } = await store.make("browser", recipe, say, async (into) => {
    requireDisk(cache, diskForBrowser, "the browser", say);
    const apt = new PrivateApt(join(cache, "apt-own"), mirror, []);
    await apt.update(say);
    say(`unpacking, not installing: ${packages.join(" ")}`);
    const fetched = await apt.fetchMissing(packages, join(into, "debs"));
    await unpack(fetched, join(into, "root"));
    rmSync(join(into, "debs"), { recursive: true });
    return Object.fromEntries(fetched.map(({ name, version }) => [name, `Debian ${version}`]));
  });
  const root = join(folder, "root");
  const libraries = ["usr/lib", "lib"].flatMap((place) => librariesBelow(join(root, place)));
  return {
    program: join(root, "usr", "lib", "chromium", "chromium"),
    environment: { LD_LIBRARY_PATH: libraries.join(delimiter), FONTCONFIG_FILE: fontsOf(root, folder) },
  };
}

/** Returns the folders below a place that hold shared libraries: some packages keep theirs in a folder of their own. */
function librariesBelow(place: string): string[] {
  if (!existsSync(place)) return [];
  const libraries = readdirSync(place, { recursive: true, withFileTypes: true }).filter(({ name }) =>
    /^lib.*\.so/.test(name),
  );
  return [...new Set(libraries.map(({ parentPath }) => parentPath))];
}

/** Fontconfig knows its fonts by absolute places: those unpacked here, and the machine's. */
function fontsOf(root: string, folder: string): string {
  const file = join(folder, "fonts.conf");
  const places = [join(root, "usr", "share", "fonts"), "/usr/share/fonts"];
  mkdirSync(join(folder, "fonts"), { recursive: true });
  writeFileSync(
    file,
    [
      '<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd"><fontconfig>',
      ...places.map((place) => `<dir>${place}</dir>`),
      `<cachedir>${join(folder, "fonts")}</cachedir></fontconfig>`,
      "",
    ].join("\n"),
  );
  return file;
}
