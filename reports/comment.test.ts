import { expect, test } from "vitest";
import { readArticle } from "../helpers/article/article.ts";
import type { ClaimResult, Results } from "../helpers/claim/results.ts";
import { readSettings } from "../helpers/host/settings.ts";
import { badgeOf } from "./badge.ts";
import { commentOf, markerOf } from "./comment.ts";
import { recordedRun } from "./pages/pages.ts";
import { wrongSentences } from "./sentences.ts";

const article = readArticle(readSettings().article);
const recorded = recordedRun(article) as Results;
const wrong = wrongSentences(recorded.claims);
const [first] = wrong.map(({ claim }) => claim);
const held = recorded.claims.find(({ verdict }) => verdict === "holds");
const elsewhere = recorded.claims.find(({ verdict }) => verdict === "external");
const altered = (id: string | undefined, change: Partial<ClaimResult>): Results => ({
  ...recorded,
  claims: recorded.claims.map((claim) => (claim.id === id ? { ...claim, ...change } : claim)),
});

test("without anything to compare with, each sentence that misleads is told", () => {
  const comment = commentOf(recorded, article, undefined) ?? "";
  expect(comment.startsWith(markerOf(article))).toBe(true);
  expect(comment).toContain(`**Misleading: ${wrong.length}**`);
  expect(comment).toContain(`${wrong.length} sentences mislead`);
  expect(comment.match(/^- line /gm)).toHaveLength(wrong.length);
});

test("a pull request that changes nothing for readers gets no comment", () => {
  expect(commentOf(recorded, article, recorded)).toBeUndefined();
});

test("what misleads now, what no longer does and what is otherwise is told, and nothing else", () => {
  const worse = commentOf(altered(held?.id, { verdict: "refuted" }), article, recorded) ?? "";
  expect(worse).toContain("**Misleading since this change: 1**");
  expect(worse.match(/^- /gm)).toHaveLength(1);
  expect(worse).toContain(`${wrong.length + 1} sentences mislead, ${wrong.length} on the branch`);
  const better = commentOf(altered(first?.id, { verdict: "holds" }), article, recorded) ?? "";
  expect(better).toContain("**No longer misleading: 1**");
  expect(better).not.toContain("Other verdicts");
  const other = commentOf(altered(elsewhere?.id, { verdict: "holds" }), article, recorded) ?? "";
  expect(other).toContain("external → holds");
});

test("a sentence that was rewritten and still misleads is another one", () => {
  const rewritten = commentOf(altered(first?.id, { quote: "Other words." }), article, recorded) ?? "";
  expect(rewritten).toContain("**Misleading since this change: 1**");
  expect(rewritten).toContain("**No longer misleading: 1**");
});

test("the badge counts sentences, and is grey for another text and after a month", () => {
  const day = new Date(recorded.started);
  const holds = recorded.claims.filter(({ verdict }) => verdict === "holds").length;
  expect(badgeOf(recorded, article, day)).toEqual({
    ...{ schemaVersion: 1, label: "Kubernetes", color: "yellow" },
    message: `${holds} of ${holds + wrong.length} sentences hold on 1.37, checked ${recorded.started.slice(0, 10)}`,
  });
  expect(badgeOf(recorded, { text: `${article.text} ` }, day).color).toBe("lightgrey");
  expect(badgeOf(recorded, article, new Date(day.getTime() + 31 * 86_400_000)).color).toBe("lightgrey");
  const right = { ...recorded, claims: recorded.claims.filter(({ verdict }) => verdict === "holds") };
  expect(badgeOf(right, article, day).color).toBe("brightgreen");
});
