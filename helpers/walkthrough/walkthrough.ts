import type { LabLine, LabStep, LabText, Substitution, Words } from "../article/lab-text.ts";
import type { CommandResult } from "../host/command.ts";
import { namespaceLabel } from "../lab/cast.ts";
import type { Lab } from "../lab/lab.ts";
import type { NodePeer } from "../lab/peers.ts";
import { hostOf } from "../probe/http.ts";
import { outputOf, ProbeFailed } from "../probe/peer.ts";

/** A command of the article and how it ended here. */
export interface Typed {
  readonly printed: string;
  readonly typed: string;
  readonly substitutions: readonly Substitution[];
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** What is typed besides the line itself, and how long it may take. */
interface Typing {
  /** Milliseconds. */
  readonly timeout?: number;
  /** What is typed into it. */
  readonly input?: string;
}

/** Tells what the suite made in the article's namespace from what others have there. */
const ownMark = `${namespaceLabel}=lab`;

/** Milliseconds that a command in the reader's terminal may take. */
const terminalTime = 60_000;

/** Returns the address of a node, the first one where it has several. @throws ProbeFailed if it has none */
export function addressOf({ name, addresses: [address] }: NodePeer): string {
  if (address === undefined) throw new ProbeFailed(`the node ${name} has no address`);
  return address;
}

/** Returns the URL that a line of the article asks. @throws RangeError if it has none */
export function urlIn({ text }: Pick<LabLine, "text">): string {
  const [url] = /https?:\/\/\S+/.exec(text) ?? [];
  if (url === undefined) throw new RangeError(`there is no URL in: ${text}`);
  return url;
}

/** Returns how evidence calls a line. */
export function titleOf({ line }: LabLine): string {
  return `line ${line} of the article`;
}

/** Somebody who follows an article's lab on a cluster, and types what it prints where it belongs. */
export class Reader {
  readonly lab: Lab;
  readonly text: LabText;

  constructor(lab: Lab, text: LabText) {
    this.lab = lab;
    this.text = text;
  }

  /** Returns the URL that a line asks, as it is typed for a node; nothing is noted. */
  urlFor(node: NodePeer, line: LabLine): string {
    return urlIn({ text: this.text.words(line.text, (name) => this.#valueOf(name, node)).typed });
  }

  /** Returns what is typed in place of a printed text; each difference is noted, and each image that stands in. */
  words(printed: string): Words {
    const { lab } = this;
    const words = this.text.words(printed, (name) => this.#valueOf(name, lab.controlPlane));
    const image = (text: string) => text.replace(/^.*image[=:] ?/, "");
    for (const { printed: from, typed: to } of words.substitutions)
      if (from.includes("image")) lab.standIn(`${image(to)} for ${image(from)}`);
    for (const { printed: from, typed: to, why } of words.substitutions)
      lab.note(`instead of what is printed: ${from}`, `printed: ${from}\ntyped:   ${to}\nwhy:     ${why}`);
    return words;
  }

  /** What stands for words in braces, which lab.yaml has in its list of what is typed otherwise. */
  #valueOf(name: string, node: NodePeer): string {
    const { lab } = this;
    const [, image] = /^image (\S+)$/.exec(name) ?? [];
    if (image !== undefined) return lab.objects.image(image);
    if (name === "control plane") return lab.controlPlane.name;
    if (name === "node address") return hostOf(addressOf(node));
    if (name === "other namespace") return lab.otherNamespace;
    if (name === "own label") return ownMark;
    throw new RangeError(
      `lab.yaml, otherwise: {${name}} is unknown; known are {control plane}, {node address}, {other namespace}, {own label}, {image …}`,
    );
  }

  /**
   * Types a line in a terminal beside the cluster, in its home folder, or one that begins with `docker` on the host.
   *
   * @throws RangeError for lines that are typed elsewhere: what is asked there has to be looked at by more than its output
   */
  async type(line: LabLine, { timeout, input }: Typing = {}): Promise<Typed> {
    const words = this.words(line.text);
    const title = `${titleOf(line)}${input === undefined ? "" : `, typing ${JSON.stringify(input)}`}`;
    const result = await this.#run(title, line, words.typed, timeout, input);
    const { exitCode = null, stdout, stderr } = result;
    return { printed: line.text, ...words, exitCode, stdout, stderr };
  }

  #run(title: string, line: LabLine, typed: string, timeout?: number, input?: string): Promise<CommandResult> {
    const { engine, outsider } = this.lab;
    if (line.in === "external client")
      return outsider.run(title, ["sh", "-c", `cd && ${typed}`], timeout ?? terminalTime);
    const [program, ...rest] = wordsOf(typed);
    if (line.in === "host" && program === "docker") return engine.run(title, rest, timeout, input);
    throw new RangeError(
      `line ${line.line} is not typed by itself: it is no docker command on the host, but in ${line.in}`,
    );
  }

  /** Saves the manifest of a step as its reader does, in the home folder of the terminal. */
  async save({ name, save }: LabStep): Promise<void> {
    if (save === undefined) throw new RangeError(`the step ${name} saves no manifest`);
    const { typed } = this.words(save.text);
    const script = 'printf "%s\\n" "$1" > ~/"$0"';
    const title = `save ${save.file} as printed in lines ${save.lines}`;
    await outputOf(this.lab.outsider, title, ["sh", "-c", script, save.file, typed]);
  }

  /** Saves the manifest of a step and applies it, and marks what came of it as the suite's own. */
  async apply(step: LabStep): Promise<Typed> {
    await this.forget(step);
    await this.save(step);
    const applied = await this.type(step);
    const { kind, name } = madeBy(step);
    const marked = ["kubectl", "label", `${kind}/${name}`, ownMark];
    if (applied.stdout.includes("created"))
      await outputOf(this.lab.outsider, "mark it as the suite's own, to be deleted", marked);
    return applied;
  }

  /** Takes away what a step made when the lab was typed before, so that it is created anew. */
  async forget(step: LabStep): Promise<void> {
    if (this.lab.again) await this.strike(step, "--cascade=foreground");
  }

  /** Deletes what a step made, if it is there and is the suite's own. */
  async strike(step: LabStep, ...options: readonly string[]): Promise<void> {
    const { kind, name } = madeBy(step);
    const own = [`--selector=${ownMark}`, `--field-selector=metadata.name=${name}`];
    const command = ["kubectl", "delete", kind, ...own, ...options];
    await outputOf(this.lab.outsider, `${name} as it was typed before`, command);
  }
}

function madeBy({ name, makes }: LabStep): { readonly kind: string; readonly name: string } {
  if (makes === undefined) throw new RangeError(`the step ${name} makes no object`);
  return makes;
}

/** Splits a command as a shell does, as far as single quotes go. */
function wordsOf(command: string): string[] {
  return [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? "");
}

/** What is done in each step of a lab, and what it shows. */
type StepFunctions = Readonly<Record<string, (reader: Reader, step: LabStep) => Promise<unknown>>>;

/** Follows the article's lab as far as one of its steps, each step once per run, and returns what that step showed. */
export type Walk<Steps extends StepFunctions> = <Name extends keyof Steps & string>(
  lab: Lab,
  name: Name,
) => Promise<Awaited<ReturnType<Steps[Name]>>>;

/** Returns the function by which claims follow an article's lab. @throws RangeError unless each of its steps has a function, and no other */
export function walkOf<const Steps extends StepFunctions>(text: LabText, functions: Steps): Walk<Steps> {
  const odd = new Set(Object.keys(functions)).symmetricDifference(new Set(text.names.steps));
  if (odd.size > 0) throw new RangeError(`in lab.yaml or among the functions alone: ${[...odd].join(", ")}`);
  type Shown<Name extends keyof Steps> = Awaited<ReturnType<Steps[Name]>>;
  const carryOut = <Name extends keyof Steps & string>(lab: Lab, name: Name) =>
    functions[name]?.(new Reader(lab, text), text.step(name)) as Promise<Shown<Name>>;
  return async <Name extends keyof Steps & string>(lab: Lab, name: Name): Promise<Shown<Name>> => {
    for (const step of stepsBefore(lab, text, name)) {
      const done = lab.together(`the article's lab: ${step}`, () => carryOut(lab, step), { mention: true });
      // A reader goes on too; what this step cannot do without is missed in its own words.
      await done.catch((error: unknown) => lab.note(`before: ${step} failed`, (error as Error).message));
    }
    return lab.together(`the article's lab: ${name}`, () => carryOut(lab, name));
  };
}

/** The first time all is typed in the article's order, as far as this cluster can have it; nothing is typed where others' objects would feel it. */
function stepsBefore(lab: Lab, text: LabText, name: string): readonly string[] {
  const { features, taken } = lab.world;
  if (lab.again) return text.step(name).after;
  if (taken.length > 0) return [];
  const isPossible = ({ takes }: LabStep) => takes === undefined || isThere(features, takes);
  const before = text.steps.slice(0, text.names.steps.indexOf(name));
  return before.filter(isPossible).map((step) => step.name);
}

function isThere(features: Readonly<Record<string, unknown>>, feature: string): boolean {
  if (!(feature in features)) throw new RangeError(`lab.yaml: there is no feature ${feature}`);
  return features[feature] === true;
}
