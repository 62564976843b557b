import { expect, test } from "vitest";
import { readArticle } from "../helpers/article/article.ts";
import { readSettings } from "../helpers/host/settings.ts";
import { selectionOf } from "./selection.ts";

const { claims } = readArticle(readSettings().article);

test.each([
  [[]],
  [["13-summary"]],
  [["--tags-filter", "not slow"]],
  [["-t", "However pods change"]],
  [["-t", "host-network|without NAT"]],
])("%j goes to vitest as it is", async (words) => {
  expect(await selectionOf(words, claims)).toEqual(words);
});

test.each([
  [
    ["-t", "reachable-however"],
    ["-t", String.raw`^(However pods change, the application stays reachable\.)$`],
  ],
  [
    ["10-packets", "-t=reachable-however"],
    ["10-packets", "-t=^(However pods"],
  ],
])("claims that %j names by their ids are named by their sentences", async (words, wanted) => {
  const found = await selectionOf(words, claims);
  expect(found).toHaveLength(wanted.length);
  for (const [index, word] of found.entries()) expect(word.startsWith(wanted[index] ?? "")).toBe(true);
});

test("of claims whose ids fit, all are named, and no others", async () => {
  const [, pattern = ""] = await selectionOf(["-t", "^conflist-"], claims);
  const fitting = claims.filter(({ id, expect: expected }) => expected !== undefined && id.startsWith("conflist-"));
  expect(fitting.length).toBeGreaterThan(3);
  expect(claims.filter(({ en }) => new RegExp(pattern).test(en))).toEqual(fitting);
});

test.each([
  ["no such claim", /^-t no such claim is in no claim's sentence or id$/],
  ["(", /^-t \(: Invalid regular expression: .*$/],
])("-t %s is refused before anything is started", async (asked, message) => {
  await expect(selectionOf(["-t", asked], claims)).rejects.toThrow(message);
});
