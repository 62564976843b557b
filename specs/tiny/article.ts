import { specsOf } from "../../helpers/lab/spec.ts";

/** Checks a claim of the article. */
export const claim = specsOf(import.meta.dirname);
