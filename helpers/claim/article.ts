import { parse } from "yaml";
import type { KubernetesObject } from "../probe/api.ts";
import { readArticle, spanOf } from "./catalogue.ts";

/** Returns lines of the saved article, such as `208` or `60-70`; it is the only copy of its manifests, commands and samples. */
export function printed(lines: string): string {
  const article = readArticle();
  const span = spanOf(article, { lines });
  if (span === undefined) throw new RangeError(`the article has no lines ${lines}`);
  return article.slice(span.start, span.end);
}

/** Returns a command as the article prints it, without the prompt. */
export function printedCommand(line: number): string {
  return printed(String(line)).replace(/^> /, "");
}

/** Returns a manifest of the article, to be created in that namespace. */
export function printedObject(lines: string, namespace: string): KubernetesObject {
  const object = parse(printed(lines)) as KubernetesObject;
  return { ...object, metadata: { ...object.metadata, namespace } };
}
