import { type ComponentChild, h } from "preact";
import { ownCni } from "../../helpers/claim/world.ts";
import type { Matrix } from "../matrix.ts";
import { type Bilingual, placeOfWords, symbols, verdictWords } from "../words.ts";
import { both, inEach, type NamedPage, pageOf, topBar, verdictMark } from "./look.ts";

type MatrixClaim = Matrix["claims"][number];
type MatrixCell = Matrix["cells"][number];

const style = `
body { margin: 0 auto; max-width: 92rem; font-size: 15px; line-height: 1.45; }
.map { display: grid; grid-template-columns: auto minmax(0, 1fr); column-gap: .5rem; margin: 1rem 0 .2rem; }
.map .names { display: grid; font-size: .75rem; line-height: 1.05rem; text-align: right; white-space: nowrap; } .map .names span { height: 1.05rem; } .map .names .begins { border-top: 1px solid var(--line); }
.map svg { display: block; width: 100%; height: 100%; background: var(--soft); } .map a:hover rect { fill: currentColor; fill-opacity: .18; }
.map .holds { fill: var(--holds); fill-opacity: .3; } .map .refuted { fill: var(--refuted); } .map .external { fill: var(--external); fill-opacity: .75; } .map .inconclusive { fill: var(--inconclusive); } .map .border { fill: var(--ink); } .map .whole { fill: transparent; }
.sections { grid-column: 2; display: flex; font-size: .7rem; } .sections a { flex: 1 1 0; min-width: 0; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; border-left: 1px solid var(--line); padding-left: 2px; text-decoration: none; }
.pointed { min-height: 1.5em; margin: .2rem 0; } .legend { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; margin: .4rem 0; padding: 0; list-style: none; } .legend b { display: inline-block; min-width: 1.3rem; text-align: center; white-space: nowrap; }
.heat { border-collapse: separate; border-spacing: 0; width: 100%; } .heat th { font-weight: normal; text-align: left; } .heat tbody th { padding: .15rem .6rem .15rem .2rem; border-bottom: 1px solid var(--line); min-width: 18rem; }
.heat thead th { position: sticky; z-index: 2; background: var(--paper); } .heat thead tr:first-child th { top: 0; height: 1.6rem; font-size: .75rem; border-left: 1px solid var(--line); padding: 0 .2rem; overflow: hidden; white-space: nowrap; } .heat thead tr:last-child th { top: 1.6rem; height: 7.2rem; vertical-align: bottom; border-bottom: 2px solid var(--line); }
.heat .cell { writing-mode: vertical-rl; transform: rotate(180deg); font-size: .75rem; line-height: 1.7rem; white-space: nowrap; }
.heat td { position: relative; width: 1.75rem; min-width: 1.75rem; padding: 0; text-align: center; border-bottom: 1px solid var(--line); } .heat .begins { border-left: 1px solid var(--line); }
.heat td.holds { color: var(--holds); background: color-mix(in srgb, var(--holds) 14%, transparent); } .heat td.refuted { color: var(--paper); background: var(--refuted); font-weight: bold; } .heat td.external { color: var(--external); } .heat td.inconclusive { color: var(--inconclusive); background: color-mix(in srgb, var(--inconclusive) 20%, transparent); }
.heat td.flip { box-shadow: inset 3px 0 0 var(--ink); } .heat td a, .heat td button { display: block; width: 100%; padding: .15rem 0; border: 0; font: inherit; color: inherit; background: none; text-decoration: none; cursor: pointer; } .heat td :is(a, button):is(:hover, :focus-visible) { outline: 2px solid var(--ink); outline-offset: -2px; }
.tip { display: none; position: absolute; right: 0; top: 100%; z-index: 3; width: 24rem; padding: .5rem .7rem; text-align: left; font-size: 14px; font-weight: normal; line-height: 1.5; color: var(--ink); background: var(--paper); border: 1px solid var(--line); border-radius: 6px; box-shadow: 0 4px 14px #0003; }
:is(a, button):is(:hover, :focus) > .tip { display: block; }
.heat tr.section th { padding: .5rem .2rem .2rem; font-weight: bold; background: var(--soft); } .heat tbody tr { scroll-margin-top: 9.5rem; } .heat tbody tr:target th { outline: 2px solid var(--ink); outline-offset: -2px; } .runs { display: none; } form.filter fieldset { padding: .1rem .6rem .3rem; font-size: .9rem; } form.filter select { max-width: 13rem; font: inherit; } form.filter legend { font-size: .8rem; }
@media (max-width: 60rem) { .heat, .heat tbody, .heat tr, .heat th { display: block; } .heat thead, .heat td { display: none; } .runs { display: block; margin: .1rem 0 .4rem; font-size: .85rem; } .heat tbody th { min-width: 0; } .map .names { font-size: .6rem; } .sections { display: none; } }
@media print { .heat thead th { position: static; } .map, form { display: none; } }
`;

/** Without it the page shows everything; with it rows are hidden that were not asked for, and the map tells what is pointed at. */
const script = `
const form = document.querySelector("form.filter");
const count = document.querySelector("output");
function filter() {
  const data = new FormData(form);
  const verdicts = new Set(data.getAll("verdict"));
  const words = data.get("words").trim().toLowerCase();
  let shown = 0;
  for (const row of document.querySelectorAll("tr[data-verdicts]")) {
    row.hidden = row.dataset.verdicts !== "" && !row.dataset.verdicts.split(" ").some((verdict) => verdicts.has(verdict))
      || (data.get("section") !== "" && data.get("section") !== row.dataset.section)
      || (data.has("flips") && !row.hasAttribute("data-flips"))
      || (words !== "" && !(row.id + " " + row.querySelector("th").textContent).toLowerCase().includes(words));
    if (!row.hidden) shown++;
  }
  for (const row of document.querySelectorAll("tr.section"))
    row.hidden = !document.querySelector('tr[data-section="' + row.dataset.of + '"]:not([hidden])');
  count.textContent = shown + " / " + document.querySelectorAll("tr[data-verdicts]").length;
}
form.addEventListener("input", filter);
form.addEventListener("submit", (event) => event.preventDefault());
filter();
const pointed = document.querySelector(".pointed");
for (const column of document.querySelectorAll(".map svg a")) {
  const row = document.getElementById(column.getAttribute("href").slice(1));
  column.addEventListener("pointerenter", () => {
    pointed.textContent = row.hidden ? "" : row.querySelector(".statement").innerText;
  });
  column.addEventListener("click", () => {
    if (row.hidden) form.reset();
    filter();
  });
}
`;

/** Cells that differ from kind's defaults in the same thing. */
interface Group {
  readonly name: Bilingual;
  readonly cells: readonly MatrixCell[];
}

const axes: readonly (readonly [
  name: Bilingual,
  differs: (cell: MatrixCell, all: readonly MatrixCell[]) => boolean,
])[] = [
  [{ en: "kind", zh: "kind" }, ({ kind }, all) => kind !== usual(all.map((cell) => cell.kind))],
  [
    { en: "kube-proxy", zh: "kube-proxy" },
    ({ proxyMode }, all) => proxyMode !== usual(all.map((cell) => cell.proxyMode)),
  ],
  [{ en: "IP", zh: "IP" }, ({ ipFamilies }) => ipFamilies.join() !== "ipv4"],
  [{ en: "nodes", zh: "節點" }, ({ nodes }, all) => nodes !== usual(all.map((cell) => cell.nodes))],
  [{ en: "CNI", zh: "CNI" }, ({ cni }) => cni !== ownCni],
];

/** Returns what most of them are. */
function usual<T>(values: readonly T[]): T | undefined {
  return [...Map.groupBy(values, (value) => value)].toSorted(([, a], [, b]) => b.length - a.length)[0]?.[0];
}

/** Returns the cells by what makes them differ: first the versions, each with kind's defaults, in their order. */
function groupsOf(cells: readonly MatrixCell[]): Group[] {
  const axisOf = (cell: MatrixCell) => axes.find(([, differs]) => differs(cell, cells))?.[0];
  const versions = { en: "Kubernetes, with kind's defaults", zh: "Kubernetes 版本（kind 的預設）" };
  return [undefined, ...axes.map(([name]) => name)]
    .map((name) => ({ name: name ?? versions, cells: cells.filter((cell) => axisOf(cell) === name) }))
    .filter((group) => group.cells.length > 0);
}

/**
 * Returns the matrix as a page that needs nothing from elsewhere: a map of all of it, and a row for each claim.
 *
 * @param linked the cells' own pages lie below `cells/`, beside it
 * @param pages beside it, which its bar leads to
 */
export function matrixPage(matrix: Matrix, linked = false, pages: readonly NamedPage[] = []): string {
  const { article, sections, claims } = matrix;
  const groups = groupsOf(matrix.cells);
  const columns = groups.flatMap(({ cells }) =>
    cells.map((cell, index) => ({ cell, begins: index === 0 ? "begins" : "" })),
  );
  return pageOf(
    article,
    `${article.en}: claims by version`,
    style + widthsOf(matrix),
    [
      topBar(pages),
      h("main", {}, [
        h("h1", {}, [both(article), " – ", both({ en: "which claim holds where", zh: "哪些主張在哪裡成立" })]),
        h(
          "p",
          { class: "small" },
          both({
            en: "Each column of the map is a claim, each line a cluster. Point at one, or choose it to come to its row.",
            zh: "圖中每一欄是一項主張，每一列是一種叢集。指向即顯示該主張，點選則跳到表格中的該列。",
          }),
        ),
        map(matrix, groups),
        legend(),
        filters(matrix),
        h("table", { class: "heat" }, [
          h("thead", {}, [
            h("tr", {}, [
              h("th", { scope: "col", rowSpan: 2 }, both({ en: "claim", zh: "主張" })),
              ...groups.map(({ name, cells }) => h("th", { scope: "colgroup", colSpan: cells.length }, both(name))),
            ]),
            h(
              "tr",
              {},
              columns.map(({ cell, begins }) => columnHead(cell, begins, linked)),
            ),
          ]),
          h(
            "tbody",
            {},
            sections.flatMap((section) => [
              h(
                "tr",
                { class: "section", id: `section-${section.id}`, "data-of": section.id },
                h("th", { colSpan: columns.length + 1 }, both(section)),
              ),
              ...claims
                .filter((claim) => claim.section === section.id)
                .map((claim) => row(claim, { groups, columns, linked })),
            ]),
          ),
        ]),
      ]),
    ],
    script,
  );
}

/** The whole matrix at a glance: a unit wide for each claim, a unit high for each cell. */
function map({ sections, claims }: Matrix, groups: readonly Group[]): ComponentChild {
  const inOrder = sections.flatMap(({ id }) => claims.filter(({ section }) => section === id));
  const cells = groups.flatMap((group) => group.cells);
  // By form too, not by colour alone: what is not to be seen is a line, what misleads fills its place.
  const forms = { holds: [0, 1], refuted: [0, 1], external: [0.4, 0.2], inconclusive: [0.25, 0.5] } as const;
  const drawn = Object.entries(forms).map(([verdict, [down, high]]) =>
    h("path", {
      class: verdict,
      d: cells
        .flatMap(({ id }, y) =>
          inOrder.flatMap(({ verdicts }, x) =>
            verdicts[id]?.verdict === verdict ? [`M${x} ${y + down}h1v${high}h-1z`] : [],
          ),
        )
        .join(""),
    }),
  );
  const borders = inOrder
    .flatMap(({ flips }, x) =>
      flips.map(({ to }) => `M${x} ${cells.findIndex(({ id }) => id === to) - 0.09}h1v.18h-1z`),
    )
    .join("");
  const columns = inOrder.map(({ id }, x) =>
    h("a", { href: `#${id}`, tabIndex: -1 }, h("rect", { class: "whole", x, y: 0, width: 1, height: cells.length })),
  );
  return [
    h("div", { class: "map", "aria-hidden": "true" }, [
      h(
        "div",
        { class: "names" },
        groups.flatMap((group) =>
          group.cells.map(({ id }, index) => h("span", index === 0 ? { class: "begins" } : {}, id)),
        ),
      ),
      h("svg", { viewBox: `0 0 ${inOrder.length} ${cells.length}`, preserveAspectRatio: "none" }, [
        ...drawn,
        h("path", { class: "border", d: borders }),
        ...columns,
      ]),
      h(
        "div",
        { class: "sections" },
        sections.flatMap((section) => {
          const count = claims.filter((claim) => claim.section === section.id).length;
          return count === 0
            ? []
            : [h("a", { class: `wide-${count}`, href: `#section-${section.id}`, tabIndex: -1 }, both(section))];
        }),
      ),
    ]),
    h("p", { class: "pointed small", "aria-hidden": "true" }),
  ];
}

/** How wide sections are on the map: the page's policy allows no element a style of its own. */
function widthsOf({ claims }: Matrix): string {
  const counts = [...Map.groupBy(claims, ({ section }) => section).values()].map(({ length }) => length);
  return [...new Set(counts)].map((count) => `.sections .wide-${count} { flex-grow: ${count}; }`).join(" ");
}

function legend(): ComponentChild {
  return h("ul", { class: "legend small" }, [
    ...Object.entries(verdictWords).map(([verdict, words]) =>
      h("li", {}, [h("b", { class: `verdict ${verdict}` }, symbols[verdict as keyof typeof symbols]), both(words)]),
    ),
    h("li", {}, [
      h("b", {}, "━┃"),
      both({
        en: "The verdict differs from the version before, or from kind's defaults on the same version. Point at it to see why.",
        zh: "與前一個版本（或同版本的 kind 預設）判定不同，指向即顯示原因。",
      }),
    ]),
    h("li", {}, [h("b", {}, "–"), both({ en: "no verdict is recorded", zh: "沒有錄下判定" })]),
  ]);
}

function filters({ sections }: Matrix): ComponentChild {
  const box = (name: string, value: string, checked: boolean, words: ComponentChild) =>
    h("label", {}, [h("input", { type: "checkbox", name, value, checked }), " ", words]);
  return h("form", { class: "filter" }, [
    h("fieldset", {}, [
      h("legend", {}, both({ en: "verdict in any cluster", zh: "任一叢集的判定" })),
      ...Object.entries(symbols).map(([verdict, symbol]) =>
        box("verdict", verdict, true, [`${symbol} `, both(verdictWords[verdict as keyof typeof symbols])]),
      ),
    ]),
    h("fieldset", {}, [
      h("legend", {}, both({ en: "section", zh: "章節" })),
      h("select", { name: "section", "aria-label": "section" }, [
        h("option", { value: "" }, inEach({ en: "all", zh: "全部" })),
        ...sections.map((section) => h("option", { value: section.id }, inEach(section))),
      ]),
    ]),
    h("fieldset", {}, [
      h("legend", {}, both({ en: "only", zh: "只看" })),
      box("flips", "only", false, both({ en: "what differs", zh: "有差異的" })),
    ]),
    h("fieldset", {}, [
      h("legend", {}, both({ en: "with the words", zh: "含有文字" })),
      h("input", { type: "search", name: "words", "aria-label": "words" }),
    ]),
    h("output", {}),
  ]);
}

function columnHead(
  { id, why, proxyMode, ipFamilies, cni, nodes, started, suite }: MatrixCell,
  begins: string,
  linked: boolean,
): ComponentChild {
  const world = `kube-proxy ${proxyMode}, ${ipFamilies.join("+")}, ${cni}, ${nodes} nodes: ${why} (${started.slice(0, 10)}, commit ${suite.commit.slice(0, 7)})`;
  const name = linked ? h("a", { href: `cells/${id}/index.html` }, id) : id;
  return h("th", { scope: "col", title: world, class: begins }, h("span", { class: "cell" }, name));
}

interface Columns {
  readonly groups: readonly Group[];
  readonly columns: readonly { readonly cell: MatrixCell; readonly begins: string }[];
  readonly linked: boolean;
}

function row(claim: MatrixClaim, { groups, columns, linked }: Columns): ComponentChild {
  const { id, section, verdicts, flips } = claim;
  const seen = [...new Set(Object.values(verdicts).map(({ verdict }) => verdict))].join(" ");
  return h(
    "tr",
    { id, "data-section": section, "data-verdicts": seen, "data-flips": flips.length > 0 ? "" : undefined },
    [
      h("th", { scope: "row" }, [
        h("span", { class: "statement" }, both(claim)),
        h(
          "span",
          { class: "runs" },
          groups.map((group) => runsOf(claim, group)),
        ),
      ]),
      ...columns.map(({ cell, begins }) => {
        const found = verdicts[cell.id];
        if (found?.verdict === undefined) return h("td", { class: begins }, "–");
        const flip = flips.find(({ to }) => to === cell.id);
        const surprise = found.verdict === found.expected ? undefined : (found.expected ?? "holds");
        const tips = [
          ...(flip === undefined ? [] : reason(claim, flip)),
          ...(surprise === undefined
            ? []
            : [both({ en: " Expected was: ", zh: " 原本預期：" }), verdictMark(surprise)]),
        ];
        const content = [
          symbols[found.verdict],
          surprise === undefined ? null : "!",
          tips.length === 0 ? null : h("span", { class: "tip" }, tips),
        ];
        const link = `cells/${cell.id}/article.html#${placeOfWords(id)}`;
        return h(
          "td",
          { class: `${found.verdict} ${flip === undefined ? "" : "flip"} ${begins}`.replaceAll(/ +/g, " ").trim() },
          linked
            ? h("a", { href: link }, content)
            : tips.length === 0
              ? content
              : h("button", { type: "button" }, content),
        );
      }),
    ],
  );
}

/** What differs between two cells, and why, in the reader's language. */
function reason(
  { verdicts }: MatrixClaim,
  { from, to, before, after, because }: MatrixClaim["flips"][number],
): ComponentChild[] {
  const why = because === "" ? undefined : verdicts[to]?.because;
  const mark = (verdict: string) => verdictMark(verdict as keyof typeof symbols);
  return [...[`${from} `, mark(before), ` → ${to} `, mark(after), ". "], why === undefined ? null : both(why)];
}

/** On a narrow screen, a group's verdicts from cell to cell: those of neighbours that are the same as one. */
function runsOf({ verdicts }: MatrixClaim, { cells }: Group): ComponentChild {
  const runs: { verdict: keyof typeof symbols; ids: string[] }[] = [];
  for (const { id } of cells) {
    const verdict = verdicts[id]?.verdict;
    if (verdict === undefined) continue;
    const last = runs.at(-1);
    if (last?.verdict === verdict) last.ids.push(id);
    else runs.push({ verdict, ids: [id] });
  }
  return runs.map(({ verdict, ids }) =>
    h("span", { class: `verdict ${verdict}` }, [
      `${symbols[verdict]} ${ids.length === 1 ? ids[0] : `${ids[0]} … ${ids.at(-1)}`} `,
    ]),
  );
}
