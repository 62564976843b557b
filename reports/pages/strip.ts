import { type ComponentChild, h } from "preact";
import type { ClaimResult } from "../../helpers/claim/results.ts";
import { placeOfWords } from "../words.ts";

/** What strips look like. */
export const stripStyle = `
.blocks { display: block; height: 1rem; max-width: 100%; background: var(--soft); }
.blocks rect { stroke: var(--paper); stroke-width: 1; vector-effect: non-scaling-stroke; }
.blocks .holds { fill: color-mix(in srgb, var(--holds) 45%, var(--paper)); }
.blocks .refuted { fill: var(--refuted); }
.blocks .external { fill: color-mix(in srgb, var(--external) 40%, var(--paper)); }
.blocks .inconclusive { fill: var(--inconclusive); }
.blocks.all { width: 100%; height: 1.6rem; }
.blocks.all rect { stroke-width: .5; }
.blocks a:hover rect { stroke: var(--ink); }
`;

/**
 * Returns a block for each claim, in the article's order; each leads to its words.
 *
 * @param page on which the article is
 * @param width in pixels; as wide as there is place, where absent
 */
export function claimStrip(
  claims: readonly ClaimResult[],
  { page, width }: { readonly page: string; readonly width?: number },
): ComponentChild {
  return h(
    "svg",
    {
      ...{ class: width === undefined ? "blocks all" : "blocks", viewBox: `0 0 ${Math.max(1, claims.length)} 1` },
      ...(width === undefined ? {} : { width }),
      ...{ preserveAspectRatio: "none", "aria-hidden": "true" },
    },
    claims.map(({ id, verdict = "inconclusive" }, x) =>
      h(
        "a",
        { href: `${page}#${placeOfWords(id)}`, tabIndex: -1 },
        h("rect", { class: verdict, x, y: 0, width: 1, height: 1 }),
      ),
    ),
  );
}
