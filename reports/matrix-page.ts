import { createHash } from "node:crypto";
import { type ComponentChild, h } from "preact";
import { render } from "preact-render-to-string";
import type { Matrix } from "./matrix.ts";
import { symbols } from "./words.ts";

type MatrixClaim = Matrix["claims"][number];

const style = `
:root { color-scheme: light dark; --ink: light-dark(#24313d, #dbe4ec); --paper: light-dark(#fff, #14191e); --line: light-dark(#c8d0d8, #3a454f);
  --holds: light-dark(#1d6b34, #7fd09a); --refuted: light-dark(#b3261e, #ff9d94); --external: light-dark(#5b6b7a, #9fb0bf); --flip: light-dark(#fff3d6, #4a3c14); }
body { margin: 1.5rem; font: 15px/1.5 system-ui, "Noto Sans TC", sans-serif; color: var(--ink); background: var(--paper); }
h1 { font-size: 1.4rem; } fieldset { display: inline-block; margin: 0 1rem 1rem 0; border: 1px solid var(--line); border-radius: 6px; }
label { margin-right: .8rem; white-space: nowrap; } table { border-collapse: collapse; }
th, td { border: 1px solid var(--line); padding: .35rem .6rem; text-align: left; vertical-align: top; }
thead th { position: sticky; top: 0; background: var(--paper); z-index: 1; } td.verdict { white-space: nowrap; }
tbody th { font-weight: normal; min-width: 22rem; } tbody th p { margin: 0; } [lang=zh-Hant] { opacity: .8; font-size: .9em; }
.holds { color: var(--holds); } .refuted { color: var(--refuted); } .external, .inconclusive { color: var(--external); }
td.flip { background: var(--flip); font-weight: bold; } tr.section th { font-weight: bold; background: light-dark(#f4f6f8, #1d242b); }
details { font-size: .9em; } [hidden] { display: none; } @media print { fieldset { display: none; } thead th { position: static; } }
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
form.hidden = false;
form.addEventListener("change", filter);
filter();
`;

/** Returns the matrix as a page that needs nothing from elsewhere; evidence is linked below `cells/`, beside it. */
export function matrixPage(matrix: Matrix): string {
  const { article, sections, cells, claims } = matrix;
  const hash = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
  const policy = `default-src 'none'; style-src ${hash(style)}; script-src ${hash(script)}; base-uri 'none'; form-action 'none'`;
  const page = h("html", { lang: "en" }, [
    h("head", {}, [
      h("meta", { charSet: "utf-8" }),
      h("meta", { httpEquiv: "Content-Security-Policy", content: policy }),
      h("meta", { name: "viewport", content: "width=device-width" }),
      h("title", {}, `${article.en}: claims by version`),
      h("style", { dangerouslySetInnerHTML: { __html: style } }),
    ]),
    h("body", {}, [
      h("h1", {}, `${article.en}: which claim holds where`),
      h("p", { lang: "zh-Hant" }, article.zh),
      h("p", {}, [
        "A bold cell differs from the one before it, or, for another mode or family, from kind's defaults of that version: ",
        "the claim's reasons say why.",
      ]),
      filters(matrix),
      h("table", {}, [
        h("thead", {}, h("tr", {}, [h("th", { scope: "col" }, "claim"), ...cells.map(columnHead)])),
        h(
          "tbody",
          {},
          sections.flatMap(({ id, en, zh }) => [
            h("tr", { class: "section", "data-of": id }, h("th", { colSpan: cells.length + 1 }, `${en} · ${zh}`)),
            ...claims.filter(({ section }) => section === id).map((claim) => row(claim, matrix)),
          ]),
        ),
      ]),
      h("script", { dangerouslySetInnerHTML: { __html: script } }),
    ]),
  ]);
  return `<!doctype html>\n${render(page)}\n`;
}

function filters({ sections }: Matrix): ComponentChild {
  const box = (name: string, value: string, checked: boolean, words: string) =>
    h("label", {}, [h("input", { type: "checkbox", name, value, checked }), ` ${words}`]);
  return h("form", { hidden: true }, [
    h("fieldset", {}, [
      h("legend", {}, "verdict somewhere"),
      ...Object.entries(symbols).map(([verdict, symbol]) => box("verdict", verdict, true, `${symbol} ${verdict}`)),
    ]),
    h("fieldset", {}, [
      h("legend", {}, "section"),
      h("select", { name: "section", "aria-label": "section" }, [
        h("option", { value: "" }, "all"),
        ...sections.map(({ id, en }) => h("option", { value: id }, en)),
      ]),
    ]),
    h("fieldset", {}, [h("legend", {}, "borders"), box("flips", "only", false, "only claims whose verdict differs")]),
    h("output", {}),
  ]);
}

function columnHead({ id, why, proxyMode, ipFamilies, nodes }: Matrix["cells"][number]): ComponentChild {
  const world = `kube-proxy ${proxyMode}, ${ipFamilies.join("+")}, ${nodes} nodes: ${why}`;
  return h("th", { scope: "col", title: world }, h("a", { href: `cells/${id}/allure-report/index.html` }, id));
}

function row({ id, section, en, zh, verdicts, flips }: MatrixClaim, { cells }: Matrix): ComponentChild {
  const seen = [...new Set(Object.values(verdicts).map(({ verdict }) => verdict))].join(" ");
  return h(
    "tr",
    { id, "data-section": section, "data-verdicts": seen, "data-flips": flips.length > 0 ? "" : undefined },
    [
      h("th", { scope: "row" }, [
        h("p", {}, en),
        h("p", { lang: "zh-Hant" }, zh),
        flips.length === 0 ? null : reasons(flips),
      ]),
      ...cells.map((cell) => {
        const found = verdicts[cell.id];
        if (found?.verdict === undefined) return h("td", { class: "verdict" }, "–");
        const flip = flips.some(({ to }) => to === cell.id);
        const surprise = found.verdict === found.expected ? "" : ` (expected ${found.expected})`;
        const classes = ["verdict", found.verdict, ...(flip ? ["flip"] : [])].join(" ");
        return h("td", { class: classes }, `${symbols[found.verdict]} ${found.verdict}${surprise}`);
      }),
    ],
  );
}

function reasons(flips: MatrixClaim["flips"]): ComponentChild {
  return h("details", {}, [
    h("summary", {}, "why it differs"),
    h(
      "ul",
      {},
      flips.map(({ from, to, before, after, because }) =>
        h("li", {}, `${from} ${before} → ${to} ${after}. ${because}`),
      ),
    ),
  ]);
}
