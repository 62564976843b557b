import { readArticle } from "../../helpers/article/article.ts";
import { specsOf } from "../../helpers/lab/spec.ts";

/** Checks a claim of the article. */
export const claim = specsOf(readArticle(import.meta.dirname));
