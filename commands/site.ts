import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { type Article, readArticle } from "../helpers/article/article.ts";
import { UserError } from "../helpers/host/errors.ts";
import { main } from "../helpers/host/main.ts";
import { projectRoot, readSettings } from "../helpers/host/settings.ts";
import { documentPage, titleOf } from "../reports/pages/document-page.ts";
import { type NamedPage, pagesBeside } from "../reports/pages/look.ts";
import { recordedRun, writeRecordedPages } from "../reports/pages/pages.ts";
import { sitePage } from "../reports/pages/site-page.ts";
import { placeOfWords } from "../reports/words.ts";

/** What a cell of the matrix has for readers; its report of Allure may be missing. */
const ofACell =
  /^(?:.*\.html|errata\.md|evidence|results\.json|article\.sarif|article\.rdjson|junit\.xml|allure-report)$/;

/**
 * Makes one folder that opens from disk and is what GitHub's Pages publish: each article's recorded run and matrix, its corrected
 * text, the documents; and the last matrix, where it lies in the output folder.
 */
await main(async () => {
  if (process.argv.length > 2) throw new UserError(`${process.argv[2]} is not known`, "npm run site");
  const settings = readSettings();
  const site = join(settings.out, "site");
  rmSync(site, { recursive: true, force: true });
  const home: NamedPage = { file: "../index.html", words: { en: "All articles", zh: "所有文章" } };
  const articles = recordedArticles(dirname(settings.article)).map((article) => {
    const results = writeRecordedPages(join(site, article.id), article, [home]);
    const pages = pagesBeside("", article, readdirSync(join(site, article.id)));
    return { article, results, pages: pages.map((page) => ({ ...page, file: `${article.id}/${page.file}` })) };
  });
  if (articles.length === 0) throw new UserError("no article has a recorded run", "npm run controls makes one");
  const matrix = join(settings.out, "matrix.html");
  const documents = [
    ...writeDocuments(site, home, articles),
    ...(existsSync(matrix) ? [nightly(settings.out, site)] : []),
  ];
  writeFileSync(join(site, "index.html"), sitePage(articles, documents));
  process.stdout.write(`${join(site, "index.html")}\n`);
  return 0;
});

function recordedArticles(folder: string): Article[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(folder, entry.name, "article.yaml")))
    .map(({ name }) => readArticle(join(folder, name)))
    .filter((article) => recordedRun(article) !== undefined);
}

/** Writes the project's documents as pages, and returns them; those of an installed package are in the package. */
function writeDocuments(
  site: string,
  home: NamedPage,
  articles: readonly { readonly article: Article }[],
): NamedPage[] {
  const folder = join(projectRoot, "docs");
  const files = [
    ...["README.md", "CONTRIBUTING.md", "CHANGELOG.md"].map((name) => join(projectRoot, name)),
    ...(existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : []),
  ].filter((file) => file.endsWith(".md") && existsSync(file));
  const nameOf = (file: string) => `${basename(file, ".md").toLowerCase()}.html`;
  mkdirSync(join(site, "docs"), { recursive: true });
  return files.map((file) => {
    const text = readFileSync(file, "utf8");
    const link = (href: string, title: string) => {
      if (/^(?:https?:|#)/.test(href)) return href;
      const [, target = "", place = ""] = /^([^?#]*)[^#]*(#.*)?$/.exec(href) ?? [];
      const meant = join(dirname(file), target);
      if (files.includes(meant)) return nameOf(meant) + place;
      const claimed = articles.find(({ article }) => relative(article.file, meant) === "")?.article;
      if (claimed === undefined) return undefined;
      const claim = claimed.claims.find(({ id }) => id === title);
      return `../${claimed.id}/article.html${claim === undefined ? "" : `#${placeOfWords(claim.id)}`}`;
    };
    writeFileSync(join(site, "docs", nameOf(file)), documentPage({ text, file }, [home], link));
    return { file: `docs/${nameOf(file)}`, words: { en: titleOf({ text, file }), zh: titleOf({ text, file }) } };
  });
}

/** Adds the last matrix of the output folder with its cells, and returns its page. */
function nightly(out: string, site: string): NamedPage {
  const folder = join(site, "nightly");
  mkdirSync(folder, { recursive: true });
  cpSync(join(out, "matrix.html"), join(folder, "index.html"));
  if (existsSync(join(out, "matrix-report")))
    cpSync(join(out, "matrix-report"), join(folder, "allure"), { recursive: true });
  const cells = existsSync(join(out, "cells")) ? readdirSync(join(out, "cells")) : [];
  for (const cell of cells)
    for (const name of readdirSync(join(out, "cells", cell)).filter((each) => ofACell.test(each)))
      cpSync(join(out, "cells", cell, name), join(folder, "cells", cell, name), { recursive: true });
  return {
    file: "nightly/index.html",
    words: { en: "The last matrix, with its evidence", zh: "最近一次的版本矩陣與佐證" },
  };
}
