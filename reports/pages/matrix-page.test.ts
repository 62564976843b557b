import { expect, test } from "vitest";
import { readArticle } from "../../helpers/article/article.ts";
import { textIn } from "../../helpers/article/languages.ts";
import { Results } from "../../helpers/claim/results.ts";
import { cellNamed } from "../../helpers/cluster/cells.ts";
import { readSettings } from "../../helpers/host/settings.ts";
import { matrixOf } from "../matrix.ts";
import { matrixPage } from "./matrix-page.ts";
import { recordedRun } from "./pages.ts";

const recorded = recordedRun(readArticle(readSettings().article)) as Results;
const flipping = recorded.claims.find(({ verdict }) => verdict === "refuted")?.id ?? "";
/** The same run as if it had been of an older version, on which one sentence held. */
const older: Results = {
  ...recorded,
  world: { ...recorded.world, kubernetes: "v1.24.0" },
  claims: recorded.claims.map((claim) =>
    claim.id === flipping ? { ...claim, verdict: "holds", expected: "holds" } : claim,
  ),
};
const matrix = matrixOf([
  { cell: cellNamed("1.24.0"), results: older },
  { cell: cellNamed("1.37.0"), results: recorded },
]);
const page = matrixPage(matrix);

test("each claim is a row, with a sign for each cell, and with the reason where the verdict is another", () => {
  const rows = page.match(/<tr id="[^"]+".*?<\/tr>/g) ?? [];
  expect(rows).toHaveLength(matrix.claims.length);
  const flipped = matrix.claims.find(({ id }) => id === flipping);
  const row = rows.find((each) => each.includes(`id="${flipping}"`));
  expect(flipped?.flips).toHaveLength(1);
  expect(row).toMatch(/<td class="holds begins">✓<\/td><td class="refuted flip"><button type="button">✗/);
  const { because } = flipped?.verdicts["1.37.0"] ?? {};
  expect(row).toMatch(/<span class="tip">1\.24\.0 .*?✓ .*? → 1\.37\.0 .*?✗ /);
  expect(row).toContain(`<span lang="zh-Hant">${textIn(because ?? { en: "" }, "zh-Hant")}</span>`);
  expect(row).toMatch(/class="verdict holds">✓ 1\.24\.0 <\/span><span class="verdict refuted">✗ 1\.37\.0 /);
});

test("the map has each verdict of each cell once, and a border where it changes", () => {
  const drawn = [...page.matchAll(/<path class="(\w+)" d="([^"]+)"/g)].map(
    ([, name = "", d = ""]) => [name, d.split("z").length - 1] as const,
  );
  const count = (verdict: string) =>
    matrix.claims.flatMap(({ verdicts }) => Object.values(verdicts)).filter((each) => each.verdict === verdict).length;
  expect(drawn).toEqual([
    ...["holds", "refuted", "external"].map((verdict) => [verdict, count(verdict)]),
    ["border", matrix.claims.flatMap(({ flips }) => flips).length],
  ]);
});

test("nothing comes from elsewhere, and no other script or style may run", () => {
  expect(page).toMatch(
    /Content-Security-Policy" content="default-src &#39;none&#39;|Content-Security-Policy" content="default-src 'none'/,
  );
  expect(page).not.toMatch(/(?:src|href)="https?:/);
  expect(page.match(/<script>/g)).toHaveLength(1);
});

test("what came from a cluster stays text", () => {
  const [first, ...others] = matrix.claims;
  if (first === undefined) throw new Error("no claims");
  const evil = { ...first, en: "<script>alert(1)</script>", zh: '"><img src=x>' };
  const html = matrixPage({ ...matrix, claims: [evil, ...others] });
  expect(html).toContain("&lt;script>alert(1)&lt;/script>");
  expect(html).not.toContain("<img");
});
