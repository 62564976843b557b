import { readArticle } from "../../helpers/article/article.ts";
import { specsOf } from "../../helpers/lab/spec.ts";
import type { Sentences } from "./sentences.ts";

/** Checks a claim of the article. */
export const claim = specsOf<Sentences>(readArticle(import.meta.dirname));
