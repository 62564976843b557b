import { stringify } from "yaml";
import { z } from "zod";
import { Objects, Pod, Slice } from "./parts/objects.ts";
import { Target } from "./parts/target.ts";
import { checks } from "./ready-made.ts";

interface Schema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly anyOf?: readonly Schema[];
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
}

/** Returns the page of all ready-made checks as Markdown: what each says, its parameters, an example. */
export function checksAsMarkdown(): string {
  const all = Object.entries(checks);
  return `${[
    "# Ready-made checks",
    "Written by `npm run checks` from the checks' own schemas. A claim names one in its YAML, with parameters, and needs no code:",
    yaml({ check: { "name-is-answered": checks["name-is-answered"]?.example } }),
    "Each comes with a control: a change under which it gives the opposite verdict.",
    table(
      ["check", "what it says", "what turns it"],
      all.map(([name, { says, turnedBy }]) => [`[${name}](#${name})`, says, turnedBy]),
    ),
    "## Targets",
    "Where a client asks (`at`): a map with one of `name`, `service`, `pod` and `node`.",
    parametersOf(Target),
    "## Objects",
    "What a check makes beside the cast is in the namespace of the cast, under names that no other claim uses, and is deleted when the check ends.",
    parametersOf(Objects),
    "Each of `pods` has:",
    parametersOf(Pod),
    "Each of `slices` has:",
    parametersOf(Slice),
    ...all.flatMap(([name, { says, parameters, example }]) => [
      `## ${name}`,
      says,
      parametersOf(parameters),
      yaml({ check: { [name]: example } }),
    ]),
  ].join("\n\n")}\n`;
}

function parametersOf(parameters: z.ZodType): string {
  const schema = z.toJSONSchema(parameters, { io: "input", unrepresentable: "any", reused: "inline" }) as Schema;
  const { properties = {}, required = [] } = schema;
  return table(
    ["parameter", "values", "default", "meaning"],
    Object.entries(properties).map(([name, schema]) => [
      `\`${name}\``,
      valuesOf(schema),
      required.includes(name) ? "needed" : defaultOf(schema),
      meaningOf(name, schema),
    ]),
  );
}

function meaningOf(name: string, { description = "" }: Schema): string {
  if (name === "objects") return "see [Objects](#objects)";
  return name === "at" || name === "meanwhile" ? `${description}; see [Targets](#targets)` : description;
}

function defaultOf({ default: value }: Schema): string {
  return value === undefined || JSON.stringify(value) === "{}" ? "" : `\`${JSON.stringify(value)}\``;
}

function valuesOf({ type, enum: values, const: only, anyOf, items }: Schema): string {
  if (values !== undefined) return values.map((value) => `\`${String(value)}\``).join(", ");
  if (only !== undefined) return `\`${JSON.stringify(only)}\``;
  if (anyOf !== undefined) return anyOf.map(valuesOf).join(" or ");
  if (type === "array") return `list of ${items === undefined ? "values" : valuesOf(items)}`;
  return type ?? "";
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell) => cell.replaceAll("|", String.raw`\|`)).join(" | ")} |`;
  return [line(head), line(head.map(() => "---")), ...rows.map(line)].join("\n");
}

function yaml(value: unknown): string {
  return `\`\`\`yaml\n${stringify(value, { lineWidth: 0 })}\`\`\``;
}
