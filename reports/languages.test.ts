import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { h } from "preact";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Article, readArticle } from "../helpers/article/article.ts";
import { Results } from "../helpers/claim/results.ts";
import { cellNamed } from "../helpers/cluster/cells.ts";
import { projectRoot } from "../helpers/host/settings.ts";
import { jobSummaryOf } from "./github.ts";
import { matrixOf } from "./matrix.ts";
import { both, languageSwitch, pageOf } from "./pages/look.ts";
import { matrixPage } from "./pages/matrix-page.ts";
import { writePages } from "./pages/pages.ts";
import { collectResults } from "./results.ts";
import { sampleFolder, sampleResult, writeResult, writeRun } from "./samples.ts";

const folder = mkdtempSync(join(tmpdir(), "languages-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Makes the pages of a run in which every claim came out as expected. */
function pagesOf(article: Article): { results: Results; read: (name: string) => string } {
  const out = join(folder, article.id);
  mkdirSync(out);
  writeRun(out);
  for (const claim of article.claims)
    writeResult(out, sampleResult(claim, { verdict: claim.expect?.[0]?.verdict ?? "holds", why: "" }, article));
  const results = collectResults(out, article);
  writePages(out, results, article);
  return { results, read: (name) => readFileSync(join(out, name), "utf8") };
}

const chinese = /\p{Script=Han}/u;
let french: ReturnType<typeof pagesOf>;
beforeAll(() => {
  french = pagesOf(readArticle(sampleFolder));
});

test("an article in French and English has pages in both, and the pages' own words in English", () => {
  const pages = [
    ...["article.html", "index.html"].map(french.read),
    matrixPage(matrixOf([{ cell: cellNamed("1.37.0"), results: french.results }])),
  ];
  for (const html of pages) {
    expect(html).toContain('<html lang="fr">');
    expect(html).toMatch(
      /<h1><span lang="fr">Les Services en quelques phrases<\/span><span lang="en">Services in a few sentences<\/span>/,
    );
    expect(html).toMatch(/id="language-fr" value="fr" checked\/> français<.*id="language-en" value="en"\/> English</);
    // Shown whichever is chosen.
    expect(html).toContain('<span lang="en" class="only">holds</span>');
    expect(html).toContain("html:has(#language-fr:checked) [lang=en]:not(.source, .only, .for-fr)");
    expect(
      [...html.matchAll(/ lang="?([\w-]+)/g)].map(([, tag]) => tag).filter((tag) => tag !== "fr" && tag !== "en"),
    ).toEqual([]);
    expect(html).not.toMatch(chinese);
  }
  const [article = ""] = pages;
  expect(article).toContain('<main class="source" lang="fr">');
  expect(article).toContain(
    '<ins class="source" lang="fr">Un conteneur qui redémarre laisse à son Pod son adresse.</ins>',
  );
});

test("its errata say in French what it could say, and all else in French and English", () => {
  const errata = french.read("errata.md");
  expect(errata).toMatch(/^# Errata: Les Services en quelques phrases\n/);
  expect(errata).toContain(
    [
      "> Un conteneur qui redémarre laisse à son Pod son adresse.",
      "(A container that restarts leaves its pod the address.)",
      "L'adresse appartient au bac à sable du Pod, qui reste.",
      "The address belongs to the pod's sandbox, which stays.",
    ].join("\n\n"),
  );
  expect(errata).toMatch(/^## Notes$[^]*^Seulement si le Service a un tel port\.$/m);
  expect(errata).not.toMatch(chinese);
  expect(jobSummaryOf(french.results)).toContain("which stays.<br>L'adresse appartient");
});

test("its results have the French texts under their tag, and are read back", () => {
  const results = JSON.parse(french.read("results.json")) as Results;
  expect(results.article).toMatchObject({ languages: ["fr", "en"], fr: "Les Services en quelques phrases" });
  expect(results.claims[0]).toMatchObject({
    fr: "Le redémarrage d'un conteneur change l'adresse de son Pod.",
    because: { fr: "L'adresse appartient au bac à sable du Pod, qui reste." },
  });
  expect(Results.parse(results)).toEqual(results);
});

test("an article in English alone has pages without a choice", () => {
  const { read } = pagesOf(readArticle(join(projectRoot, "specs", "tiny")));
  for (const html of ["article.html", "index.html"].map(read)) {
    expect(html).toContain('<html lang="en">');
    expect(html).not.toMatch(/name="language"|class="only"/);
    expect(html).not.toMatch(chinese);
  }
});

test("of several languages, English stands for those alone in which something is not said", () => {
  const page = pageOf({ languages: ["zh-TW", "fr", "zh-Hans", "en"] }, "", "", [
    languageSwitch(),
    h("p", {}, both({ en: "words", zh: "文字" })),
  ]);
  expect(page).toContain(
    '<p><span lang="zh-TW">文字</span><span lang="en" class="for-fr for-zh-Hans">words</span></p>',
  );
  expect([...page.matchAll(/value="([^"]+)"(?: checked)?\/> ([^<]+)</g)].map(([, tag, name]) => [tag, name])).toEqual([
    ["zh-TW", "中文（台灣）"],
    ["fr", "français"],
    ["zh-Hans", "简体中文"],
    ["en", "English"],
  ]);
});
