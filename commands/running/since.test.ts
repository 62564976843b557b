import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Article, readArticle } from "../../helpers/article/article.ts";
import { projectRoot } from "../../helpers/host/settings.ts";
import { changedSince, touchedBy } from "./since.ts";

const tiny = readArticle(join(projectRoot, "specs", "tiny"));
const all = tiny.claims.map(({ id }) => id);

/** Which claims of an article a file can have touched that was another. */
function touched(path: string, before?: string, article: Article = tiny): string[] | string {
  const found = touchedBy([{ path, before }], article);
  return "all" in found ? `all: ${found.all}` : [...found];
}

test("another line of the text touches the claims that are made in it", () => {
  const [first] = tiny.claims;
  const line = tiny.text.split("\n").find((each) => each.includes(first?.quote.split("\n")[0] ?? "")) ?? "";
  const same = tiny.claims.filter(({ quote }) => line.includes(quote)).map(({ id }) => id);
  expect(touched(tiny.file, tiny.text.replace(line, "Before."))).toEqual(same);
  expect(touched(tiny.file, `A line that is gone.\n${tiny.text}`)).toEqual([]);
});

test("another entry of the catalogue touches its claim", () => {
  const file = join(tiny.folder, "01-tiny.claims.yaml");
  const text = readFileSync(file, "utf8");
  const [, second] = tiny.claims;
  expect(touched(file, text.replace(`en: ${second?.en}`, "en: It said something else."))).toEqual([second?.id]);
  expect(touched(file, `# A comment.\n${text}`)).toEqual([]);
  expect(touched(file)).toEqual(all);
});

test.each([
  ["a spec", join(tiny.folder, "01-tiny.spec.ts"), ["every-pod-has-an-address", "cluster-ip-answers-outside"]],
  ["what every check works with", join(projectRoot, "helpers", "lab", "lab.ts"), all],
  [
    "a ready-made check, its claims",
    join(projectRoot, "helpers", "checks", "traffic", "answers.ts"),
    ["a-service-is-found-by-its-name"],
  ],
  ["one that nobody names", join(projectRoot, "helpers", "checks", "cluster", "prints.ts"), []],
  ["what makes the cluster", join(projectRoot, "helpers", "cluster", "kind.ts"), "all: helpers/cluster/kind.ts"],
  ["the images", join(projectRoot, "fixtures", "images", "images.lock.yaml"), "all: fixtures/images/images.lock.yaml"],
  ["what is said of all claims", join(tiny.folder, "article.yaml"), "all: article.yaml"],
  ["a page", join(projectRoot, "reports", "pages", "look.ts"), []],
  ["a test", join(projectRoot, "helpers", "lab", "lab.test.ts"), []],
  ["a document", join(projectRoot, "README.md"), []],
  ["another article", join(projectRoot, "specs", "another", "01-a.spec.ts"), []],
  ["a recording", join(tiny.folder, "recordings", "matrix.json"), []],
])("%s", (_what, path, expected) => {
  expect(touched(path, "otherwise")).toEqual(expected);
});

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "since-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

test("what is not committed yet, and what git does not know, have changed since a commit", async () => {
  const git = (...words: readonly string[]) =>
    execa({ cwd: folder })`git -c user.name=a -c user.email=a@b.test ${words}`;
  cpSync(tiny.folder, join(folder, "tiny"), { recursive: true });
  await git("init", "--quiet");
  await git("add", ".");
  await git("commit", "--quiet", "-m", "as it was");
  expect(changedSince("HEAD", join(folder, "tiny"))).toEqual([]);
  writeFileSync(join(folder, "tiny", "article.md"), "otherwise");
  writeFileSync(join(folder, "tiny", "new.md"), "new");
  expect(changedSince("HEAD", join(folder, "tiny"))).toEqual([
    { path: join(folder, "tiny", "article.md"), before: tiny.text },
    { path: join(folder, "tiny", "new.md"), before: undefined },
  ]);
  expect(() => changedSince("none", join(folder, "tiny"))).toThrow("--since none: ");
});
