import { createHash } from "node:crypto";
import { type ComponentChild, h } from "preact";
import { render } from "preact-render-to-string";
import type { Verdict } from "../helpers/claim/verdict.ts";
import { asTyped } from "../helpers/host/command.ts";

/** A sentence in the languages that pages can be read in. */
export interface Texts {
  readonly en: string;
  /** Absent in what an article says that has no Chinese readers. */
  readonly zh?: string | undefined;
}

/** A sentence of the pages' own, which is there in every language. */
export interface Bilingual extends Texts {
  readonly zh: string;
}

/** The value of `lang` for a language (BCP 47). */
export const tagOf = { en: "en", zh: "zh-Hant" } as const;

/** A sign for each verdict: colour alone says nothing to some. */
export const symbols: Readonly<Record<Verdict, string>> = {
  holds: "✓",
  refuted: "✗",
  external: "○",
  inconclusive: "?",
};

/** The verdicts in words. */
export const verdictWords: Readonly<Record<Verdict, Bilingual>> = {
  holds: { en: "holds", zh: "成立" },
  refuted: { en: "refuted", zh: "不成立" },
  external: { en: "not to be seen here", zh: "此處無法驗證" },
  inconclusive: { en: "inconclusive", zh: "未能測試" },
};

/** The two halves of an answer to "how do you know?", wherever a sentence is called wrong. */
export const howWeKnow = {
  tried: { en: "What was tried", zh: "怎麼試的" },
  seen: { en: "Seen in this run", zh: "這次看到" },
} satisfies Record<string, Bilingual>;

/** What all pages look like, dark where the reader's system is, and in the language that was chosen. */
const common = `
:root { color-scheme: light dark; --ink: light-dark(#22303c, #dde6ee); --paper: light-dark(#fff, #14191e); --soft: light-dark(#f4f6f8, #1d242b); --line: light-dark(#c8d0d8, #3a454f);
  --holds: light-dark(#1d6b34, #7fd09a); --refuted: light-dark(#b3261e, #ff9d94); --external: light-dark(#5b6b7a, #9fb0bf); --inconclusive: light-dark(#7a5a00, #e5c36b); }
* { box-sizing: border-box; } body { overflow-wrap: anywhere; font: 16px/1.7 system-ui, "Noto Sans TC", "Noto Sans CJK TC", sans-serif; color: var(--ink); background: var(--paper); }
a { color: inherit; } fieldset { display: inline-block; margin: .3rem 1rem .3rem 0; border: 1px solid var(--line); border-radius: 6px; } label { margin-right: .8rem; white-space: nowrap; }
.verdict.holds { color: var(--holds); } .verdict.refuted { color: var(--refuted); } .verdict.external { color: var(--external); } .verdict.inconclusive { color: var(--inconclusive); }
html:has(#language-zh:checked) [lang=en]:not(.source, .only), html:has(#language-en:checked) [lang=zh-Hant]:not(.source) { display: none; } [hidden] { display: none; } @media print { fieldset { display: none; } }
`;

/** Returns a sentence in each language, of which a page shows one; what is there in English only is shown in English. */
export function both({ en, zh }: Texts): ComponentChild {
  return zh === undefined
    ? h("span", { lang: tagOf.en, class: "only" }, en)
    : [h("span", { lang: tagOf.zh }, zh), h("span", { lang: tagOf.en }, en)];
}

/** The language of an article's own words, as an attribute. */
export function sourceLanguage({
  languages: [first = "zh"] = [],
}: {
  readonly languages?: readonly ("en" | "zh")[] | undefined;
}): string {
  return tagOf[first];
}

/** Returns a text in the languages in which it is there, Chinese first. */
export function inBoth({ en, zh }: Texts, between: string): string {
  return [zh, en].filter((text) => text !== undefined).join(between);
}

/** The page of what recorded runs found on other versions, beside every run's own. */
export const recordedMatrixPage = "recorded-matrix.html";

/** Returns the place of a claim's words on the article's page; a link to it shows the claim's details too. */
export function placeOfWords(claim: string): string {
  return `${claim}-words`;
}

/** Returns a verdict as its sign and its word. */
export function verdictMark(verdict: Verdict): ComponentChild {
  return h("span", { class: `verdict ${verdict}` }, [`${symbols[verdict]} `, both(verdictWords[verdict])]);
}

/** Begins in the reader's language, or in the one that was chosen on the page before. Without it a page begins in Chinese. */
const language = `
const choices = document.querySelectorAll("input[name=language]");
let chosen;
try { chosen = localStorage.getItem("language"); } catch {}
const wanted = chosen ?? (navigator.languages.some((name) => name.startsWith("zh")) ? "language-zh" : "language-en");
for (const choice of choices) {
  choice.checked = choice.id === wanted;
  choice.addEventListener("change", () => { try { localStorage.setItem("language", choice.id); } catch {} });
}
`;

/** Returns the choice of the language; it works without a script. */
export function languageSwitch(): ComponentChild {
  const radio = (id: string, checked: boolean, words: string) =>
    h("label", {}, [h("input", { type: "radio", name: "language", id, checked }), ` ${words}`]);
  return h("fieldset", {}, [
    h("legend", {}, "語言 · language"),
    radio("language-zh", true, "中文"),
    radio("language-en", false, "English"),
  ]);
}

/** Returns a whole page that needs nothing from elsewhere and may ask for nothing but the pictures beside it. */
export function pageOf(title: string, style: string, body: ComponentChild, script = ""): string {
  const css = common + style;
  const code = language + script;
  const hash = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
  const policy = [
    ...["default-src 'none'", `style-src ${hash(css)}`, "img-src 'self' file: data:"],
    `script-src ${hash(code)}`,
    ...["base-uri 'none'", "form-action 'none'"],
  ].join("; ");
  const page = h("html", { lang: "zh-Hant" }, [
    h("head", {}, [
      h("meta", { charSet: "utf-8" }),
      h("meta", { httpEquiv: "Content-Security-Policy", content: policy }),
      h("meta", { name: "viewport", content: "width=device-width" }),
      h("title", {}, title),
      h("style", { dangerouslySetInnerHTML: { __html: css } }),
    ]),
    h("body", {}, [body, h("script", { dangerouslySetInnerHTML: { __html: code } })]),
  ]);
  return asTyped(`<!doctype html>\n${render(page)}\n`);
}
