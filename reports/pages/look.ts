import { createHash } from "node:crypto";
import { type ComponentChild, createContext, Fragment, h, type VNode } from "preact";
import { useContext } from "preact/hooks";
import { render } from "preact-render-to-string";
import type { Article } from "../../helpers/article/article.ts";
import { type Texts, textIn, textsIn } from "../../helpers/article/languages.ts";
import type { Verdict } from "../../helpers/claim/verdict.ts";
import { asTyped } from "../../helpers/host/command.ts";
import { correctedFiles } from "../corrected.ts";
import { type Bilingual, joined, recordedMatrixPage, symbols, timesPageFile, verdictWords } from "../words.ts";

/** What all pages look like, dark where the reader's system is, and in the language that was chosen. */
const common = `
:root { color-scheme: light dark; --ink: light-dark(#22303c, #dde6ee); --paper: light-dark(#fff, #14191e); --soft: light-dark(#f4f6f8, #1d242b); --line: light-dark(#c8d0d8, #3a454f);
  --holds: light-dark(#1d6b34, #7fd09a); --refuted: light-dark(#b3261e, #ff9d94); --external: light-dark(#5b6b7a, #9fb0bf); --inconclusive: light-dark(#7a5a00, #e5c36b); }
* { box-sizing: border-box; } .small { font-size: .85rem; } h1 { font-size: 1.4rem; line-height: 1.35; }
.bar { display: flex; flex-wrap: wrap; gap: .2rem 1.2rem; align-items: center; padding: .5rem 1rem; background: var(--soft); border-bottom: 1px solid var(--line); } .bar fieldset { margin: 0 0 0 auto; padding: 0 .4rem .1rem; border: 0; } .bar legend { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); } .bar label:last-child { margin-right: 0; } .bar [aria-current] { font-weight: bold; text-decoration: none; } main { padding: 0 1rem; }
body { overflow-wrap: anywhere; font: 16px/1.7 system-ui, "Noto Sans TC", "Noto Sans CJK TC", sans-serif; color: var(--ink); background: var(--paper); }
a { color: inherit; } fieldset { display: inline-block; margin: .3rem 1rem .3rem 0; border: 1px solid var(--line); border-radius: 6px; } label { margin-right: .8rem; white-space: nowrap; }
.verdict.holds { color: var(--holds); } .verdict.refuted { color: var(--refuted); } .verdict.external { color: var(--external); } .verdict.inconclusive { color: var(--inconclusive); }
[hidden] { display: none !important; } @media print { fieldset { display: none; } }
`;

/** What is said in another language than the chosen one is hidden, but for the article's own words and what stands for the chosen. */
function hiding(languages: readonly string[]): string {
  const rules = languages.flatMap((chosen) =>
    languages.flatMap((other) =>
      other === chosen
        ? []
        : [`html:has(#${idOf(chosen)}:checked) [lang=${other}]:not(.source, .only, .for-${chosen})`],
    ),
  );
  return rules.length === 0 ? "" : `${rules.join(", ")} { display: none; }\n`;
}

function idOf(language: string): string {
  return `language-${language}`;
}

/** The languages of the page that is being made, the article's own first. */
const Languages = createContext<readonly string[]>(["en"]);

/** Returns a sentence in each of the page's languages, which shows one; in English for those in which it is not there. */
export function both(texts: Texts | Bilingual): ComponentChild {
  return h(Said, { texts });
}

function Said({ texts }: { readonly texts: Texts | Bilingual }): VNode {
  const languages = useContext(Languages);
  const found = textsIn(texts, languages);
  const lacking = languages.filter((language) => textIn(texts, language) === undefined);
  const all = lacking.length === languages.length - (languages.includes("en") ? 1 : 0);
  const standsIn = all && languages.length > 1 ? "only" : lacking.map((language) => `for-${language}`).join(" ");
  return h(
    Fragment,
    {},
    found.map(({ language, text }) =>
      h("span", { lang: language, ...(language === "en" && standsIn !== "" ? { class: standsIn } : {}) }, text),
    ),
  );
}

/** Returns words of the pages' own in all the page's languages at once, for places that do not follow the choice. */
export function inEach(texts: Texts | Bilingual): ComponentChild {
  return h(SaidAtOnce, { texts });
}

function SaidAtOnce({ texts }: { readonly texts: Texts | Bilingual }): VNode {
  return h(Fragment, {}, joined(texts, useContext(Languages), " · "));
}

/** Returns what was said in English alone, by a check: for readers of other languages on demand, and named as what it is. */
export function inEnglish(text: ComponentChild): ComponentChild {
  return h(SaidInEnglish, { text });
}

function SaidInEnglish({ text }: { readonly text: ComponentChild }): VNode {
  const others = useContext(Languages).filter((language) => language !== "en");
  const words: Bilingual = { en: "the check's own words, in English", zh: "檢查的原文訊息（英文）" };
  return h(Fragment, {}, [
    h("span", { lang: "en" }, text),
    ...others.map((language) =>
      h("details", { lang: language }, [
        h("summary", {}, textIn(words, language) ?? words.en),
        h("span", { lang: "en", class: "only" }, text),
      ]),
    ),
  ]);
}

/** Returns a verdict as its sign and its word. */
export function verdictMark(verdict: Verdict): ComponentChild {
  return h("span", { class: `verdict ${verdict}` }, [`${symbols[verdict]} `, both(verdictWords[verdict])]);
}

/** Begins in the reader's language, or in the one that was chosen on the page before. Without it a page begins in the article's. */
const language = `
const choices = [...document.querySelectorAll("input[name=language]")];
let chosen;
try { chosen = localStorage.getItem("language"); } catch {}
const speaks = (name) => choices.find(({ value }) => value.split("-")[0] === name.split("-")[0]);
const wanted = choices.find(({ id }) => id === chosen) ?? navigator.languages.map(speaks).find(Boolean) ?? speaks("en");
for (const choice of choices) {
  choice.checked = choice === wanted;
  choice.addEventListener("change", () => { try { localStorage.setItem("language", choice.id); } catch {} });
}
`;

/** Returns the choice of the language, where there is one; it works without a script. */
export function languageSwitch(): ComponentChild {
  return h(Switch, {});
}

function Switch(): VNode | null {
  const languages = useContext(Languages);
  if (languages.length < 2) return null;
  return h("fieldset", {}, [
    h("legend", {}, inEach({ en: "language", zh: "語言" })),
    languages.map((tag, index) =>
      h("label", {}, [
        h("input", { type: "radio", name: "language", id: idOf(tag), value: tag, checked: index === 0 }),
        ` ${nameOf(tag, languages)}`,
      ]),
    ),
  ]);
}

/** A page beside the one that is shown. */
export interface NamedPage {
  /** Relative to it; empty for the page itself. */
  readonly file: string;
  readonly words: Bilingual;
}

/** Returns the pages of a run that are there, for the bar on top of one of them. */
export function pagesBeside(current: string, article: Pick<Article, "id">, files: readonly string[]): NamedPage[] {
  const all: NamedPage[] = [
    { file: "index.html", words: { en: "Overview", zh: "總覽" } },
    { file: "article.html", words: { en: "The article", zh: "文章" } },
    { file: correctedFiles(article).diff, words: { en: "Corrections", zh: "訂正" } },
    { file: timesPageFile, words: { en: "Times", zh: "時間" } },
    { file: recordedMatrixPage, words: { en: "Versions", zh: "各版本" } },
    { file: "allure-report/index.html", words: { en: "Allure", zh: "Allure" } },
  ];
  return all
    .filter(({ file }) => files.includes(file))
    .map(({ file, words }) => ({ file: file === current ? "" : file, words }));
}

/** Returns the bar on top of every page: what lies beside it, and the choice of the language. */
export function topBar(pages: readonly NamedPage[]): ComponentChild {
  return h("nav", { class: "bar", "aria-label": "pages" }, [
    ...pages.map(({ file, words }) =>
      file === "" ? h("span", { "aria-current": "page" }, both(words)) : h("a", { href: file }, both(words)),
    ),
    languageSwitch(),
  ]);
}

/** A language's name in itself; with its script or region only if that tells it from another. */
function nameOf(tag: string, languages: readonly string[]): string {
  const { language } = new Intl.Locale(tag);
  const several = languages.filter((other) => new Intl.Locale(other).language === language).length > 1;
  return new Intl.DisplayNames([tag], { type: "language" }).of(several ? tag : language) ?? tag;
}

/** Returns a whole page in the languages of an article. It needs nothing from elsewhere, and may ask for nothing but the pictures beside it. */
export function pageOf(
  { languages }: { readonly languages: readonly string[] },
  title: string,
  style: string,
  body: ComponentChild,
  script = "",
): string {
  const css = common + hiding(languages) + style;
  const code = language + script;
  const hash = (text: string) => `'sha256-${createHash("sha256").update(text).digest("base64")}'`;
  const policy = [
    ...["default-src 'none'", `style-src ${hash(css)}`, "img-src 'self' file: data:"],
    `script-src ${hash(code)}`,
    ...["base-uri 'none'", "form-action 'none'"],
  ].join("; ");
  const page = h("html", { lang: languages[0] }, [
    h("head", {}, [
      h("meta", { charSet: "utf-8" }),
      h("meta", { httpEquiv: "Content-Security-Policy", content: policy }),
      h("meta", { name: "viewport", content: "width=device-width" }),
      h("title", {}, title),
      h("style", { dangerouslySetInnerHTML: { __html: css } }),
    ]),
    h("body", {}, [body, h("script", { dangerouslySetInnerHTML: { __html: code } })]),
  ]);
  return asTyped(`<!doctype html>\n${render(h(Languages.Provider, { value: languages }, page))}\n`);
}
