import type { Article } from "../article/article.ts";
import { type ClaimFunction, claimsOf } from "../claim/claim.ts";
import { type LiveControl, live as liveOn } from "../claim/control.ts";
import type { Lab } from "./lab.ts";
import { labEnvironment } from "./stage.ts";

/**
 * Returns the function by which an article's specs check its claims on a cluster.
 *
 * @template Sentences what the claims state, by their ids, as the article's sentences.ts has it; any id will do without
 */
export function specsOf<Sentences = Readonly<Record<string, string>>>(article: Article): ClaimFunction<Lab, Sentences> {
  const claim = made.get(article.folder) ?? claimsOf(article, labEnvironment);
  made.set(article.folder, claim);
  return claim as ClaimFunction<Lab, Sentences>;
}

/** One an article: which control may be tried beside which is a matter of all its claims. */
const made = new Map<string, ClaimFunction<Lab>>();

/**
 * Returns a control that changes the cluster. Claims that are given the same one are judged under one change.
 *
 * @param name what is changed, as a sentence that could follow "what if"
 * @param change makes the change; what it creates is deleted, and what it gives to `lab.afterwards` is done, when the change ends
 * @param turns `alone`: no other control is tried meanwhile; those of one `lane` are tried one after another
 */
export const live: (
  name: string,
  change: (lab: Lab) => Promise<void>,
  turns?: { readonly alone?: boolean; readonly lane?: string },
) => LiveControl<Lab> = liveOn;
