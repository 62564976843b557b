/**
 * What the specs of an article import from the package. All that is exported here keeps to the version policy of CHANGELOG.md;
 * other modules are the project's own and may change.
 *
 * @module
 */
// Of the vitest by which the claims are run: another copy would not know them.
export { expect } from "vitest";
export { type Article, readArticle } from "./article/article.ts";
export type { Check } from "./claim/check.ts";
export type { ClaimFunction } from "./claim/claim.ts";
export type { AlteredControl, Control, LiveControl } from "./claim/control.ts";
export { todo } from "./claim/todo.ts";
export { Inconclusive, NeedsFeature, positiveControl } from "./claim/verdict.ts";
export { mutate, refuse } from "./lab/admission.ts";
export { answered, whoAnswers } from "./lab/ask.ts";
export { rules } from "./lab/iptables.ts";
export { patch } from "./lab/json-patch.ts";
export type { Lab } from "./lab/lab.ts";
export { live, specsOf } from "./lab/spec.ts";
export { lookUp } from "./probe/dns.ts";
export { hostPort, meet, request } from "./probe/http.ts";
export { outputOf } from "./probe/peer.ts";
