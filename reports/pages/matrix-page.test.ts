import { expect, test } from "vitest";
import { readArticle } from "../../helpers/article/article.ts";
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

test("each claim is a row, with a symbol and a word for each cell", () => {
  const rows = page.match(/<tr id="[^"]+".*?<\/tr>/g) ?? [];
  expect(rows).toHaveLength(matrix.claims.length);
  const flipped = matrix.claims.find(({ id }) => id === flipping);
  const row = rows.find((each) => each.includes(`id="${flipping}"`));
  expect(flipped?.flips).toHaveLength(1);
  expect(row).toMatch(
    /<td><span class="verdict holds">✓ .*?holds.*?<td class="flip"><span class="verdict refuted">✗ .*?refuted/,
  );
  expect(row).toContain("1.24.0 holds → 1.37.0 refuted.");
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
