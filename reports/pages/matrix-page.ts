import { type ComponentChild, h } from "preact";
import type { Matrix } from "../matrix.ts";
import { placeOfWords, symbols } from "../words.ts";
import { both, inEach, languageSwitch, pageOf, verdictMark } from "./look.ts";

type MatrixClaim = Matrix["claims"][number];

const style = `
body { margin: 1.5rem; font-size: 15px; } h1 { font-size: 1.4rem; } table { border-collapse: collapse; }
th, td { border: 1px solid var(--line); padding: .35rem .6rem; text-align: left; vertical-align: top; }
thead th { position: sticky; top: 0; background: var(--paper); z-index: 1; } td { white-space: nowrap; }
tbody tr { scroll-margin-top: 6rem; } tbody tr:target { outline: 2px solid var(--ink); } tbody th { font-weight: normal; min-width: 22rem; } tr.section th { font-weight: bold; background: var(--soft); }
td.flip { background: light-dark(#fff3d6, #4a3c14); font-weight: bold; } details { font-size: .9em; } @media print { thead th { position: static; } }
`;

/** Without it the page shows everything; with it rows are hidden that were not asked for. */
const script = `
const form = document.querySelector("form");
const count = document.querySelector("output");
function filter() {
  const data = new FormData(form);
  const verdicts = new Set(data.getAll("verdict"));
  let shown = 0;
  for (const row of document.querySelectorAll("tr[data-verdicts]")) {
    row.hidden = !row.dataset.verdicts.split(" ").some((verdict) => verdicts.has(verdict))
      || (data.get("section") !== "" && data.get("section") !== row.dataset.section)
      || (data.has("flips") && !row.hasAttribute("data-flips"));
    if (!row.hidden) shown++;
  }
  for (const row of document.querySelectorAll("tr.section"))
    row.hidden = !document.querySelector('tr[data-section="' + row.dataset.of + '"]:not([hidden])');
  count.textContent = shown + " claims";
}
form.addEventListener("change", filter);
filter();
`;

/**
 * Returns the matrix as a page that needs nothing from elsewhere.
 *
 * @param linked the cells' own pages lie below `cells/`, beside it
 */
export function matrixPage(matrix: Matrix, linked = false): string {
  const { article, sections, cells, claims } = matrix;
  return pageOf(
    article,
    `${article.en}: claims by version`,
    style,
    [
      h("h1", {}, [both(article), " – ", both({ en: "which claim holds where", zh: "哪些主張在哪裡成立" })]),
      h(
        "p",
        {},
        both({
          en: "A bold cell differs from the one before it, or, for another mode, family or CNI plugin, from kind's defaults of that version: the claim's reasons say why.",
          zh: "粗體的格子與前一格不同；若是其他模式、位址族或 CNI 外掛，則是與同版本的 kind 預設不同。原因列在主張下方。",
        }),
      ),
      filters(matrix),
      h("table", {}, [
        h(
          "thead",
          {},
          h("tr", {}, [h("th", { scope: "col" }, "claim"), ...cells.map((cell) => columnHead(cell, linked))]),
        ),
        h(
          "tbody",
          {},
          sections.flatMap((section) => [
            h("tr", { class: "section", "data-of": section.id }, h("th", { colSpan: cells.length + 1 }, both(section))),
            ...claims.filter((claim) => claim.section === section.id).map((claim) => row(claim, matrix, linked)),
          ]),
        ),
      ]),
    ],
    script,
  );
}

function filters({ sections }: Matrix): ComponentChild {
  const box = (name: string, value: string, checked: boolean, words: ComponentChild) =>
    h("label", {}, [h("input", { type: "checkbox", name, value, checked }), " ", words]);
  return h("form", {}, [
    languageSwitch(),
    h("fieldset", {}, [
      h("legend", {}, both({ en: "verdict somewhere", zh: "某處的判定" })),
      ...Object.entries(symbols).map(([verdict, symbol]) => box("verdict", verdict, true, `${symbol} ${verdict}`)),
    ]),
    h("fieldset", {}, [
      h("legend", {}, both({ en: "section", zh: "章節" })),
      h("select", { name: "section", "aria-label": "section" }, [
        h("option", { value: "" }, "all"),
        ...sections.map(({ id, en }) => h("option", { value: id }, en)),
      ]),
    ]),
    h("fieldset", {}, [
      h("legend", {}, both({ en: "borders", zh: "界線" })),
      box("flips", "only", false, ["✗/✓ ", inEach({ en: "only what differs", zh: "只看不同的" })]),
    ]),
    h("output", {}),
  ]);
}

function columnHead(
  { id, why, proxyMode, ipFamilies, cni, nodes, started, suite }: Matrix["cells"][number],
  linked: boolean,
): ComponentChild {
  const world = `kube-proxy ${proxyMode}, ${ipFamilies.join("+")}, ${cni}, ${nodes} nodes: ${why} (${started.slice(0, 10)}, commit ${suite.commit.slice(0, 7)})`;
  const name = linked ? h("a", { href: `cells/${id}/index.html` }, id) : id;
  return h("th", { scope: "col", title: world }, name);
}

function row(claim: MatrixClaim, { cells }: Matrix, linked: boolean): ComponentChild {
  const { id, section, verdicts, flips } = claim;
  const seen = [...new Set(Object.values(verdicts).map(({ verdict }) => verdict))].join(" ");
  return h(
    "tr",
    { id, "data-section": section, "data-verdicts": seen, "data-flips": flips.length > 0 ? "" : undefined },
    [
      h("th", { scope: "row" }, [both(claim), flips.length === 0 ? null : reasons(flips)]),
      ...cells.map((cell) => {
        const found = verdicts[cell.id];
        if (found?.verdict === undefined) return h("td", {}, "–");
        const flip = flips.some(({ to }) => to === cell.id) ? "flip" : undefined;
        const surprise = found.verdict === found.expected ? "" : ` (expected ${found.expected})`;
        const mark = [verdictMark(found.verdict), surprise];
        return h(
          "td",
          { class: flip },
          linked ? h("a", { href: `cells/${cell.id}/article.html#${placeOfWords(id)}` }, mark) : mark,
        );
      }),
    ],
  );
}

function reasons(flips: MatrixClaim["flips"]): ComponentChild {
  return h("details", {}, [
    h("summary", {}, both({ en: "why it differs", zh: "為何不同" })),
    h(
      "ul",
      {},
      flips.map(({ from, to, before, after, because }) =>
        h("li", {}, `${from} ${before} → ${to} ${after}. ${because}`),
      ),
    ),
  ]);
}
