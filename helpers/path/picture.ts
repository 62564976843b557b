import type { End, Hop } from "./hops.ts";

/** Who sends or receives, and where that is. */
interface Party {
  /** The name of a lane. */
  readonly lane: string;
  /** Such as `client-1 (10.244.1.2)`. */
  readonly words: string;
}

/** A path to be drawn. */
export interface Drawing {
  readonly title: string;
  readonly hops: readonly Hop[];
  readonly client: Party;
  /** Absent where the packet reached nobody. */
  readonly server?: Party | undefined;
}

const nobodyAnswers = "nobody answers";
const laneHeight = 170;
const column = 235;
const box = { width: 165, height: 36 };
const colours = {
  ink: "#24313d",
  faint: "#5b6b7a",
  line: "#4a7fb5",
  changed: "#b3261e",
  lane: "#f4f6f8",
  box: "#dcebfa",
};

/**
 * Draws the path of a packet: a lane a node, a box an interface, the addresses above it, those in red and bold that were
 * translated on the way there, and the rules that did it below; where it changes lanes it goes over the nodes' bridge.
 *
 * @returns an SVG 1.1 that needs no font, script or style from elsewhere; each hop is a group of its own, `hop`, and says what it
 * is in `data-words`
 */
export function drawPath({ title, hops, client, server }: Drawing): string {
  const lanes = [...new Set([client.lane, ...hops.map(({ node }) => node), ...(server ? [server.lane] : [])])];
  const width = (hops.length + 2) * column + 20;
  const height = 50 + lanes.length * laneHeight;
  const top = (lane: string) => 50 + lanes.indexOf(lane) * laneHeight + 64;
  const stations = [
    { lane: client.lane, words: client.words, draw: (x: number, y: number) => party(client.words, x, y) },
    ...hops.map((hop) => ({
      lane: hop.node,
      words: hopInWords(hop),
      draw: (x: number, y: number) => station(hop, x, y),
    })),
    {
      words: server?.words ?? nobodyAnswers,
      lane: server?.lane ?? hops.at(-1)?.node ?? client.lane,
      draw: (x: number, y: number) => (server === undefined ? nobody(x, y) : party(server.words, x, y)),
    },
  ].map(({ lane, words, draw }, index) => ({ lane, words, x: 25 + index * column, y: top(lane), draw }));
  const arrows = stations.slice(1).map(({ lane, x, y }, index) => {
    const from = stations[index] ?? { lane, x, y };
    const middle = box.height / 2;
    const [startX, startY, endX, endY] = [from.x + box.width, from.y + middle, x - 3, y + middle];
    const way = `<path d="M${startX} ${startY} L${endX} ${endY}" stroke="${colours.line}" stroke-width="2" marker-end="url(#tip)"/>`;
    const words = text(
      (startX + endX) / 2 + 8,
      (startY + endY) / 2,
      "bridge",
      `font-size="10" fill="${colours.faint}"`,
    );
    return from.lane === lane ? way : way + words;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12" fill="${colours.ink}">`,
    `<defs><marker id="tip" markerWidth="7" markerHeight="8" refX="6" refY="4" orient="auto"><path d="M0 0 L7 4 L0 8 z" fill="${colours.line}"/></marker></defs>`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    text(20, 30, title, 'font-size="17" font-weight="bold"'),
    ...lanes.map((lane, index) => {
      const y = 46 + index * laneHeight;
      return `<rect x="10" y="${y}" width="${width - 20}" height="${laneHeight - 10}" rx="8" fill="${colours.lane}" stroke="#c8d0d8"/>${text(20, y + 20, lane, `fill="${colours.faint}"`)}`;
    }),
    ...stations.map(
      ({ x, y, words, draw }, index) =>
        `<g class="hop" data-words="${escaped(words)}">${index === 0 ? "" : arrows[index - 1]}${draw(x, y)}</g>`,
    ),
    "</svg>",
    "",
  ].join("\n");
}

function station(hop: Hop, x: number, y: number): string {
  const middle = x + box.width / 2;
  const address = (end: End, words: string, dy: number) =>
    text(x, y + dy, words, hop.translated.includes(end) ? `fill="${colours.changed}" font-weight="bold"` : "");
  return [
    `<rect x="${x}" y="${y}" width="${box.width}" height="${box.height}" rx="5" fill="${colours.box}" stroke="${colours.line}"/>`,
    text(middle, y + 15, hop.interface, 'text-anchor="middle"'),
    text(middle, y + 30, `${hop.direction}, TTL ${hop.ttl}`, `text-anchor="middle" fill="${colours.faint}"`),
    address("source", `${hop.from}:${hop.fromPort}`, -22),
    address("destination", `→ ${hop.to}:${hop.toPort}`, -7),
    // The chain on one line, what it does on the next.
    ...hop.by
      .flatMap((rule) => rule.split(/(?<=:) /))
      .map((words, index) =>
        text(x, y + box.height + 14 + index * 12, words, `font-size="10" fill="${colours.changed}"`),
      ),
  ].join("");
}

function party(words: string, x: number, y: number): string {
  return [
    `<rect x="${x}" y="${y}" width="${box.width}" height="${box.height}" rx="18" fill="#e3f1e3" stroke="#5a8f5a"/>`,
    text(x + box.width / 2, y + 22, words, 'text-anchor="middle"'),
  ].join("");
}

function nobody(x: number, y: number): string {
  return text(x, y + 23, `✕ ${nobodyAnswers}`, `fill="${colours.changed}" font-weight="bold"`);
}

function text(x: number, y: number, words: string, attributes: string): string {
  return `<text x="${x}" y="${y}" ${attributes}>${escaped(words)}</text>`;
}

function escaped(words: string): string {
  return words.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

/** Such as `worker: veth1 in, 10.244.1.2:40000 → 10.96.0.9:80, TTL 64`. */
function hopInWords({ node, interface: device, direction, from, fromPort, to, toPort, ttl }: Hop): string {
  return `${node}: ${device} ${direction}, ${from}:${fromPort} → ${to}:${toPort}, TTL ${ttl}`;
}
