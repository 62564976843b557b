import { dirname } from "node:path";
import type { Article } from "../helpers/article/article.ts";
import type { Results } from "../helpers/claim/results.ts";
import { worldInWords } from "../helpers/claim/world.ts";
import { howWeKnow, type Texts } from "./look.ts";
import { linesInWords, linesOf } from "./places.ts";
import { notedClaims, wrongSentences } from "./sentences.ts";
import type { Shown } from "./shown.ts";
import { sinceInWords } from "./when.ts";

/**
 * Returns the errata of a run as Markdown, in the article's language and in English, with the evidence behind each.
 *
 * @param deciding by claim, the file of the evidence that shows what decided, and the line where it is known
 */
export function errataAsMarkdown(
  results: Results,
  article: Article,
  deciding: ReadonlyMap<string, Pick<Shown, "path" | "line">> = new Map(),
): string {
  const { world, started } = results;
  const wrong = wrongSentences(results.claims);
  const noted = notedClaims(results.claims);
  return [
    `# 勘誤 · Errata: ${results.article.zh ?? results.article.en}`,
    "",
    `${worldInWords(world)}, ${started.slice(0, 10)}`,
    "",
    ...wrong.flatMap(({ claim, others }, index) => {
      const {
        id,
        quote,
        instead,
        because,
        tried,
        why = "",
        since,
        evidence: [first],
        link = "",
      } = claim;
      const lines = linesInWords(linesOf(claim, article));
      const { path, line } = deciding.get(id) ?? { path: first === undefined ? "" : `${dirname(first)}/` };
      const file = path === "" ? "" : `[${path}](${path})${line === undefined ? "" : ` (line ${line})`}`;
      return [
        `## ${index + 1}. ${lines.zh} · ${lines.en} (\`${id}\`)`,
        "",
        ...quoted(quote),
        "",
        ...others.flatMap((other) => {
          const also = linesInWords(linesOf(other, article));
          return [`同樣的說法 · Says the same: ${also.zh} · ${also.en} (\`${other.id}\`)`, ""];
        }),
        ...(instead === undefined
          ? []
          : [
              "可改寫為 · could say:",
              "",
              ...quoted(instead.zh ?? instead.en),
              "",
              ...(instead.zh === undefined ? [] : [`(${instead.en})`, ""]),
            ]),
        ...(because === undefined ? [] : [...chinese(because), because.en, ""]),
        ...(tried === undefined
          ? []
          : [
              ...(tried.zh === undefined ? [] : [`${howWeKnow.tried.zh}：${tried.zh}`, ""]),
              `${howWeKnow.tried.en}: ${tried.en}`,
              "",
            ]),
        ...(why === "" ? [] : [`${howWeKnow.seen.zh} · ${howWeKnow.seen.en.toLowerCase()}:`, "", ...indented(why), ""]),
        `${since === undefined ? "" : `自 · Since: ${[...new Set(Object.values(sinceInWords(since)))].join(" · ")}. `}Evidence: ${[file, link].filter(Boolean).join(", ")}`,
        "",
      ];
    }),
    ...(noted.length === 0
      ? []
      : [
          "## 附註 · Notes",
          "",
          "這些句子成立，但值得補充。· These sentences hold, with something to know beside.",
          "",
        ]),
    ...noted.flatMap((claim, index) => {
      const lines = linesInWords(linesOf(claim, article));
      const { note, link = "" } = claim;
      return [
        `### 註 ${index + 1}. ${lines.zh} · ${lines.en} (\`${claim.id}\`)`,
        "",
        ...quoted(claim.quote),
        "",
        ...(note === undefined ? [] : [...chinese(note), note.en, ""]),
        link,
        "",
      ];
    }),
  ].join("\n");
}

/** What a cluster says must not become Markdown. */
function indented(text: string): string[] {
  return text.split("\n").map((line) => `    ${line}`);
}

function quoted(text: string): string[] {
  return text.split("\n").map((line) => `> ${line}`);
}

function chinese({ zh }: Texts): string[] {
  return zh === undefined ? [] : [zh, ""];
}
