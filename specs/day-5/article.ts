import { readArticle } from "../../helpers/article/article.ts";
import * as prints from "../../helpers/article/printed.ts";
import * as objects from "../../helpers/lab/printed-object.ts";
import { specsOf } from "../../helpers/lab/spec.ts";
import type { KubernetesObject } from "../../helpers/probe/api.ts";

const article = readArticle(import.meta.dirname);

/** Checks a claim of the article. */
export const claim = specsOf(article);

/** Returns lines of the article, such as `208` or `60-70`; it is the only copy of its manifests, commands and samples. */
export function printed(lines: string): string {
  return prints.printed(article, lines);
}

/** Returns a command as the article prints it, without the prompt. */
export function printedCommand(line: number): string {
  return prints.printedCommand(article, line);
}

/** Returns a manifest that the article prints, to be created in that namespace. */
export function printedObject(lines: string, namespace: string): KubernetesObject {
  return objects.printedObject(article, lines, namespace);
}
