import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { diffArrays } from "diff";
import { type ComponentChild, h } from "preact";
import type { Article } from "../../helpers/article/article.ts";
import type { Corrected } from "../../helpers/article/corrected.ts";
import type { Results } from "../../helpers/claim/results.ts";
import { worldInWords } from "../../helpers/claim/world.ts";
import { readSettingsOfAll } from "../../helpers/host/settings.ts";
import { correctedFiles, withNotes } from "../corrected.ts";
import { notedClaims } from "../sentences.ts";
import { inSourceLanguage, sourceLanguage } from "../words.ts";
import { both, type NamedPage, pageOf, pagesBeside, topBar } from "./look.ts";

const style = `
body { max-width: 46rem; margin: 0 auto; }
.text p, .text details { margin: 0; } .text p { min-height: 1.7em; white-space: pre-wrap; } .text p.changed { padding-left: .6rem; border-left: 4px solid var(--line); }
summary { margin: .4rem 0; padding: .2rem .6rem; color: var(--external); background: var(--soft); border-radius: 6px; cursor: pointer; }
ins { text-decoration: underline; text-decoration-thickness: 2px; background: light-dark(#dff3e4, #173522); color: var(--holds); } del { background: light-dark(#fdeceb, #3a1f1d); color: var(--refuted); }
`;

/** Words of both texts, or of one of them. */
interface Piece {
  readonly kind: "same" | "gone" | "new";
  readonly text: string;
}

/** What every run has beside it. */
const runPages = ["index.html", "article.html"];
/** So many unchanged lines are shown around changed ones. */
const around = 1;
/** Fewer characters between two changes would only make them harder to read. */
const telling = 3;

/** Writes the corrected text of a run beside its pages, and a page that shows what is otherwise; nothing where nothing is. */
export function writeCorrected(
  out: string,
  results: Results,
  article: Article,
  { article: corrected }: Corrected,
  pages: readonly NamedPage[] = pagesBeside(correctedFiles(article).diff, article, runPages),
  // Of every article that is checked.
  [{ footnotes }] = readSettingsOfAll(),
): void {
  if (corrected.text === article.text) return;
  const files = correctedFiles(article);
  const text = footnotes ? withNotes(corrected, notedClaims(results.claims)) : corrected.text;
  writeFileSync(join(out, files.text), text);
  writeFileSync(join(out, files.diff), diffPage(results, article, { after: text, file: files.text, pages }));
}

/** Returns a page on which words that were taken out of an article and those in their place are marked. */
function diffPage(
  results: Results,
  article: Article,
  { after, file, pages }: { readonly after: string; readonly file: string; readonly pages: readonly NamedPage[] },
): string {
  const lines = linesOf(piecesOf(article.text, after, sourceLanguage(article)));
  return pageOf(article, `${inSourceLanguage(article.title, article)}: diff`, style, [
    topBar(pages),
    h("main", {}, [
      h("h1", {}, both(article.title)),
      h("p", {}, [
        both({ en: "What the corrections change: ", zh: "勘誤所更動的文字：" }),
        h("del", {}, both({ en: "taken out", zh: "刪去" })),
        " ",
        h("ins", {}, both({ en: "in its place", zh: "改為" })),
        ` (${worldInWords(results.world)}, ${results.started.slice(0, 10)}) `,
        h("a", { href: file }, file),
      ]),
      h("div", { class: "text source", lang: sourceLanguage(article) }, shown(lines)),
    ]),
  ]);
}

/** Returns two texts as one, word by word; also in languages that put no blanks between words. */
export function piecesOf(before: string, after: string, language: string): Piece[] {
  const segmenter = new Intl.Segmenter(language, { granularity: "word" });
  const words = (text: string) => [...segmenter.segment(text)].map(({ segment }) => segment);
  const pieces: Piece[] = [];
  let [gone, added] = ["", ""];
  const flush = () => {
    if (gone !== "") pieces.push({ kind: "gone", text: gone });
    if (added !== "") pieces.push({ kind: "new", text: added });
    [gone, added] = ["", ""];
  };
  const changes = diffArrays(words(before), words(after));
  for (const [index, { value, added: isNew, removed }] of changes.entries()) {
    const text = value.join("");
    const between = gone + added !== "" && index < changes.length - 1;
    if (removed) gone += text;
    else if (isNew) added += text;
    else if (between && text.length < telling && !text.includes("\n")) {
      gone += text;
      added += text;
    } else {
      flush();
      pieces.push({ kind: "same", text });
    }
  }
  flush();
  return pieces;
}

function linesOf(pieces: readonly Piece[]): Piece[][] {
  const lines: Piece[][] = [[]];
  for (const { kind, text } of pieces)
    text.split("\n").forEach((part, index) => {
      if (index > 0) lines.push([]);
      if (part !== "" || kind !== "same") lines.at(-1)?.push({ kind, text: part });
    });
  return lines;
}

/** Changed lines with those beside them; all others on demand. */
function shown(lines: readonly Piece[][]): ComponentChild[] {
  const changed = lines.map((line) => line.some(({ kind }) => kind !== "same"));
  const near = lines.map((_, index) => changed.slice(Math.max(0, index - around), index + around + 1).includes(true));
  const found: ComponentChild[] = [];
  for (let from = 0; from < lines.length; ) {
    const isNear = near[from];
    const next = near.findIndex((other, index) => index > from && other !== isNear);
    const to = next === -1 ? lines.length : next;
    const paragraphs = lines
      .slice(from, to)
      .map((line, index) => h("p", changed[from + index] === true ? { class: "changed" } : {}, line.map(marked)));
    const count = to - from;
    found.push(
      isNear === true
        ? paragraphs
        : h("details", {}, [
            h(
              "summary",
              {},
              both({ en: `${count} ${count === 1 ? "line" : "lines"} as before`, zh: `${count} 行未更動` }),
            ),
            paragraphs,
          ]),
    );
    from = to;
  }
  return found;
}

function marked({ kind, text }: Piece): ComponentChild {
  return kind === "same" ? text : h(kind === "gone" ? "del" : "ins", {}, text);
}
