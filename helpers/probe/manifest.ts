import { readFileSync } from "node:fs";
import { parseAllDocuments } from "yaml";
import type { KubernetesObject } from "./api.ts";

const workloads = new URL("../../fixtures/workloads/", import.meta.url);

/**
 * Returns the objects of a manifest in fixtures/workloads, with each `${name}` replaced by its value.
 *
 * @throws RangeError where a placeholder has no value
 */
export function readManifest(file: string, values: Readonly<Record<string, string>>): KubernetesObject[] {
  const text = readFileSync(new URL(file, workloads), "utf8");
  const filled = text.replaceAll(/^#.*$/gm, "").replaceAll(/\$\{([\w.-]+)\}/g, (_all, name: string) => {
    const value = values[name];
    if (value === undefined) throw new RangeError(`${file}: no value for \${${name}}`);
    return value;
  });
  return parseAllDocuments(filled).map((document) => document.toJS() as KubernetesObject);
}
