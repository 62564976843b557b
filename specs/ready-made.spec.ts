import { readArticle } from "../helpers/article/article.ts";
import { readyMadeCheck } from "../helpers/checks/ready-made.ts";
import { readSettings } from "../helpers/host/settings.ts";
import { specsOf } from "../helpers/lab/spec.ts";

// The claims of the article that name a ready-made check in their YAML.
const article = readArticle(readSettings().article);
const claim = specsOf(article);
for (const { id, check } of article.claims)
  if (check !== undefined) claim(id, readyMadeCheck(id, check, article.folder));
