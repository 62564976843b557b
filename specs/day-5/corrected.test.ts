import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Place, readArticle, spanOf } from "../../helpers/article/article.ts";
import { correctedArticle } from "../../helpers/article/corrected.ts";
import { coverageOf } from "../../helpers/article/coverage.ts";
import type { Results } from "../../helpers/claim/results.ts";
import { correctedIn } from "../../reports/corrected.ts";
import { recordedRun } from "../../reports/pages/pages.ts";

const article = readArticle(import.meta.dirname);
const recorded = recordedRun(article) as Results;
const refuted = article.claims.filter(({ expect: all = [] }) => all.some(({ verdict }) => verdict === "refuted"));
const specs = readdirSync(import.meta.dirname)
  .filter((file) => /\.(spec|claims)\.ts$/.test(file))
  .map((file) => readFileSync(join(import.meta.dirname, file), "utf8"))
  .join("\n");

test("every claim that is refuted anywhere has a judge of its correction in its spec", () => {
  const without = refuted.filter(({ id }) => {
    const check = new RegExp(`^claim\\("${id}", \\{$[^]*?^\\}\\);$`, "m").exec(specs)?.[0];
    return check?.includes("\n  corrected: (") !== true;
  });
  expect(refuted.length).toBeGreaterThanOrEqual(15);
  expect(without.map(({ id }) => id)).toEqual([]);
});

test("each correction of the recorded run holds by what was observed", () => {
  const wrong = recorded.claims.filter(({ verdict }) => verdict === "refuted");
  expect(wrong).toHaveLength(15);
  expect(wrong.filter(({ correction }) => correction?.verdict !== "holds").map(({ id }) => id)).toEqual([]);
});

test("each is wrong under the control of its claim, but for those that can be right beside it", () => {
  const under = recorded.claims.filter(({ correction }) => correction !== undefined);
  const beside = under.filter(({ controls }) => controls[0]?.correction !== "refuted").map(({ id }) => id);
  expect(beside).toEqual([
    "sample-cluster-ips-are-possible",
    "welcome-page-by-the-printed-ip",
    "curl-in-another-terminal-shows-packets",
  ]);
});

test("what could not be looked at otherwise would not be a correction: each judge looks at what decides it", () => {
  const list = JSON.parse(
    readFileSync(join(import.meta.dirname, "recordings", "v1.37.0", "survivors.json"), "utf8"),
  ) as Record<string, string[]>;
  for (const [id, place] of [
    ["sample-cluster-ips-are-possible", "subnet"],
    ["welcome-page-by-the-printed-ip", "outputs[]"],
    ["curl-in-another-terminal-shows-packets", "seen[].asPrinted"],
  ] as const) {
    expect(list[`${id}, corrected`], id).toBeDefined();
    expect(list[`${id}, corrected`], id).not.toContain(place);
  }
});

const { article: corrected, ids } = correctedIn(recorded, article);

test("the corrected text is covered as the article is, with every correction in its place", () => {
  expect(coverageOf(corrected)).toMatchObject({ percent: 100, missing: [] });
  expect(recorded.claims.filter(({ id, verdict }) => verdict === "refuted" && !ids.has(id))).toEqual([]);
});

test("every place of a wrong sentence reads otherwise, but for those that words beside them put right", () => {
  const wordsAt = (text: string, place: Place) => {
    const { start = 0, end = 0 } = spanOf(text, place) ?? {};
    return text.slice(start, end);
  };
  const same = article.claims.flatMap((claim) => {
    const after = corrected.claims.find(({ id }) => id === claim.id);
    if (!ids.has(claim.id) || after === undefined) return [];
    const now = new Set([after, ...after.also].map((place) => wordsAt(corrected.text, place)));
    return [claim, ...claim.also].map((place) => wordsAt(article.text, place)).filter((words) => now.has(words));
  });
  expect(same).toEqual([
    // The command below it is another.
    "現在我們可以使用 curl 訪問 NodePort Service：",
    // The command above it is another.
    "你應該能在 tcpdump 輸出中看到相關的網路封包",
    // There are three, of which the list names another.
    "它有三種模式",
  ]);
});

test("on no version, mode and family are there two corrections of the same words", () => {
  // The worst case has all that could be in force at once, by the place of the expectation in its claim.
  const most = Math.max(...refuted.map(({ expect: all = [] }) => all.length));
  for (let place = 0; place < most; place++) {
    const inForce = refuted.flatMap(({ id, expect: all = [] }) => {
      const expectation = [all[place], ...all].find((each) => each?.verdict === "refuted");
      return expectation === undefined ? [] : [[id, expectation] as const];
    });
    const left = new Map(inForce);
    for (const id of correctedArticle(article, left).ids) left.delete(id);
    expect([...left.keys()]).toEqual([]);
  }
});
