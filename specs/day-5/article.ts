import { readArticle } from "../../helpers/article/article.ts";
import { readLabText } from "../../helpers/article/lab-text.ts";
import { specsOf } from "../../helpers/lab/spec.ts";
import type { KubernetesObject } from "../../helpers/probe/api.ts";
import * as objects from "../../helpers/walkthrough/printed-object.ts";
import type { Sentences } from "./sentences.ts";

const article = readArticle(import.meta.dirname);

/** Checks a claim of the article. */
export const claim = specsOf<Sentences>(article);

/** What the article prints, by the names of lab.yaml: the text is the only copy of its manifests, commands and samples. */
export const printed = readLabText(article);

/** Returns a manifest that the article prints, to be created in that namespace. */
export function printedObject(name: string, namespace: string): KubernetesObject {
  return objects.printedObject(printed.manifest(name), namespace);
}
