import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { execa } from "execa";
import { expect, test } from "vitest";
import { projectRoot } from "../helpers/host/settings.ts";

test("each link of the site leads to a place that is there, and no page asks others for anything", async () => {
  const out = mkdtempSync(join(tmpdir(), "site-"));
  await execa({ cwd: projectRoot, env: { KNC_OUT: out } })`${process.execPath} commands/run.js site`;
  const site = join(out, "site");
  const pages = readdirSync(site, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".html"));
  expect(pages).toContain("index.html");
  expect(pages).toContain(join("docs", "api.html"));
  const html = new Map(pages.map((page) => [page, readFileSync(join(site, page), "utf8")]));
  const lost = [...html].flatMap(([page, text]) =>
    [...text.matchAll(/ href="([^"]*)"/g)].flatMap(([, href = ""]) => {
      if (/^https?:/.test(href)) return [];
      const [path = "", place = ""] = href.split("#");
      const file = path === "" ? page : relative(site, join(site, dirname(page), decodeURI(path)));
      const there = existsSync(join(site, file)) && statSync(join(site, file)).isFile();
      const named = place === "" || place === "top" || html.get(file)?.includes(`id="${decodeURI(place)}"`) === true;
      return there && named ? [] : [`${page}: ${href}`];
    }),
  );
  expect(lost).toEqual([]);
  for (const [page, text] of html) expect(text.match(/ src="https?:/), page).toBeNull();
  rmSync(out, { recursive: true });
});
