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
export { answered } from "./lab/ask.ts";
export type { Lab } from "./lab/lab.ts";
export { live, specsOf } from "./lab/spec.ts";
export { hostPort, meet } from "./probe/http.ts";
