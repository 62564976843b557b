import { join } from "node:path";
import { expect, test } from "vitest";
import { readArticle } from "../../helpers/article/article.ts";
import { projectRoot } from "../../helpers/host/settings.ts";
import { filesIn, selectionOf } from "./selection.ts";

const tiny = join(projectRoot, "specs", "tiny");
const { claims } = readArticle(tiny);

test.each([
  [[]],
  [["01-tiny"]],
  [["--tags-filter", "not slow"]],
  [["-t", "is answered by one"]],
  [["-t", "cluster IP|no other pod"]],
])("%j goes to vitest as it is", async (words) => {
  expect(await selectionOf(words, claims)).toEqual(words);
});

test.each([
  [
    ["-t", "answers-outside"],
    ["-t", String.raw`^(A client outside the cluster is answered at the cluster IP\.)$`],
  ],
  [
    ["01-tiny", "-t=answers-outside"],
    ["01-tiny", "-t=^(A client outside"],
  ],
])("claims that %j names by their ids are named by their sentences", async (words, wanted) => {
  const found = await selectionOf(words, claims);
  expect(found).toHaveLength(wanted.length);
  for (const [index, word] of found.entries()) expect(word.startsWith(wanted[index] ?? "")).toBe(true);
});

test("of claims whose ids fit, all are named, and no others", async () => {
  const [, pattern = ""] = await selectionOf(["-t", "^(every|a)-"], claims);
  const fitting = claims.filter(({ id, expect: expected }) => expected !== undefined && /^(every|a)-/.test(id));
  expect(fitting.length).toBe(2);
  expect(claims.filter(({ en }) => new RegExp(pattern).test(en))).toEqual(fitting);
});

test.each([
  ["no such claim", /^-t no such claim is in no claim's sentence or id$/],
  ["(", /^-t \(: Invalid regular expression: .*$/],
])("-t %s is refused before anything is started", async (asked, message) => {
  await expect(selectionOf(["-t", asked], claims)).rejects.toThrow(message);
});

test.each([
  [[], [], []],
  [["-t", "is answered"], ["-t", "is answered"], []],
  [["01-TINY"], [], ["01-tiny.spec.ts"]],
  [
    ["--tags-filter", "not slow", "./specs/tiny/01-tiny.spec.ts", "ready-made"],
    ["--tags-filter", "not slow"],
    ["01-tiny.spec.ts", "ready-made.spec.ts"],
  ],
  [["-t", "tiny", "tiny"], ["-t", "tiny"], ["01-tiny.spec.ts"]],
])("of %j, words that name spec files are told from options", async (words, rest, files) => {
  expect(await filesIn(words, tiny)).toEqual({ rest, files });
});

test("a word that no spec has in its name is refused", async () => {
  await expect(filesIn(["02-huge"], tiny)).rejects.toThrow("no spec has 02-huge in its name");
});
