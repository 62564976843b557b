import { join } from "node:path";
import { execa } from "execa";
import { type Engine, engineOutput } from "../engine/engine.ts";
import { type LayerEntry, writeArchive, writeLayer } from "./archive.ts";
import { moduleSource } from "./go.ts";
import { filesBelow, goPart, labels, licences, type Parts, programEntry, rootfsTar } from "./layers.ts";
import type { Provenance } from "./parts.ts";
import type { BuildRecipe } from "./recipe.ts";

/**
 * Where a node has the images that it carries. kind gives each node a volume for /var, into which the engine copies all that the
 * image has there, so they are elsewhere: 0.9 GB a node.
 */
const imageContent = "/opt/containerd-content";

/** The base of the node image: Debian's packages, kind's own files for a node, containerd and the CNI plugins. */
export async function loadBase(
  image: string,
  recipe: BuildRecipe,
  parts: Parts,
  workloads: object,
  work: string,
  { engine, cache, signal }: { readonly engine: Engine; readonly cache: string; readonly signal: AbortSignal },
): Promise<void> {
  const containerd = goPart(parts, "containerd");
  const files = join(await kindSource(recipe, cache, signal), "images", "base", "files");
  const { stdout: spec } = await execa`${join(containerd.folder, "bin", "ctr")} oci spec`;
  const wants = "/etc/systemd/system/multi-user.target.wants";
  const layer = join(work, "base.layer.tar");
  await writeLayer(layer, [
    ...filesBelow(files).map(
      (path): LayerEntry => ({
        path: `/${path}`,
        source: join(files, path),
        mode: /^(usr\/local|kind)\/bin\//.test(path) ? 0o755 : 0o644,
      }),
    ),
    ...["containerd", "ctr", "containerd-shim-runc-v2"].map((program) =>
      programEntry(containerd, program, "/usr/local/bin"),
    ),
    programEntry(goPart(parts, "cri-tools"), "crictl", "/usr/local/bin"),
    ...Object.keys(recipe.modules["cni-plugins"]?.programs ?? {}).map((program) =>
      programEntry(goPart(parts, "cni-plugins"), program, "/opt/cni/bin"),
    ),
    { path: "/etc/containerd/cri-base.json", text: criBase(spec) },
    { path: imageContent, folder: true },
    { path: "/var/lib/containerd/io.containerd.content.v1.content", link: imageContent },
    ...["kubelet", "containerd", "undo-mount-hacks"].map(
      (unit): LayerEntry => ({ path: `${wants}/${unit}.service`, link: `/etc/systemd/system/${unit}.service` }),
    ),
    ...Object.entries(parts.go).flatMap(([name, part]) => licences(part, name)),
  ]);
  const [name = "", tag = ""] = baseName(image).split(/:(?=[^:]+$)/);
  const archive = join(work, "base.tar");
  const all = Object.assign({}, ...Object.values(parts.go).map(({ provenance }) => provenance)) as Provenance;
  await writeArchive(archive, [
    {
      name,
      tag,
      layers: [rootfsTar(parts, "node"), layer],
      command: ["/usr/local/bin/entrypoint", "/sbin/init"],
      environment: ["container=docker"],
      stopSignal: "SIGRTMIN+3",
      labels: {
        [labels.provenance]: JSON.stringify({
          ...all,
          "node base": `Debian ${recipe.debianSuite}, ${Object.keys(parts.rootfs["node"]?.provenance ?? {}).length} packages`,
          "node files": `images/base/files of ${recipe.modules["kind"]?.module} ${recipe.modules["kind"]?.version}`,
        }),
        [labels.workloads]: JSON.stringify(workloads),
      },
    },
  ]);
  await engineOutput(engine, ["load", "--input", archive], { signal });
}

/** The runtime specification that kind gives every pod: containerd's default, a hook for product files, no rlimits. */
function criBase(spec: string): string {
  const value = JSON.parse(spec) as { hooks?: Record<string, object[]>; process: { rlimits?: unknown } };
  value.hooks = {
    ...value.hooks,
    createContainer: [...(value.hooks?.["createContainer"] ?? []), { path: "/kind/bin/mount-product-files.sh" }],
  };
  delete value.process.rlimits;
  return JSON.stringify(value);
}

/** Returns the folder of the source of the kind that the recipe names. */
export async function kindSource(recipe: BuildRecipe, cache: string, signal: AbortSignal): Promise<string> {
  const { module = "", version = "" } = recipe.modules["kind"] ?? {};
  return moduleSource(module, version, cache, signal);
}

/** Returns the name of the base of a node image. */
export function baseName(image: string): string {
  return image.replace("/node:", "/base:");
}
