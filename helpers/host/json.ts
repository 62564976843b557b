/**
 * Returns a value as JSON for a file that is kept in the repository: each entry of an object, and each item of its lists, has a
 * line of its own, so that a difference shows which claim it is about.
 */
export function linePerEntry(value: object): string {
  const lines = Object.entries(value).flatMap(([key, entry]: [string, unknown]) =>
    entry === undefined ? [] : [`${JSON.stringify(key)}: ${linePerItem(entry)}`],
  );
  return `{\n${lines.join(",\n")}\n}\n`;
}

function linePerItem(entry: unknown): string {
  if (!Array.isArray(entry) || entry.every((item) => typeof item !== "object")) return JSON.stringify(entry);
  return `[\n${entry.map((item) => JSON.stringify(item)).join(",\n")}\n]`;
}
