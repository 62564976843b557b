import { readArticle } from "../../helpers/article/article.ts";
import { readLabText } from "../../helpers/article/lab-text.ts";
import { specsOf } from "../../helpers/lab/spec.ts";
import type { Sentences } from "./sentences.ts";

const article = readArticle(import.meta.dirname);

/** Checks a claim of the article. */
export const claim = specsOf<Sentences>(article);

/** What the article's lab has its reader type, by the names of lab.yaml. */
export const printed = readLabText(article);
