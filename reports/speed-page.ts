import { h } from "preact";
import { render } from "preact-render-to-string";
import type { Matrix } from "./matrix.ts";
import { goalsOf, type Ledger, median, type Speed, secondsOfCells, spread } from "./speed.ts";

/** The picture beside the page. */
export const speedPicture = "speed.svg";

const machineCounts = [1, 2, 4, 8, 16];

/** Returns the page on how fast the suite is, as Markdown. */
export function speedAsMarkdown(speed: Speed, matrix: Matrix | undefined): string {
  const { rounds, kept, growth, ledger } = speed;
  return `${[
    "# How fast it is",
    "Written by `npm run bench -- --record`. What takes long on one machine takes longer on another: so times stand beside that of a bare `kind create cluster --wait`, with the same image and configuration, in the same run.",
    ...(rounds === undefined
      ? []
      : [
          `${rounds.rounds.length} rounds on ${rounds.date}, Kubernetes ${rounds.kubernetes}, ${rounds.cores} cores; a bare cluster took ${median(rounds.rounds.map(({ bare }) => bare)).toFixed(1)} s (median)${kept === undefined ? "" : `; on a kept cluster on ${kept.date}`}.`,
        ]),
    ...(goalsOf(speed).length === 0 ? [] : [goalsAsMarkdown(speed)]),
    ...(rounds === undefined ? [] : [verdictsInWords(rounds.verdicts)]),
    ...(growth === undefined
      ? []
      : [
          "## How it grows",
          `![seconds by the number of claims, of articles, of workers, and of machines](${speedPicture})`,
          `From left to right: a run by the number of its claims; by the number of articles that are checked on one cluster; a whole run by the number of its cluster's workers, of which kind's default configuration has none and the suite's has two (${growth.workers.map(({ workers, claims }) => `with ${workers}, ${claims} claims could be judged`).join("; ")}). A bare cluster took ${growth.bare.toFixed(1)} s.`,
        ]),
    ...(matrix === undefined || growth === undefined ? [] : [machinesInWords(matrix, growth.bare)]),
    ...(ledger === undefined ? [] : ledgerAsMarkdown(ledger)),
  ].join("\n\n")}\n`;
}

function goalsAsMarkdown(speed: Speed): string {
  return table(
    ["", "goal", "median", "from", "to"],
    goalsOf(speed).map(({ what, goal, unit, values }) => [
      what,
      `≤ ${goal} ${unit}`,
      ...[median(values), Math.min(...values), Math.max(...values)].map((value) => `${value.toFixed(2)} ${unit}`),
    ]),
  );
}

function verdictsInWords({ runs, different }: NonNullable<Speed["rounds"]>["verdicts"]): string {
  return different.length === 0
    ? `The ${runs} whole runs of these rounds came to the same verdicts.`
    : `The ${runs} whole runs of these rounds differ in this: ${different.join("; ")}.`;
}

function machinesInWords(matrix: Matrix, bare: number): string {
  const cells = secondsOfCells(matrix, bare);
  const longest = cells.toSorted((a, b) => b.seconds - a.seconds)[0];
  const times = machineCounts.map((count) => ({ count, seconds: wallTime(matrix, bare, count) }));
  const said = times.map(({ count, seconds }) => `${(seconds / 60).toFixed(1)} min on ${count}`).join(", ");
  return `At the right: the ${cells.length} recorded cells of the matrix on several machines, the longest first, computed from how long each took: ${said}. Its longest cell, ${longest?.cells[0]}, bounds it: ${((longest?.seconds ?? 0) / 60).toFixed(1)} min.`;
}

function wallTime(matrix: Matrix, bare: number, machines: number): number {
  return Math.max(...spread(secondsOfCells(matrix, bare), machines).map(({ seconds }) => seconds));
}

/** Returns whose the processor seconds were, phase by phase, as a table of Markdown. */
export function ledgerTable(ledger: Ledger): string {
  const { spans, users } = ledger;
  return table(
    ["", ...spans.map(({ name }) => name)],
    [
      ["seconds", ...spans.map(({ seconds }) => seconds.toFixed(1))],
      ...users.map(({ name, seconds }) => [name, ...seconds.map((each) => each.toFixed(1))]),
      ["all", ...spans.map((_, index) => usedIn(ledger, index).toFixed(1))],
    ],
  );
}

/** Returns the processor seconds that all used in a span, by its place. */
function usedIn({ users }: Ledger, index: number): number {
  return users.reduce((sum, { seconds }) => sum + (seconds[index] ?? 0), 0);
}

function ledgerAsMarkdown(ledger: NonNullable<Speed["ledger"]>): string[] {
  const { requests, commands, pods, date, commit, cores } = ledger;
  return [
    "## Where the time goes",
    `Processor seconds of one whole run by phase and by whom, on ${date}, ${cores} cores, at ${commit.slice(0, 7)}, from \`npm run bench -- --ledger\`, which also shows each claim as a bar in \`reports/out/times.html\`. It made ${pods} pods, sent ${requests} requests to the API server and ran ${commands} commands.`,
    ledgerTable(ledger),
    ...busyInWords(ledger),
    "What was tried to make each line less, and what is left of it, stands in [CONTRIBUTING](../CONTRIBUTING.md#speed).",
  ];
}

/** Returns how much of the cores was used while claims were judged: where that is all, waiting less makes no run shorter. */
function busyInWords(ledger: NonNullable<Speed["ledger"]>): string[] {
  const { spans, cores } = ledger;
  const index = spans.findIndex(({ name }) => name === "claims");
  const span = spans[index];
  if (span === undefined) return [];
  const used = usedIn(ledger, index);
  const there = span.seconds * cores;
  return [
    `While claims are judged, ${used.toFixed(0)} of ${there.toFixed(0)} core-seconds are used (${Math.round((100 * used) / there)} %).`,
  ];
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  return [line(head), line(head.map((_, index) => (index === 0 ? "---" : "---:"))), ...rows.map(line)].join("\n");
}

interface Point {
  readonly x: number;
  readonly y: number;
}

/** Returns the picture of how it grows; nothing where that was not measured. */
export function speedAsSvg({ growth }: Speed, matrix: Matrix | undefined): string | undefined {
  if (growth === undefined) return undefined;
  const plots: { title: string; unit: string; points: Point[]; base?: number }[] = [
    {
      title: "claims",
      unit: "s",
      points: growth.claims.map(({ claims, seconds }) => ({ x: claims, y: seconds })),
      base: growth.bare,
    },
    {
      title: "articles",
      unit: "s",
      points: growth.articles.map(({ articles, seconds }) => ({ x: articles, y: seconds })),
      base: growth.bare,
    },
    {
      title: "workers",
      unit: "s",
      points: growth.workers.map(({ workers, seconds }) => ({ x: workers, y: seconds })),
    },
    ...(matrix === undefined
      ? []
      : [
          {
            title: "machines for the matrix",
            unit: "min",
            points: machineCounts.map((count) => ({ x: count, y: wallTime(matrix, growth.bare, count) / 60 })),
          },
        ]),
  ];
  const [width, height] = [260, 180];
  return `${render(
    h(
      "svg",
      {
        ...{ xmlns: "http://www.w3.org/2000/svg", viewBox: `0 0 ${plots.length * width} ${height}` },
        ...{ width: plots.length * width, height, "font-family": "system-ui, sans-serif", "font-size": 11 },
      },
      [
        h("rect", { width: "100%", height: "100%", fill: "#fff" }),
        ...plots.map((plot, index) => h("g", { transform: `translate(${index * width} 0)` }, plotted(plot))),
      ],
    ),
  )}\n`;
}

function plotted({
  title,
  unit,
  points,
  base,
}: {
  readonly title: string;
  readonly unit: string;
  readonly points: readonly Point[];
  readonly base?: number;
}) {
  const [left, top, right, bottom] = [44, 16, 244, 140];
  const [most, highest] = [Math.max(...points.map(({ x }) => x)), Math.max(...points.map(({ y }) => y))];
  const x = (value: number) => left + (value / most) * (right - left);
  const y = (value: number) => bottom - (value / highest) * (bottom - top);
  const ink = { fill: "#22303c" };
  return [
    h("path", { d: `M${left} ${top}V${bottom}H${right}`, fill: "none", stroke: "#c8d0d8" }),
    base === undefined
      ? null
      : [
          h("path", { d: `M${left} ${y(base)}H${right}`, fill: "none", stroke: "#5b6b7a", "stroke-dasharray": "4 3" }),
          h("text", { ...ink, x: right, y: y(base) - 4, "text-anchor": "end" }, `bare cluster ${base.toFixed(0)} s`),
        ],
    h("polyline", {
      points: points.map((point) => `${x(point.x).toFixed(1)},${y(point.y).toFixed(1)}`).join(" "),
      ...{ fill: "none", stroke: "#1d6b34", "stroke-width": 2 },
    }),
    ...points.map((point) => [
      h("circle", { cx: x(point.x).toFixed(1), cy: y(point.y).toFixed(1), r: 3, fill: "#1d6b34" }),
      h("text", { ...ink, x: x(point.x).toFixed(1), y: bottom + 14, "text-anchor": "middle" }, String(point.x)),
      h(
        "text",
        { ...ink, x: x(point.x).toFixed(1), y: (y(point.y) - 7).toFixed(1), "text-anchor": "middle" },
        point.y.toFixed(0),
      ),
    ]),
    h("text", { ...ink, x: left - 6, y: top + 4, "text-anchor": "end" }, unit),
    h("text", { ...ink, x: (left + right) / 2, y: bottom + 32, "text-anchor": "middle" }, title),
  ];
}
