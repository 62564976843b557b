import { expect, test } from "vitest";
import type { ClaimResult } from "../helpers/claim/results.ts";
import { notedClaims, wrongSentences } from "./sentences.ts";

const claim = (id: string, more: Partial<ClaimResult> = {}) =>
  ({ id, verdict: "refuted", expected: "refuted", ...more }) as ClaimResult;
const ids = (claims: readonly ClaimResult[]) =>
  wrongSentences(claims).map(({ claim: head, others }) => [head.id, ...others.map(({ id }) => id)]);

test("claims that repeat one another are one sentence, with the correction first", () => {
  expect(ids([claim("b", { repeats: "a" }), claim("a"), claim("c"), claim("d", { verdict: "holds" })])).toEqual([
    ["a", "b"],
    ["c"],
  ]);
});

test("where the corrected claim is not refuted, one of the others stands for the sentence", () => {
  const all = [claim("a", { verdict: "external" }), claim("b", { repeats: "a" }), claim("c", { repeats: "a" })];
  expect(ids(all)).toEqual([["b", "c"]]);
});

test("a note is told where the sentence holds as expected", () => {
  const note = { en: "Only in a strict reading.", zh: "只在嚴格解讀下。" };
  const noted = claim("a", { verdict: "holds", expected: "holds", note });
  expect(notedClaims([noted, claim("b", { note }), claim("c", { verdict: "holds", note })])).toEqual([noted]);
});
