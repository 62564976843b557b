import { z } from "zod";

/**
 * Something said in English, and in further languages under their BCP 47 tags, which the type does not tell: {@link textIn} reads
 * them. `zh` is short for zh-Hant.
 */
export interface Texts {
  readonly en: string;
}

const short = "zh";
const traditional = "zh-Hant";

/** A language by its BCP 47 tag, in its usual form. */
export const LanguageTag = z
  .string()
  .refine(isTag, "must be a language tag (BCP 47) such as fr or pt-BR")
  .refine((tag) => tag !== short, "zh does not tell the script: write zh-Hant or zh-Hans");

/** Languages of older results, which say `zh` for zh-Hant. */
export const StoredLanguages = z.array(z.preprocess((tag) => (tag === short ? traditional : tag), z.string()));

function isTag(text: string): boolean {
  try {
    return Intl.getCanonicalLocales(text)[0] === text;
  } catch {
    return false;
  }
}

/** Returns a text in a language, if it is there. */
export function textIn(texts: Texts, language: string): string | undefined {
  const all = texts as unknown as Readonly<Record<string, unknown>>;
  const found = all[language] ?? (isTraditional(language) ? all[short] : undefined);
  return typeof found === "string" ? found : undefined;
}

function isTraditional(tag: string): boolean {
  const { language, script } = new Intl.Locale(tag).maximize();
  return language === "zh" && script === "Hant";
}

/** Returns a text in each of these languages in which it is there, in their order; in English if it is in none of them. */
export function textsIn(
  texts: Texts,
  languages: readonly string[],
): { readonly language: string; readonly text: string }[] {
  const found = languages.flatMap((language) => {
    const text = textIn(texts, language);
    return text === undefined ? [] : [{ language, text }];
  });
  return found.length === 0 ? [{ language: "en", text: texts.en }] : found;
}

/** Returns a text in those of these languages that are not English. */
export function furtherTexts(texts: Texts, languages: readonly string[]): string[] {
  return languages.flatMap((language) => (language === "en" ? [] : (textIn(texts, language) ?? [])));
}

/** Returns of an object only its texts in these languages, under the keys that it has. */
export function onlyTexts(said: Texts, languages: readonly string[]): Texts {
  const keys = new Set(["en", ...languages.flatMap(keysOf)]);
  return Object.fromEntries(Object.entries(said).filter(([key]) => keys.has(key))) as unknown as Texts;
}

/** Returns the keys under which a text in a language may stand. */
export function keysOf(language: string): string[] {
  return isTraditional(language) ? [language, short] : [language];
}

/** Returns the schema of an object that has texts in further languages beside these fields. */
export function withTexts<Shape extends z.ZodRawShape>(shape: Shape): z.ZodObject<Shape, z.core.$strict> {
  // Its type knows the fields alone: an index signature would let every misspelt one pass.
  return z.object(shape).catchall(z.string());
}
