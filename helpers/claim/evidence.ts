import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { quoted } from "../host/shell.ts";

/** One thing that was done and what came of it. */
export interface EvidenceItem {
  readonly title: string;
  /** As it could be typed. */
  readonly command: string;
  /** The whole output. */
  readonly text: string;
  /** Where it is kept, relative to the output folder. */
  readonly file: string;
  readonly attachments: readonly (Attachment & { readonly file: string })[];
}

/** A picture or another file that says more than text. */
export interface Attachment {
  /** Ends in what the media type is known by. */
  readonly name: string;
  readonly type: "image/svg+xml" | "application/vnd.tcpdump.pcap";
  readonly content: string | Buffer;
}

/** Keeps what a check did, a file an item, below `evidence/<claim>/` of the output folder. */
export class Evidence {
  readonly items: EvidenceItem[] = [];
  /** What had to be used instead of what is spoken of, in words. */
  readonly standIns = new Set<string>();
  readonly #out: string;
  readonly #folder: string;

  constructor(out: string, claim: string) {
    this.#out = out;
    this.#folder = join(out, "evidence", claim);
    rmSync(this.#folder, { recursive: true, force: true });
    mkdirSync(this.#folder, { recursive: true });
  }

  /** Keeps an item. */
  add(title: string, command: string, text: string, attachments: readonly Attachment[] = []): void {
    const number = String(this.items.length + 1).padStart(2, "0");
    const file = join(this.#folder, `${number}-${slugOf(title).slice(0, 60)}.txt`);
    writeFileSync(file, `# ${title}\n${command === "" ? "" : `$ ${command}\n`}${text}\n`);
    const kept = attachments.map((attachment) => {
      const beside = join(this.#folder, `${number}-${attachment.name}`);
      writeFileSync(beside, attachment.content);
      return { ...attachment, file: relative(this.#out, beside) };
    });
    this.items.push({ title, command, text, file: relative(this.#out, file), attachments: kept });
  }
}

/** Returns a title as the name of a file has it. */
export function slugOf(title: string): string {
  return title
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-|-$/g, "");
}

/** Returns a command as it could be typed into bash, in one line: line ends are written as `$'\n'`. */
export function shellCommand(words: readonly string[]): string {
  return words.map(shellWord).join(" ");
}

function shellWord(word: string): string {
  if (/^[\w@%+=:,./-]+$/.test(word)) return word;
  if (!word.includes("\n")) return quoted(word);
  return `$'${word.replaceAll(/[\\']/g, String.raw`\$&`).replaceAll("\n", String.raw`\n`)}'`;
}
