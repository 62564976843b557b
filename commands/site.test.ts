import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { execa } from "execa";
import { expect, test } from "vitest";
import { readArticle } from "../helpers/article/article.ts";
import { projectRoot, readSettings } from "../helpers/host/settings.ts";
import { type Matrix, readRecordedMatrix } from "../reports/matrix.ts";

test("each link of the site leads to a place that is there, and no page asks others for anything", async () => {
  const out = mkdtempSync(join(tmpdir(), "site-"));
  const run = (command: string) =>
    execa({ cwd: projectRoot, env: { KNC_OUT: out } })`${process.execPath} commands/run.js ${command}`;
  // As if a night had checked one cell.
  await run("demo");
  const recorded = readRecordedMatrix(readArticle(readSettings({}).article)) as Matrix;
  const { id } = recorded.cells.at(-1) ?? { id: "" };
  cpSync(join(out, "demo"), join(out, "cells", id), { recursive: true });
  const matrix: Matrix = {
    ...recorded,
    cells: recorded.cells.filter((cell) => cell.id === id),
    claims: recorded.claims.map((claim) => ({
      ...claim,
      verdicts: Object.fromEntries(Object.entries(claim.verdicts).filter(([cell]) => cell === id)),
      flips: [],
    })),
  };
  writeFileSync(join(out, "matrix.json"), JSON.stringify(matrix));
  await run("site");
  const site = join(out, "site");
  const pages = readdirSync(site, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".html"));
  for (const page of ["index.html", join("docs", "api.html"), join("nightly", "cells", id, "article.html")])
    expect(pages).toContain(page);
  const html = new Map(pages.map((page) => [page, readFileSync(join(site, page), "utf8")]));
  const lost = [...html].flatMap(([page, text]) =>
    [...text.matchAll(/ href="([^"]*)"/g)].flatMap(([, href = ""]) => {
      if (/^https?:/.test(href)) return [];
      const [path = "", place = ""] = href.split("#");
      const file = path === "" ? page : relative(site, join(site, dirname(page), decodeURI(path)));
      const there = existsSync(join(site, file)) && statSync(join(site, file)).isFile();
      const named = place === "" || place === "none" || html.get(file)?.includes(`id="${decodeURI(place)}"`) === true;
      return there && named ? [] : [`${page}: ${href}`];
    }),
  );
  expect(lost).toEqual([]);
  for (const [page, text] of html) expect(text.match(/ src="https?:/), page).toBeNull();
  rmSync(out, { recursive: true });
});
