import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { type Article, readArticle } from "../helpers/article/article.ts";
import type { Results } from "../helpers/claim/results.ts";
import { UserError } from "../helpers/host/errors.ts";
import { main } from "../helpers/host/main.ts";
import { projectRoot, readSettings } from "../helpers/host/settings.ts";
import { Matrix } from "../reports/matrix.ts";
import { documentPage, titleOf } from "../reports/pages/document-page.ts";
import { type NamedPage, pagesBeside } from "../reports/pages/look.ts";
import { matrixPage } from "../reports/pages/matrix-page.ts";
import { recordedRun, writeRecordedPages } from "../reports/pages/pages.ts";
import { sitePage } from "../reports/pages/site-page.ts";
import { placeOfWords } from "../reports/words.ts";

/** What a cell of the matrix has for readers; its report of Allure may be missing. */
const ofACell = /^(?:.*\.(?:html|md)|evidence|results\.json|article\.sarif|article\.rdjson|junit\.xml|allure-report)$/;

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
  const articles = recordedArticles(dirname(settings.article)).map(({ article, results }) => {
    writeRecordedPages(join(site, article.id), results, article, [home]);
    const pages = pagesBeside("", article, readdirSync(join(site, article.id)));
    return { article, results, pages: pages.map((page) => ({ ...page, file: `${article.id}/${page.file}` })) };
  });
  if (articles.length === 0) throw new UserError("no article has a recorded run", "npm run controls makes one");
  const documents = writeDocuments(site, home, articles);
  writeFileSync(join(site, "index.html"), sitePage(articles, documents, nightly(settings.out, site, home)));
  process.stdout.write(`${join(site, "index.html")}\n`);
  return 0;
});

/** Returns the articles in a folder that have a recorded run, with it, and tells which have none. */
function recordedArticles(folder: string): { article: Article; results: Results }[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && existsSync(join(folder, entry.name, "article.yaml")))
    .flatMap(({ name }) => {
      const results = recordedRun({ folder: join(folder, name) });
      if (results !== undefined) return [{ article: readArticle(join(folder, name)), results }];
      process.stdout.write(`not on the site, since it has no recorded run: ${name}\n`);
      return [];
    });
}

/** Writes the project's documents as pages, and returns them; an installed package has none beside its program. */
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
    const title = titleOf({ text, file });
    return { file: `docs/${nameOf(file)}`, words: { en: title, zh: title } };
  });
}

/** Adds the last matrix of the output folder with its cells, if there is one, and returns its page. */
function nightly(out: string, site: string, home: NamedPage): NamedPage | undefined {
  const file = join(out, "matrix.json");
  if (!existsSync(file)) return undefined;
  const matrix = Matrix.parse(JSON.parse(readFileSync(file, "utf8")));
  const folder = join(site, "nightly");
  mkdirSync(folder, { recursive: true });
  const report = existsSync(join(out, "matrix-report"));
  if (report) cpSync(join(out, "matrix-report"), join(folder, "allure"), { recursive: true });
  const allure = { file: "allure/index.html", words: { en: "Allure (on a web server)", zh: "Allure（需網頁伺服器）" } };
  writeFileSync(join(folder, "index.html"), matrixPage(matrix, true, [home, ...(report ? [allure] : [])]));
  for (const { id } of matrix.cells) {
    const cell = join(out, "cells", id);
    for (const name of existsSync(cell) ? readdirSync(cell).filter((each) => ofACell.test(each)) : [])
      cpSync(join(cell, name), join(folder, "cells", id, name), { recursive: true });
  }
  const date =
    matrix.cells
      .map(({ started }) => started.slice(0, 10))
      .toSorted()
      .at(-1) ?? "";
  return {
    file: "nightly/index.html",
    words: { en: `The last matrix, with its evidence (${date})`, zh: `最近一次的版本矩陣與佐證（${date}）` },
  };
}
