import { readFileSync } from "node:fs";
import semver from "semver";
import { parse, stringify } from "yaml";
import { z } from "zod";
import { UserError } from "../host/errors.ts";
import type { Settings } from "../host/settings.ts";
import { digestedReference, type ImageLock, readImageLock } from "../source/image-lock.ts";

const file = new URL("../../fixtures/clusters/matrix.yaml", import.meta.url);
const configFile = new URL("../../fixtures/clusters/default.yaml", import.meta.url);

const version = z
  .string()
  .refine((text) => semver.valid(text) !== null && text.startsWith("v"), "must be like v1.37.0");

const Cell = z.strictObject({
  id: z.string().regex(/^[a-z0-9.-]+$/),
  kind: version,
  kubernetes: version,
  node: digestedReference.optional(),
  proxyMode: z.enum(["iptables", "ipvs", "nftables", "userspace"]).optional(),
  ipFamily: z.enum(["ipv4", "ipv6", "dual"]).optional(),
  cni: z.enum(["flannel"]).optional(),
  workers: z.int().min(0).max(9).optional(),
  mayNotStart: z.literal(true).optional(),
  lacks: z.array(z.string().regex(/^[a-z0-9-]+$/, "must be the name of a program")).optional(),
  why: z.string(),
});
/** A cell of the matrix: one world to check; see fixtures/clusters/matrix.yaml. */
export type Cell = z.infer<typeof Cell>;

/** Returns the cells of the matrix, in its file's order. @throws Error where it is not valid or two have one name */
export function readCells(text = readFileSync(file, "utf8")): Cell[] {
  const { cells } = z.strictObject({ cells: z.array(Cell).min(1) }).parse(parse(text));
  const twice = cells.find(({ id }, index) => cells.findIndex((cell) => cell.id === id) < index);
  if (twice !== undefined) throw new Error(`fixtures/clusters/matrix.yaml has the cell ${twice.id} twice`);
  return cells;
}

/** Returns whether registries have all images of a cell. */
export function isPublished({ node, cni }: Cell): boolean {
  return node !== undefined && cni === undefined;
}

/** Returns the cell of that name. @throws UserError naming those that there are */
export function cellNamed(id: string): Cell {
  const cells = readCells();
  const found = cells.find((cell) => cell.id === id);
  if (found === undefined)
    throw new UserError(
      `there is no cell ${id}`,
      `fixtures/clusters/matrix.yaml has ${cells.map((cell) => cell.id).join(", ")}`,
    );
  return found;
}

/** Returns the settings' cell, where they name one. @throws UserError where there is none of that name */
export function cellOf({ cell }: Pick<Settings, "cell">): Cell | undefined {
  return cell === undefined ? undefined : cellNamed(cell);
}

/** Returns an image lock with a cell's versions of kind and Kubernetes in it. */
export function lockOf({ kind, kubernetes, node }: Cell, lock: ImageLock): ImageLock {
  return {
    ...lock,
    // The checksums are of one release.
    kind: kind === lock.kind.version ? lock.kind : { version: kind, sha256: {} },
    node: { built: lock.node.built, kubernetes, ...(node === undefined ? {} : { published: node }) },
  };
}

/** Returns the image lock that the settings ask for, with their cell's versions. @throws UserError where it or the cell is wrong */
export function imageLockFor(settings: Pick<Settings, "imageLock" | "cell">): ImageLock {
  const lock = readImageLock(settings.imageLock);
  const cell = cellOf(settings);
  return cell === undefined ? lock : lockOf(cell, lock);
}

/** Returns the names of what is not kind's default in a cell's cluster. */
export function settingsOf({ proxyMode, ipFamily, cni }: Cell): string[] {
  return Object.entries({ proxyMode, ipFamily, cni }).flatMap(([name, value]) => (value === undefined ? [] : [name]));
}

interface ConfiguredNode {
  readonly role: string;
}

/** A kind configuration (kind.x-k8s.io/v1alpha4). */
export type ClusterConfig = Readonly<Record<string, unknown>> & { readonly nodes: readonly ConfiguredNode[] };

/** Returns the kind configuration of a cell; kind's defaults on three nodes without one. */
export function configOf(cell?: Cell): ClusterConfig {
  const defaults = parse(readFileSync(configFile, "utf8")) as { nodes: ConfiguredNode[] };
  const { proxyMode, ipFamily, cni, workers } = cell ?? {};
  // kind knows no userspace mode, and refuses it in its own field.
  const userspace = proxyMode === "userspace";
  const networking = {
    ...(proxyMode === undefined || userspace ? {} : { kubeProxyMode: proxyMode }),
    ...(ipFamily === undefined ? {} : { ipFamily }),
    ...(cni === undefined ? {} : { disableDefaultCNI: true }),
  };
  const own = (role: string) => defaults.nodes.filter((node) => node.role === role);
  const [worker = { role: "worker" }] = own("worker");
  return {
    ...defaults,
    ...(workers === undefined
      ? {}
      : { nodes: [...own("control-plane"), ...Array.from({ length: workers }, () => worker)] }),
    ...(userspace ? { kubeadmConfigPatches: [stringify({ kind: "KubeProxyConfiguration", mode: proxyMode })] } : {}),
    ...(Object.keys(networking).length === 0 ? {} : { networking }),
  };
}
