import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { execa } from "execa";
import { expect, test } from "vitest";
import { projectRoot, readSettings } from "../helpers/host/settings.ts";
import { correctedFiles } from "../reports/corrected.ts";

test("the demo makes every page, each marked as recorded where it is of one run, and leads nowhere that is not there", async () => {
  const out = mkdtempSync(join(tmpdir(), "demo-"));
  await execa({ cwd: projectRoot, env: { KNC_OUT: out } })`${process.execPath} commands/run.js demo`;
  const folder = join(out, "demo");
  const files = readdirSync(folder);
  const { text, diff } = correctedFiles({ id: basename(readSettings({}).article) });
  const pages = ["article.html", "index.html", "recorded-matrix.html", diff];
  expect(files.toSorted()).toEqual(
    [...pages, text, "errata.md", "results.json", "article.rdjson", "article.sarif", "junit.xml"].toSorted(),
  );
  for (const page of pages) {
    const html = readFileSync(join(folder, page), "utf8");
    expect(html.length).toBeLessThan(2e6);
    if (page === "article.html" || page === "index.html") expect(html).toContain("Recorded on 20");
    for (const [, target = ""] of html.matchAll(/href="([^"#][^"]*)"/g))
      if (!/^https?:/.test(target)) expect(files).toContain(target.split("#")[0]);
  }
  rmSync(out, { recursive: true });
});
