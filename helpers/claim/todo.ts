import { todoWord } from "../article/article.ts";
import { Inconclusive } from "./verdict.ts";

/**
 * Stands in a check for what is still to be written, so that its claim cannot be judged.
 *
 * @throws Inconclusive always, which says what is missing
 */
export function todo(what: string): never {
  throw new Inconclusive(`${todoWord}: ${what}`);
}
