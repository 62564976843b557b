import type { Hop } from "./hops.ts";

/** A node on the path, and the words for it. */
interface Lane {
  readonly node: string;
  readonly words: string;
}

/** A path to be drawn. */
export interface Drawing {
  readonly title: string;
  readonly hops: readonly Hop[];
  /** Who sends and who receives, in words such as `client-1 10.244.1.2`. */
  readonly client: string;
  readonly server: string;
  /** From top to bottom. */
  readonly lanes: readonly Lane[];
}

const laneHeight = 140;
const column = 175;
const box = { width: 130, height: 36 };
const colours = {
  ink: "#24313d",
  faint: "#5b6b7a",
  line: "#4a7fb5",
  changed: "#b3261e",
  lane: "#f4f6f8",
  box: "#dcebfa",
};

/**
 * Draws the path of a packet: a lane a node, a box an interface, the addresses above it – in red and bold what was translated
 * on the way there – and the way from the client to the server.
 *
 * @returns an SVG 1.1 that needs no font, script or style from elsewhere
 */
export function drawPath({ title, hops, client, server, lanes }: Drawing): string {
  const width = (hops.length + 2) * column + 20;
  const height = 50 + lanes.length * laneHeight;
  const laneOf = (node: string) =>
    Math.max(
      0,
      lanes.findIndex((lane) => lane.node === node),
    );
  const left = (index: number) => 25 + index * column;
  const top = (node: string) => 50 + laneOf(node) * laneHeight + 76;
  // The ends stand in the lanes of the hops beside them.
  const stations = [
    { node: hops[0]?.node, draw: (x: number, y: number) => end(client, x, y) },
    ...hops.map((hop) => ({ node: hop.node, draw: (x: number, y: number) => station(hop, x, y) })),
    { node: hops.at(-1)?.node, draw: (x: number, y: number) => end(server, x, y) },
  ].map(({ node = "", draw }, index) => ({ x: left(index), y: top(node), draw }));
  const arrows = stations.slice(1).map(({ x, y }, index) => {
    const from = stations[index] ?? { x, y };
    const middle = box.height / 2;
    return `<path d="M${from.x + box.width} ${from.y + middle} L${x - 3} ${y + middle}" stroke="${colours.line}" stroke-width="2" marker-end="url(#tip)"/>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12" fill="${colours.ink}">`,
    `<defs><marker id="tip" markerWidth="7" markerHeight="8" refX="6" refY="4" orient="auto"><path d="M0 0 L7 4 L0 8 z" fill="${colours.line}"/></marker></defs>`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    text(20, 30, title, 'font-size="17" font-weight="bold"'),
    ...lanes.map(({ words }, index) => {
      const y = 46 + index * laneHeight;
      return `<rect x="10" y="${y}" width="${width - 20}" height="${laneHeight - 10}" rx="8" fill="${colours.lane}" stroke="#c8d0d8"/>${text(20, y + 20, words, `fill="${colours.faint}"`)}`;
    }),
    ...arrows,
    ...stations.map(({ x, y, draw }) => draw(x, y)),
    "</svg>",
    "",
  ].join("\n");
}

function station(hop: Hop, x: number, y: number): string {
  const middle = x + box.width / 2;
  const address = (what: "source" | "destination", words: string, dy: number) =>
    text(x, y + dy, words, hop.translated.includes(what) ? `fill="${colours.changed}" font-weight="bold"` : "");
  return [
    `<rect x="${x}" y="${y}" width="${box.width}" height="${box.height}" rx="5" fill="${colours.box}" stroke="${colours.line}"/>`,
    text(middle, y + 15, hop.interface, 'text-anchor="middle"'),
    text(middle, y + 30, hop.direction, `text-anchor="middle" fill="${colours.faint}"`),
    address("source", `${hop.from}:${hop.fromPort}`, -22),
    address("destination", `→ ${hop.to}:${hop.toPort}`, -7),
  ].join("");
}

function end(words: string, x: number, y: number): string {
  return [
    `<rect x="${x}" y="${y}" width="${box.width}" height="${box.height}" rx="18" fill="#e3f1e3" stroke="#5a8f5a"/>`,
    text(x + box.width / 2, y + 22, words, 'text-anchor="middle"'),
  ].join("");
}

function text(x: number, y: number, words: string, attributes: string): string {
  const escaped = words.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
  return `<text x="${x}" y="${y}" ${attributes}>${escaped}</text>`;
}
