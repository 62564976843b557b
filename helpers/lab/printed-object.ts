import { parse } from "yaml";
import type { Article } from "../article/article.ts";
import { printed } from "../article/printed.ts";
import type { KubernetesObject } from "../probe/api.ts";

/** Returns a manifest that an article prints, to be created in that namespace. */
export function printedObject(article: Pick<Article, "text">, lines: string, namespace: string): KubernetesObject {
  const object = parse(printed(article, lines)) as KubernetesObject;
  return { ...object, metadata: { ...object.metadata, namespace } };
}
