import { parse } from "yaml";
import type { KubernetesObject } from "../probe/api.ts";

/** Returns a manifest that an article prints, to be created in that namespace. */
export function printedObject({ text }: { readonly text: string }, namespace: string): KubernetesObject {
  const object = parse(text) as KubernetesObject;
  return { ...object, metadata: { ...object.metadata, namespace } };
}
