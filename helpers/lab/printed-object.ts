import { parse } from "yaml";
import { printed } from "../article/printed.ts";
import type { KubernetesObject } from "../probe/api.ts";

/** Returns a manifest of the article, to be created in that namespace. */
export function printedObject(lines: string, namespace: string): KubernetesObject {
  const object = parse(printed(lines)) as KubernetesObject;
  return { ...object, metadata: { ...object.metadata, namespace } };
}
