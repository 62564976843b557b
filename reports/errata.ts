import { dirname } from "node:path";
import type { Article } from "../helpers/article/article.ts";
import { furtherTexts, type Texts, textIn, textsIn } from "../helpers/article/languages.ts";
import type { Results } from "../helpers/claim/results.ts";
import { worldInWords } from "../helpers/claim/world.ts";
import { linesInWords, linesOf } from "./places.ts";
import { correctionOf, notedClaims, wrongSentences } from "./sentences.ts";
import type { Shown } from "./shown.ts";
import { sinceInWords } from "./when.ts";
import { type Bilingual, howWeKnow, inSourceLanguage, joined, sourceLanguage } from "./words.ts";

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
  const { languages } = article;
  const numbered: Bilingual = { en: "", zh: "註 " };
  const each = (texts: Bilingual) => joined(texts, languages, " · ");
  const inTurn = (texts: Texts) => textsIn(texts, languages).flatMap(({ text }) => [text, ""]);
  return [
    `# ${each({ en: "Errata", zh: "勘誤" })}: ${inSourceLanguage(results.article, article)}`,
    "",
    `${worldInWords(world)}, ${started.slice(0, 10)}`,
    "",
    ...wrong.flatMap(({ claim, others }, index) => {
      const {
        id,
        quote,
        because,
        tried,
        why = "",
        since,
        evidence: [first],
        link = "",
      } = claim;
      const instead = correctionOf(claim);
      const lines = linesInWords(linesOf(claim, article));
      const { path, line } = deciding.get(id) ?? { path: first === undefined ? "" : `${dirname(first)}/` };
      const file = path === "" ? "" : `[${path}](${path})${line === undefined ? "" : ` (line ${line})`}`;
      return [
        `## ${index + 1}. ${each(lines)} (\`${id}\`)`,
        "",
        ...quoted(quote),
        "",
        ...others.flatMap((other) => {
          const also = linesInWords(linesOf(other, article));
          return [`${each({ en: "Says the same", zh: "同樣的說法" })}: ${each(also)} (\`${other.id}\`)`, ""];
        }),
        ...(instead === undefined
          ? []
          : [
              `${each({ en: "could say", zh: "可改寫為" })}:`,
              "",
              ...quoted(inSourceLanguage(instead, article)),
              "",
              ...(sourceLanguage(article) === "en" ? [] : [`(${instead.en})`, ""]),
            ]),
        ...(because === undefined ? [] : inTurn(because)),
        ...(tried === undefined
          ? []
          : textsIn(tried, languages).flatMap(({ language, text }) => {
              const label = textIn(howWeKnow.tried, language);
              return [
                label === undefined || language === "en" ? `${howWeKnow.tried.en}: ${text}` : `${label}：${text}`,
                "",
              ];
            })),
        ...(why === "" ? [] : [`${each({ ...howWeKnow.seen, en: "seen in this run" })}:`, "", ...indented(why), ""]),
        `${since === undefined ? "" : `${each({ en: "Since", zh: "自" })}: ${[...new Set([since, ...furtherTexts(sinceInWords(since), languages)])].join(" · ")}. `}Evidence: ${[file, link].filter(Boolean).join(", ")}`,
        "",
      ];
    }),
    ...(noted.length === 0
      ? []
      : [
          `## ${each({ en: "Notes", zh: "附註" })}`,
          "",
          each({ en: "These sentences hold, with something to know beside.", zh: "這些句子成立，但值得補充。" }),
          "",
        ]),
    ...noted.flatMap((claim, index) => {
      const lines = linesInWords(linesOf(claim, article));
      const { note, link = "" } = claim;
      return [
        `### ${inSourceLanguage(numbered, article)}${index + 1}. ${each(lines)} (\`${claim.id}\`)`,
        "",
        ...quoted(claim.quote),
        "",
        ...(note === undefined ? [] : inTurn(note)),
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
