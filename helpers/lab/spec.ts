import type { Catalogue } from "../article/catalogue.ts";
import { type ClaimFunction, claimsOf } from "../claim/claim.ts";
import { type LiveControl, live as liveOn } from "../claim/control.ts";
import type { Lab } from "./lab.ts";
import { labEnvironment } from "./stage.ts";

/** Returns the function by which an article's specs check its claims on a cluster. */
export function specsOf(catalogue: Catalogue): ClaimFunction<Lab> {
  return claimsOf(catalogue, labEnvironment);
}

/** Returns a control that changes the cluster; see {@link liveOn}. */
export const live: (
  name: string,
  change: (lab: Lab) => Promise<void>,
  turns?: { readonly alone?: boolean; readonly lane?: string },
) => LiveControl<Lab> = liveOn;
