import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { expect, test } from "vitest";
import { readArticle } from "../helpers/article/article.ts";
import { projectRoot, readSettings } from "../helpers/host/settings.ts";
import { correctedFiles } from "../reports/corrected.ts";

test("the demo makes every page, each marked as recorded where it is of one run, and leads nowhere that is not there", async () => {
  const out = mkdtempSync(join(tmpdir(), "demo-"));
  await execa({ cwd: projectRoot, env: { KNC_OUT: out } })`${process.execPath} commands/run.js demo`;
  const folder = join(out, "demo");
  const files = readdirSync(folder);
  const { text, diff } = correctedFiles(readArticle(readSettings().article));
  expect(files.toSorted()).toEqual([
    ...["article.html", "article.rdjson", "article.sarif", text, diff, "errata.md", "index.html", "junit.xml"],
    ...["recorded-matrix.html", "results.json"],
  ]);
  for (const page of ["article.html", "index.html", "recorded-matrix.html"]) {
    const html = readFileSync(join(folder, page), "utf8");
    expect(html.length).toBeLessThan(2e6);
    if (page !== "recorded-matrix.html") expect(html).toContain("Recorded on 20");
    for (const [, target = ""] of html.matchAll(/href="([^"#][^"]*)"/g))
      if (!/^https?:/.test(target)) expect(files).toContain(target.split("#")[0]);
  }
  rmSync(out, { recursive: true });
});
