import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { pathToFileURL } from "node:url";
import axe from "axe-core";
import { type Browser, chromium, type Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readArticle } from "../../helpers/article/article.ts";
import type { LedgerEntry } from "../../helpers/host/ledger.ts";
import { readSettings } from "../../helpers/host/settings.ts";
import type { Hop } from "../../helpers/path/hops.ts";
import { drawPath } from "../../helpers/path/picture.ts";
import { recordedVerdicts } from "../when.ts";
import { articlePage } from "./article-page.ts";
import { recordedRun } from "./pages.ts";
import { timesPage } from "./times-page.ts";

const { BROWSER_PROGRAM, BROWSER_ENVIRONMENT, BROWSER_PAGES, BROWSER_SITE } = process.env;
if (BROWSER_PROGRAM === undefined || BROWSER_PAGES === undefined || BROWSER_SITE === undefined)
  throw new Error("run it by `npm run pages`");
const folder = BROWSER_PAGES;
const site = BROWSER_SITE;
const screenshots = join(dirname(folder), "screenshots");
/** It has the article's name. */
const diff = readdirSync(folder).flatMap((file) => /^(.+\.diff)\.html$/.exec(file)?.[1] ?? []);
const pages = ["index", "article", "recorded-matrix", "times", ...diff];

let browser: Browser;

beforeAll(async () => {
  mkdirSync(screenshots, { recursive: true });
  writeTimes();
  browser = await chromium.launch({
    executablePath: BROWSER_PROGRAM,
    env: { ...process.env, ...(JSON.parse(BROWSER_ENVIRONMENT ?? "{}") as Record<string, string>) },
    // Root has no sandbox, and nobody asks the network for anything.
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
  });
});
afterAll(() => (browser as Browser | undefined)?.close());

/** Writes the page of times as of a run in which the recorded run's claims began one after another: no recording has a ledger. */
function writeTimes(): void {
  const article = readArticle(readSettings({}).article);
  const results = recordedRun(article);
  if (results === undefined) throw new Error("there is no recorded run");
  const claims = results.claims.flatMap(({ id, milliseconds }, index): LedgerEntry[] => {
    if (milliseconds === undefined) return [];
    const begun = 40_000 + index * 400;
    const of = { claim: id, begun: begun + milliseconds / 4, lasted: milliseconds / 2 };
    return [
      { kind: "claim", what: id, begun, lasted: milliseconds, claim: id },
      {
        ...of,
        kind: "wait",
        what: "a pod with a long name to be ready",
        limit: 60_000,
        came: true,
        by: "specs/a.spec.ts",
      },
      { ...of, kind: "request", what: "POST /api/v1/namespaces/cast/pods", pods: 1 },
    ];
  });
  const entries: LedgerEntry[] = [
    { kind: "phase", what: "cluster", begun: 0, lasted: 40_000 },
    { kind: "phase", what: "claims", begun: 40_000, lasted: 100_000 },
    ...claims,
  ];
  const processor = Array.from({ length: 30 }, (_, index) => ({
    at: index * 5_000,
    seconds: { kubelet: index * 2, "runc and CNI programs": index * 3, suite: index },
    pods: index,
  }));
  writeFileSync(join(folder, "times.html"), timesPage({ results, article, entries, processor, pages: [] }));
}

/** Opens a page from disk; whatever it complains of or asks of others ends up in the list. */
async function open(
  name: string,
  options: Parameters<Browser["newPage"]>[0] = {},
): Promise<{ page: Page; complaints: string[] }> {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, locale: "zh-TW", ...options });
  const complaints: string[] = [];
  page.on("console", (message) => void (message.type() === "error" && complaints.push(message.text())));
  page.on("pageerror", (error) => void complaints.push(error.message));
  page.on(
    "request",
    (request) => void (request.url().startsWith("file:") || complaints.push(`asks for ${request.url()}`)),
  );
  await page.goto(pathToFileURL(join(folder, `${name}.html`)).href);
  return { page, complaints };
}

function tooWide(page: Page): Promise<number> {
  return page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
}

/** What axe finds that keeps people out. */
async function seriousIn(page: Page): Promise<unknown[]> {
  await page.evaluate(axe.source);
  const { violations } = await page.evaluate(() =>
    (window as unknown as { axe: typeof axe }).axe.run({ resultTypes: ["violations"] }),
  );
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => [id, nodes.length, nodes[0]?.html, nodes[0]?.failureSummary]);
}

test.each(pages)("%s.html opens from disk, asks nobody for anything, and fits a narrow screen", async (name) => {
  const { page, complaints } = await open(name);
  await page.screenshot({ path: join(screenshots, `${name}.png`) });
  for (const [width, as] of [
    [820, "tablet"],
    [390, "narrow"],
  ] as const) {
    await page.setViewportSize({ width, height: 800 });
    expect(await tooWide(page), "pixels too wide").toBe(0);
    await page.screenshot({ path: join(screenshots, `${name}-${as}.png`) });
  }
  expect(complaints).toEqual([]);
  await page.close();
});

test.each(pages)("%s.html has no serious finding of axe, in light and in dark", async (name) => {
  for (const colorScheme of ["light", "dark"] as const) {
    const { page } = await open(name, { colorScheme });
    expect(await seriousIn(page)).toEqual([]);
    if (colorScheme === "dark") await page.screenshot({ path: join(screenshots, `${name}-dark.png`) });
    await page.close();
  }
});

test.each(pages)("%s.html shows the language that was chosen", async (name) => {
  const { page } = await open(name);
  const [zh, en] = [page.locator("h1 [lang=zh-Hant]").first(), page.locator("h1 [lang=en]").first()];
  expect([await zh.isVisible(), await en.isVisible()]).toEqual([true, false]);
  await page.getByLabel("English").check();
  expect([await zh.isVisible(), await en.isVisible()]).toEqual([false, true]);
  await page.screenshot({ path: join(screenshots, `${name}-english.png`) });
  await page.close();
});

test("a page begins in the reader's language, and goes on in the one that was chosen before", async () => {
  const { page } = await open("index", { locale: "en-GB" });
  const shown = () => page.locator("h1 > span").filter({ visible: true }).getAttribute("lang");
  expect(await shown()).toBe("en");
  await page.getByLabel("中文").check();
  await page.locator("a[href^='article.html#']").first().click();
  expect(await shown()).toBe("zh-Hant");
  await page.close();
});

test.each(pages)("%s.html works without scripts", async (name) => {
  const { page } = await open(name, { javaScriptEnabled: false });
  expect(await page.locator("h1 [lang=zh-Hant]").first().isVisible()).toBe(true);
  await page.getByLabel("English").check();
  expect(await page.locator("h1 [lang=en]").first().isVisible()).toBe(true);
  await page.close();
});

test("with the keyboard alone, words of the article lead to what was seen, and the reason shows before", async () => {
  const { page } = await open("article");
  const word = page.locator("main a.word.refuted").first();
  for (
    let presses = 0;
    presses < 60 && !(await word.evaluate((element) => element === document.activeElement));
    presses++
  )
    await page.keyboard.press("Tab");
  expect(await word.locator(".tip").isVisible()).toBe(true);
  await page.keyboard.press("Enter");
  const target = (await word.getAttribute("href")) ?? "";
  expect(await page.locator(target).isVisible()).toBe(true);
  expect(await page.locator("aside .claim").filter({ visible: true }).count()).toBe(1);
  await page.close();
});

test("a sentence chosen from the list of what is wrong is seen in the article, beside what was seen of it", async () => {
  const { page } = await open("article");
  const last = page.locator("aside .hint a").last();
  const target = (await last.getAttribute("href")) ?? "";
  await last.click();
  expect(await page.locator(target).evaluate((place) => place.getBoundingClientRect().top)).toBeLessThan(900);
  const claim = target.replace(/-words$/, "");
  expect(await page.locator(claim).isVisible()).toBe(true);
  expect(await page.locator(claim).evaluate((details) => details.getBoundingClientRect().top)).toBeLessThan(900);
  expect(await page.locator("aside .claim").filter({ visible: true }).count()).toBe(1);
  const outline = (id: string) =>
    page
      .locator(`main .${id}`)
      .first()
      .evaluate((word) => getComputedStyle(word).outlineStyle);
  expect(await outline(claim.slice(1))).toBe("solid");
  await page.screenshot({ path: join(screenshots, "article-chosen.png") });
  await page.close();
});

test("only what is wrong can be marked", async () => {
  const { page } = await open("article");
  const sign = page.locator("main a.word.holds > .sign").first();
  expect(await sign.isVisible()).toBe(true);
  await page.locator("#only-wrong").check();
  expect(await sign.isVisible()).toBe(false);
  expect(await page.locator("main a.word.refuted > .sign").first().isVisible()).toBe(true);
  await page.close();
});

test("on a telephone the page of what corrections change shows them, and the lines between them on demand", async () => {
  expect(diff).toHaveLength(1);
  const { page } = await open(diff[0] ?? "", { viewport: { width: 390, height: 800 } });
  const changes = page.locator(".changed ins");
  expect(await changes.count()).toBeGreaterThan(10);
  expect(await changes.first().isVisible()).toBe(true);
  const between = page.locator("details p").first();
  expect(await between.isVisible()).toBe(false);
  await page.locator("summary").first().click();
  expect(await between.isVisible()).toBe(true);
  await page.close();
});

test("the matrix shows what was asked for: a verdict, a section, what differs, words", async () => {
  const { page } = await open("recorded-matrix", { locale: "en-GB" });
  const rows = page.locator("tbody tr[data-verdicts]").filter({ visible: true });
  const all = await rows.count();
  await page.getByText("what differs").click();
  const differing = await rows.count();
  expect(differing).toBeGreaterThan(0);
  expect(differing).toBeLessThan(all);
  await page.getByText("what differs").click();
  await page.getByLabel("section").selectOption({ index: 1 });
  expect(await rows.count()).toBeLessThan(all);
  expect(await page.locator("output").textContent()).toBe(`${await rows.count()} / ${all}`);
  await page.getByLabel("section").selectOption({ index: 0 });
  await page.getByLabel("words").pressSequentially("ndots");
  expect(await rows.count()).toBeLessThan(all);
  await page.close();
});

test("the map of the matrix fits one screen with all its cells, tells what is pointed at, and leads to its row", async () => {
  const { page } = await open("recorded-matrix", { locale: "en-GB" });
  const picture = page.locator(".map svg");
  const { x, y, width, height } = (await picture.boundingBox()) ?? { x: 0, y: 0, width: 0, height: 0 };
  expect(y + height).toBeLessThan(900);
  expect(x + width).toBeLessThanOrEqual(1280);
  const column = page.locator(".map svg a").nth(40);
  await column.hover();
  const target = (await column.getAttribute("href")) ?? "";
  const statement = page.locator(`${target} .statement`);
  expect(await page.locator(".pointed").textContent()).toBe(await statement.innerText());
  await column.click();
  expect(await statement.evaluate((row) => row.getBoundingClientRect().top)).toBeGreaterThan(100);
  await page.close();
});

test("a border in the matrix tells its reason to mouse and keyboard, in the reader's language", async () => {
  const { page } = await open("recorded-matrix");
  const border = page.locator("td.flip button").first();
  expect(await border.locator(".tip").isVisible()).toBe(false);
  await border.focus();
  expect(await border.locator(".tip").isVisible()).toBe(true);
  expect(await border.locator(".tip").innerText()).toMatch(/\p{Script=Han}/u);
  await page.close();
});

test("on a telephone a claim's verdicts stand below it, from version to version", async () => {
  const { page } = await open("recorded-matrix", { viewport: { width: 390, height: 800 } });
  const rows = page.locator("tbody tr[data-verdicts]").filter({ visible: true });
  const all = await rows.count();
  await page.locator("input[name=flips]").check();
  expect(await rows.count()).toBeLessThan(all);
  const row = page.locator("tbody tr[data-flips]").first();
  expect(await row.locator("td").first().isVisible()).toBe(false);
  expect(await row.locator(".runs").innerText()).toMatch(/✓ .*\d+\.\d+\.\d+/);
  await page.close();
});

test("what is typed finds claims, and a chosen one is seen with its words, on a telephone too", async () => {
  const { page } = await open("article", { viewport: { width: 390, height: 800 }, locale: "en-GB" });
  await page.getByLabel("find a claim").pressSequentially("kindnet allots");
  const found = page.locator(".found a").first();
  const target = (await found.getAttribute("href")) ?? "";
  await found.click();
  const top = (selector: string) =>
    page
      .locator(selector)
      .first()
      .evaluate((place) => place.getBoundingClientRect().top);
  const [words, details] = [await top(target), await top(target.replace(/-words$/, ""))];
  expect(words).toBeGreaterThanOrEqual(0);
  expect(words).toBeLessThan(details);
  expect(details).toBeLessThan(800);
  await page.screenshot({ path: join(screenshots, "article-telephone.png") });
  await page.getByText("✕ close").click();
  expect(await page.locator("aside .claim").filter({ visible: true }).count()).toBe(0);
  await page.close();
});

test.each(["index", "article"])(
  "%s.html has no English sentence that a reader of Chinese sees as the pages' own",
  async (name) => {
    const { page } = await open(name);
    if (name === "article")
      await page.goto(`${page.url()}#${await page.locator("aside .claim").first().getAttribute("id")}`);
    const sentences = await page.evaluate(() => {
      const found: string[] = [];
      const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
      for (let node = walker.nextNode(); node !== null; node = walker.nextNode()) {
        const around = node.parentElement;
        const another = around?.closest(
          ".source, code, pre, mark, details, a[href^=http], td, nav, script, style, text",
        );
        if (around === null || another !== null || !around.checkVisibility()) continue;
        // Three words in a row are more than a name.
        if (/[A-Za-z]{2,} [a-z]{2,} [a-z]{2,}/.test(node.textContent ?? "")) found.push(node.textContent ?? "");
      }
      return found;
    });
    expect(sentences).toEqual([]);
    await page.close();
  },
);

test("one goes through the picture of a path from hop to hop", async () => {
  const article = readArticle(readSettings({}).article);
  const results = recordedRun(article);
  if (results === undefined) throw new Error("there is no recorded run");
  const claim = results.claims.find(({ verdict }) => verdict !== undefined);
  const hop = (node: string, to: string): Hop => ({
    ...{ node, interface: "eth0", direction: "in", from: "10.244.1.2", fromPort: 40_000, to, toPort: 80, ttl: 64 },
    ...{ translated: [], by: [] },
  });
  const svg = drawPath({
    title: "a path",
    hops: [hop("worker", "10.96.0.9"), hop("worker2", "10.244.2.3")],
    client: { lane: "worker", words: "client-1" },
    server: { lane: "worker2", words: "server-2" },
  });
  const html = articlePage({
    ...{ results, article, allure: new Map(), recordedVerdicts: recordedVerdicts(undefined, article) },
    evidence: new Map([[claim?.id ?? "", { texts: [], pictures: [{ path: "path.svg", title: "a path", svg }] }]]),
  });
  writeFileSync(join(folder, "path.html"), html);
  const { page, complaints } = await open("path", { locale: "en-GB" });
  await page.goto(`${page.url()}#${claim?.id}`);
  const figure = page.locator("figure.path");
  expect(await figure.locator("g.later").count()).toBe(0);
  await figure.getByLabel("hop ›").click();
  expect(await figure.locator("output").textContent()).toBe("1/4 · client-1");
  await figure.getByLabel("hop ›").click();
  expect(await figure.locator("output").textContent()).toMatch(
    /^2\/4 · worker: eth0 in, 10\.244\.1\.2:40000 → 10\.96\.0\.9:80/,
  );
  expect(await figure.locator("g.later").count()).toBe(2);
  expect(complaints).toEqual([]);
  await page.close();
});

test.each(["index", "docs/readme", "docs/checks"])(
  "%s.html of the site opens from disk, fits a narrow screen, and has no serious finding of axe",
  async (name) => {
    const { page, complaints } = await open(join(relative(folder, site), name), { locale: "en-GB" });
    expect(await page.locator("h1").count()).toBe(1);
    expect(await seriousIn(page)).toEqual([]);
    await page.setViewportSize({ width: 390, height: 800 });
    expect(await tooWide(page), "pixels too wide").toBe(0);
    expect(complaints).toEqual([]);
    await page.close();
  },
);

test("pictures for the README are in its own language", async () => {
  const shown = [
    ["index", "start-page"],
    ["article", "article"],
    ["recorded-matrix", "matrix"],
  ] as const;
  for (const [name, as] of shown) {
    const { page } = await open(name, { locale: "en-GB", viewport: { width: 1200, height: 800 } });
    if (name === "article") await page.locator("main a.word.refuted").nth(1).click();
    expect(await page.locator("h1 > [lang=en]").first().isVisible()).toBe(true);
    await page.screenshot({ path: join(screenshots, "readme", `${as}.png`) });
    await page.close();
  }
});
