import { expect, test } from "vitest";
import { type Article, readArticle } from "../article/article.ts";
import { readWorlds } from "../cluster/worlds.ts";
import { readSettings } from "../host/settings.ts";
import { missingCapability } from "../world/capabilities.ts";
import type { Results } from "./results.ts";
import { type WorldsFile, worldsByClaim, wrongIn } from "./worlds.ts";

const article = readArticle(readSettings().article);
const { claims } = article;
const first = claims.find(({ expect: expected, needs }) => expected !== undefined && needs.length === 0);
const needy = claims.find(({ needs }) => needs.includes("several-workers"));

function results(...verdicts: readonly (readonly [id: string | undefined, verdict: string, expected?: string])[]) {
  return {
    claims: verdicts.map(([id, verdict, expected = verdict]) => ({ id, verdict, expected, why: "seen" })),
  } as unknown as Results;
}

const before = results([first?.id, "holds"], [needy?.id, "holds"]);
type Worlds = Article["worlds"];
const judged = (found: Results, lacks: string[] = [], worlds: Worlds = {}) =>
  wrongIn({ worlds: [{ id: "w", lacks }], results: found, before, article: { claims, worlds } });

test("a verdict that turned without being listed is named, and so is one that the run did not expect", () => {
  expect(judged(before)).toEqual([]);
  expect(judged(results([first?.id, "refuted"]))).toEqual([
    { id: first?.id, why: "should be holds and is refuted: seen" },
  ]);
  expect(judged(results([first?.id, "holds", "external"]))).toEqual([
    { id: first?.id, why: "is holds, and the run expected external: seen" },
  ]);
});

test("what a world lists has to come, and what it lacks makes external", () => {
  const worlds: Worlds = { w: { turns: { [first?.id ?? ""]: { verdict: "refuted", because: "it speaks of it" } } } };
  expect(judged(results([first?.id, "refuted"]), [], worlds)).toEqual([]);
  expect(judged(results([first?.id, "holds"]), [], worlds)).toHaveLength(1);
  const lacks = ["several-workers"];
  expect(judged(results([first?.id, "holds"], [needy?.id, "external"]), lacks)).toEqual([]);
  expect(judged(results([needy?.id, "holds"]), lacks)).toHaveLength(1);
});

test("worlds are counted by claim", () => {
  const world = { id: "a", what: "something else" };
  const group = { group: "g", worlds: [world, { ...world, id: "b" }], stayed: ["x"], wrong: [], seconds: 1 };
  const file = { groups: [group, { ...group, worlds: [world], stayed: ["x", "y"] }] } as unknown as WorldsFile;
  expect([...worldsByClaim(file)]).toEqual([
    ["x", 3],
    ["y", 1],
  ]);
});

test("the project's own worlds name capabilities that there are, and the article names worlds that there are", () => {
  const worlds = readWorlds();
  expect(worlds.length).toBeGreaterThanOrEqual(30);
  expect(worlds.map(({ id }) => id)).toEqual(expect.arrayContaining(Object.keys(article.worlds)));
  const blank = { nodes: [], engine: {}, features: {}, images: {}, podSubnets: [], serviceSubnets: [] };
  for (const { lacks } of worlds)
    for (const need of lacks) expect(() => missingCapability([need], blank as never)).not.toThrow(RangeError);
});
