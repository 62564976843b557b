/** An expression in CEL, the language of admission policies, in place of a value. */
export class Cel {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

/** What a field of an object may be given. */
export type Value = string | number | boolean | null | Cel | readonly Value[] | { readonly [key: string]: Value };

/** Changes of an object as a MutatingAdmissionPolicy has them: operations of JSON Patch (RFC 6902), written in CEL. */
export const patch = {
  /** Sets a field, or a member of a list, whether it is there or not. */
  add: (path: string, value: Value) => `JSONPatch{op: 'add', path: ${literal(path)}, value: ${literal(value)}}`,
  /** Sets a field that is there. */
  replace: (path: string, value: Value) => `JSONPatch{op: 'replace', path: ${literal(path)}, value: ${literal(value)}}`,
  /** Takes away a field that is there. */
  remove: (path: string) => `JSONPatch{op: 'remove', path: ${literal(path)}}`,
};

function literal(value: Value): string {
  if (value instanceof Cel) return value.text;
  if (Array.isArray(value)) return `[${members(value as readonly Value[]).join(", ")}]`;
  if (typeof value === "object" && value !== null) {
    const texts = members(Object.values(value as Readonly<Record<string, Value>>));
    return `{${Object.keys(value)
      .map((key, index) => `${literal(key)}: ${texts[index]}`)
      .join(", ")}}`;
  }
  return typeof value === "string" ? `'${value.replaceAll(/['\\]/g, String.raw`\$&`)}'` : String(value);
}

/** CEL's lists and maps have members of one type, unless these are of its type dyn. */
function members(values: readonly Value[]): string[] {
  const types = new Set(values.map(typeOf));
  return values.map((value) => (types.size > 1 ? `dyn(${literal(value)})` : literal(value)));
}

/** Returns the type that CEL finds for a value as it is written here. */
function typeOf(value: Value): string {
  if (value === null || value instanceof Cel || typeof value !== "object")
    return value === null ? "null" : typeof value;
  const types = new Set(Object.values<Value>(value as Readonly<Record<string, Value>>).map(typeOf));
  return `${Array.isArray(value) ? "list" : "map"} of ${types.size > 1 ? "dyn" : ([...types][0] ?? "any")}`;
}
