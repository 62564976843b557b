import type { Article } from "../article/article.ts";
import { type ClaimFunction, claimsOf } from "../claim/claim.ts";
import { type LiveControl, live as liveOn } from "../claim/control.ts";
import type { Lab } from "./lab.ts";
import { labEnvironment } from "./stage.ts";

/** Returns the function by which an article's specs check its claims on a cluster. */
export function specsOf(article: Article): ClaimFunction<Lab> {
  const earlier = made.get(article.folder);
  if (earlier !== undefined) return earlier;
  const claim = claimsOf(article, labEnvironment);
  made.set(article.folder, claim);
  return claim;
}

/** One an article: which control may be tried beside which is a matter of all its claims. */
const made = new Map<string, ClaimFunction<Lab>>();

/** Returns a control that changes the cluster; see {@link liveOn}. */
export const live: (
  name: string,
  change: (lab: Lab) => Promise<void>,
  turns?: { readonly alone?: boolean; readonly lane?: string },
) => LiveControl<Lab> = liveOn;
