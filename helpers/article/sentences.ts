import type { Article } from "./article.ts";

/** The file of an article's folder by which its specs' claims are typed. */
export const sentencesFile = "sentences.ts";

/**
 * Returns the text of that file: what each claim states that a spec checks, by its id. A spec of another id does not compile, and an
 * editor shows the sentence over `claim("<id>", …)`.
 */
export function sentencesOf({
  claims,
}: {
  readonly claims: readonly Pick<Article["claims"][number], "id" | "en" | "expect" | "check">[];
}): string {
  const checked = claims.filter(({ expect, check }) => expect !== undefined && check === undefined);
  return `/** What each claim states, by its id. Written by \`npm run claims\`. */
export interface Sentences {
${checked.map(({ id, en }) => `  readonly "${id}": ${JSON.stringify(en)};`).join("\n")}
}
`;
}
