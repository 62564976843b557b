/** A line of an output, cut where a value stands in it that decided the verdict: every second piece is such a value. */
export type DecidingLine = readonly string[];

const shown = 3;
const longest = 240;

/** What curl and the lab's own requests print where an observation says how a request ended. */
const asPrinted: Readonly<Record<string, string>> = {
  answered: "HTTP-STATUS [1-5]\\d\\d",
  silent: "timed out",
  unreachable: "(?:No route to host|[Nn]etwork is unreachable)",
  unresolved: "Could not resolve host",
};

/**
 * Returns the lines of an output in which values stand that decided a verdict, those with the most of them, in their order.
 * Values of one or two signs, and yes and no, are left out: they stand everywhere.
 */
export function decidingLines(output: string, values: readonly string[]): DecidingLine[] {
  const wanted = values
    .filter((value) => value.length > 2 && !/^(?:true|false)$/.test(value))
    .toSorted((a, b) => b.length - a.length);
  if (wanted.length === 0) return [];
  const pattern = new RegExp(`(${wanted.map(alone).join("|")})`);
  const found = output
    .split("\n")
    .map((line, place) => ({ place, pieces: line.slice(0, longest).split(pattern) }))
    .filter(({ pieces }) => pieces.length > 1);
  const most = found.toSorted((a, b) => distinct(b.pieces) - distinct(a.pieces) || a.place - b.place);
  return most
    .slice(0, shown)
    .toSorted((a, b) => a.place - b.place)
    .map(({ pieces }) => pieces);
}

/** A pattern for the value that does not find it inside of another word, number or address. */
function alone(value: string): string {
  // A port may follow an IPv4 address; a colon within an IPv6 address ends nothing.
  const goesOn = value.includes(":") ? ".:-" : ".-";
  return asPrinted[value] ?? String.raw`(?<![\w.-])${RegExp.escape(value)}(?!\w|[${goesOn}]\w)`;
}

function distinct(pieces: DecidingLine): number {
  return new Set(pieces.filter((_piece, index) => index % 2 === 1)).size;
}
