import { z } from "zod";
import { parsed, wrongIn } from "./files.ts";
import { type Below, BelowShape, lineOfCommand, type Passage, passageOf, Quotes, rowsOf } from "./printed.ts";

/** What an article's lab is, and what else of its text specs use by name; in the article's folder. */
export const labFile = "lab.yaml";

const Name = z.string().min(1);
const oneEnd = {
  check: ({ block, lines, until }: Below) => [block, lines, until].filter((end) => end !== undefined).length === 1,
  error: "needs one of 'block', 'lines' and 'until'",
};

const Manifest = z
  .strictObject({ ...BelowShape, file: z.string().optional().describe("under which name a reader saves it") })
  .refine(oneEnd.check, oneEnd.error);

const Sample = z
  .strictObject({
    ...BelowShape,
    compare: z
      .array(Name)
      .default([])
      .describe("columns of the sample that have to come out as printed; of the others their names alone"),
  })
  .refine(oneEnd.check, oneEnd.error);

const Line = z.strictObject({
  in: z
    .enum(["host", "external client", "node", "pod"])
    .describe("where it is typed; the reader's kubectl is in the external client"),
  type: z.string().min(1).describe("the command as the article prints it, to the end of its line"),
  below: Quotes.optional().describe("words above it, where it is printed before too"),
});

const Step = z.strictObject({
  ...Line.shape,
  further: z.record(Name, Line).default({}).describe("lines typed after it: in what it opens, or while it runs"),
  save: Name.optional().describe("the manifest that is saved before"),
  makes: z
    .string()
    .regex(/^[a-z]+\/[a-z0-9.-]+$/, "must be like deployment/web")
    .optional()
    .describe("the object that comes of it"),
  prints: Sample.optional().describe("what it prints, by the article"),
  after: z.array(Name).default([]).describe("steps that it cannot do without, if the lab is typed again"),
  takes: Name.optional().describe("a feature of the cluster without which it is not typed on the way to another step"),
});

const LabFile = z.strictObject({
  namespace: Name.describe("in which the article works"),
  otherwise: z
    .array(z.strictObject({ printed: z.string().min(1), typed: z.string().min(1), why: z.string().min(10) }))
    .default([])
    .describe("all that is typed otherwise than printed; {words in braces} are found out on the cluster"),
  manifests: z.record(Name, Manifest).default({}),
  samples: z.record(Name, Sample).default({}).describe("further outputs that the article prints"),
  steps: z.record(Name, Step).default({}).describe("in the article's order"),
});

/** A line that the article has its reader type, without the prompt. */
export interface LabLine {
  readonly in: z.infer<typeof Line>["in"];
  readonly text: string;
  /** Its number in the article. */
  readonly line: number;
}

/** An output that the article prints. */
interface LabSample extends Passage {
  /** Its lines by columns, the header first. */
  readonly rows: readonly (readonly string[])[];
  /** Returns what stands in a column of its first line below the header. @throws RangeError if it has none */
  readonly cell: (column: string) => string;
  /** The columns that have to come out as printed. */
  readonly compare: readonly string[];
  /** Returns those cells of a line of the same table that are in those columns. */
  readonly compared: (row: readonly string[] | undefined) => (string | undefined)[];
}

/** A step of the article's lab. */
export interface LabStep extends LabLine {
  readonly name: string;
  /** The manifest that is saved before, and under which name. */
  readonly save?: Passage & { readonly file: string };
  readonly makes?: { readonly kind: string; readonly name: string };
  readonly after: readonly string[];
  readonly takes?: string;
  readonly furtherNames: readonly string[];
  /** Returns a line that is typed after the step's own. @throws RangeError if it has none of that name */
  readonly further: (name: string) => LabLine;
  /** Returns what the article says that it prints. @throws RangeError if it says nothing */
  readonly sample: () => LabSample;
}

/** Words that are typed in place of the article's, and why. */
export interface Substitution {
  readonly printed: string;
  readonly typed: string;
  readonly why: string;
}

/** What a reader types, and what of it is other words than printed. */
export interface Words {
  readonly typed: string;
  readonly substitutions: readonly Substitution[];
}

/** An article's lab, and what else of its text specs use, by name. Unknown names throw a RangeError that lists what there is. */
export interface LabText {
  readonly namespace: string;
  /** In the article's order. */
  readonly steps: readonly LabStep[];
  /** By kinds, the names of all entries. */
  readonly names: Readonly<Record<"manifests" | "samples" | "steps", readonly string[]>>;
  readonly manifest: (name: string) => Passage;
  readonly sample: (name: string) => LabSample;
  readonly step: (name: string) => LabStep;
  /**
   * Returns what is typed in place of some printed text.
   *
   * @param valueOf what stands for the words in braces; it throws if it does not know them
   */
  readonly words: (text: string, valueOf: (name: string) => string) => Words;
}

/**
 * Returns the lab that an article's folder describes in lab.yaml, each of its entries found in the text.
 *
 * @throws UserError with one line for the first thing that is wrong, which names the entry
 */
export function readLabText({ folder, text }: { readonly folder: string; readonly text: string }): LabText {
  const file = parsed(LabFile, folder, labFile);
  const at = <Found>(entry: string, find: () => Found): Found => {
    try {
      return find();
    } catch (error) {
      if (error instanceof RangeError) throw wrongIn(folder, labFile, `${entry}: ${error.message}`);
      throw error;
    }
  };
  for (const { printed } of file.otherwise)
    if (!text.includes(printed)) throw wrongIn(folder, labFile, `otherwise: not in the article: ${printed}`);
  const manifests = mapped(file.manifests, (entry, name) => at(`manifests.${name}`, () => passageOf(text, entry)));
  const samples = mapped(file.samples, (entry, name) => at(`samples.${name}`, () => sampleOf(text, entry)));
  const line = (entry: z.infer<typeof Line>, name: string): LabLine => ({
    in: entry.in,
    text: entry.type,
    line: at(name, () => lineOfCommand(text, entry.type, entry.below)),
  });
  const steps = mapped(file.steps, (entry, name): LabStep => {
    const place = `steps.${name}`;
    const further = mapped(entry.further, (each, its) => line(each, `${place}.further.${its}`));
    const { prints, save, makes, takes } = entry;
    const printed = prints && at(`${place}.prints`, () => sampleOf(text, prints));
    for (const before of entry.after)
      if (!(before in file.steps)) throw wrongIn(folder, labFile, `${place}.after: there is no step ${before}`);
    const [kind = "", object = ""] = makes?.split("/") ?? [];
    return {
      ...{ name, ...line(entry, place), after: entry.after },
      ...(save === undefined ? {} : { save: at(`${place}.save`, () => savedAs(save)) }),
      ...(makes === undefined ? {} : { makes: { kind, name: object } }),
      ...(takes === undefined ? {} : { takes }),
      furtherNames: [...further.keys()],
      further: (its) => named(further, its, `further line of the step ${name}`),
      sample: () => {
        if (printed === undefined) throw new RangeError(`${labFile}: the step ${name} says nothing of what it prints`);
        return printed;
      },
    };
  });
  function savedAs(name: string): Passage & { file: string } {
    const { file: saved } = named(new Map(Object.entries(file.manifests)), name, "manifest");
    if (saved === undefined) throw new RangeError(`the manifest ${name} has no 'file' to be saved as`);
    return { ...named(manifests, name, "manifest"), file: saved };
  }
  return {
    namespace: file.namespace,
    steps: [...steps.values()],
    names: { manifests: [...manifests.keys()], samples: [...samples.keys()], steps: [...steps.keys()] },
    manifest: (name) => named(manifests, name, "manifest"),
    sample: (name) => named(samples, name, "sample"),
    step: (name) => named(steps, name, "step"),
    words: (printed, valueOf) => wordsOf(printed, file.otherwise, valueOf),
  };
}

function mapped<Entry, Found>(entries: Readonly<Record<string, Entry>>, find: (entry: Entry, name: string) => Found) {
  return new Map(Object.entries(entries).map(([name, entry]) => [name, find(entry, name)]));
}

function named<Found>(entries: ReadonlyMap<string, Found>, name: string, kind: string): Found {
  const found = entries.get(name);
  if (found === undefined)
    throw new RangeError(`${labFile} has no ${kind} ${name}; it has ${[...entries.keys()].join(", ") || "none"}`);
  return found;
}

function sampleOf(text: string, { compare, ...place }: z.infer<typeof Sample>): LabSample {
  const passage = passageOf(text, place);
  const rows = rowsOf(passage.text);
  const columns = compare.map((name) => rows[0]?.indexOf(name) ?? -1);
  const missing = compare[columns.indexOf(-1)];
  if (missing !== undefined) throw new RangeError(`its first line has no column ${missing}: ${rows[0]?.join("  ")}`);
  return {
    ...passage,
    rows,
    compare,
    cell: (column) => {
      const found = rows[1]?.[rows[0]?.indexOf(column) ?? -1];
      if (found === undefined) throw new RangeError(`there is nothing in the column ${column} of: ${passage.text}`);
      return found;
    },
    compared: (row) => columns.map((column) => row?.[column]),
  };
}

function wordsOf(text: string, otherwise: readonly Substitution[], valueOf: (name: string) => string): Words {
  const substitutions = otherwise
    .filter(({ printed }) => text.includes(printed))
    .map(({ printed, typed, why }) => ({
      printed,
      typed: typed.replaceAll(/\{([^{}]+)\}/g, (_all, name: string) => valueOf(name)),
      why,
    }))
    .filter(({ printed, typed }) => printed !== typed);
  return {
    typed: substitutions.reduce((all, { printed, typed }) => all.replaceAll(printed, typed), text),
    substitutions,
  };
}
