import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { UserError } from "../host/errors.ts";
import { projectRoot } from "../host/settings.ts";
import { readArticle } from "./article.ts";
import { labFile, readLabText } from "./lab-text.ts";

const folder = mkdtempSync(join(tmpdir(), "lab-"));
afterAll(() => rmSync(folder, { recursive: true }));

const article = `# Making tea

Save this as pot.yaml:

\`\`\`yaml
kind: Pot
image: clay:1

\`\`\`

Then apply it:

> kubectl apply -f pot.yaml

and look:

\`\`\`
kubectl get pots
\`\`\`

It prints:

NAME   SIZE   AGE
pot    big    3s
Now look again from <where you are>:

kubectl get pots

# Milk

kubectl get pots --all
`;

const lab = `
namespace: kitchen
otherwise:
  - { printed: "image: clay:1", typed: "image: {image clay}", why: here is another one }
  - { printed: <where you are>, typed: "{place}", why: a placeholder of the text's }
  - { printed: get pots, typed: get pots, why: nothing is other words here }
manifests:
  pot: { below: Save this as, block: 1, file: pot.yaml }
samples:
  the making: { below: "# Making tea", until: Then apply }
steps:
  make a pot:
    in: external client
    type: kubectl apply -f pot.yaml
    save: pot
    makes: pot/big-pot
  look:
    in: external client
    type: kubectl get pots
    prints: { below: [and look, It prints], lines: 2, compare: [SIZE] }
    further: { again: { in: pod, type: kubectl get pots, below: Now look again } }
    after: [make a pot]
    takes: tables
`;

function read(file = lab, text = article) {
  writeFileSync(join(folder, labFile), file);
  return readLabText({ folder, text });
}

test("steps are read in their order, with their lines, manifests and samples", () => {
  const { steps, step, namespace } = read();
  expect(namespace).toBe("kitchen");
  expect(steps.map(({ name, line, text }) => [name, line, text])).toEqual([
    ["make a pot", 13, "kubectl apply -f pot.yaml"],
    ["look", 18, "kubectl get pots"],
  ]);
  expect(step("make a pot")).toMatchObject({
    save: { file: "pot.yaml", lines: "6-7", text: "kind: Pot\nimage: clay:1" },
    makes: { kind: "pot", name: "big-pot" },
    after: [],
  });
  expect(step("look")).toMatchObject({ after: ["make a pot"], takes: "tables" });
  expect(step("look").further("again")).toMatchObject({ in: "pod", text: "kubectl get pots" });
});

test("a sample is compared by its own columns", () => {
  const sample = read().step("look").sample();
  expect(sample.lines).toBe("23-24");
  expect(sample.rows).toEqual([
    ["NAME", "SIZE", "AGE"],
    ["pot", "big", "3s"],
  ]);
  expect(sample.compare).toEqual(["SIZE"]);
  expect(sample.compared(["can", "big", "9d"])).toEqual(["big"]);
  expect(sample.compared(undefined)).toEqual([undefined]);
  expect(sample.cell("AGE")).toBe("3s");
  expect(() => sample.cell("COLOUR")).toThrow("there is nothing in the column COLOUR of: NAME");
});

test("all that is printed as far as some words can be a sample", () => {
  expect(read().sample("the making")).toMatchObject({ lines: "2-11", text: expect.stringMatching(/^\nSave[^]*it:$/) });
});

test("what is written elsewhere in the article changes nothing but the numbers of lines", () => {
  const before = read();
  const after = read(lab, article.replace("# Making", "# Coffee\n\n```\nkubectl\n```\n\n# Making"));
  expect(after.step("look").line).toBe(before.step("look").line + 6);
  expect(after.steps.map(({ text, save }) => [text, save?.text])).toEqual(
    before.steps.map(({ text, save }) => [text, save?.text]),
  );
  expect(after.step("look").sample().rows).toEqual(before.step("look").sample().rows);
  expect(after.sample("the making").text).toBe(before.sample("the making").text);
});

test("what is typed otherwise is told with its reason, and only where it is other words", () => {
  const { manifest, words } = read();
  expect(words(manifest("pot").text, (name) => `<${name}>`)).toEqual({
    typed: "kind: Pot\nimage: <image clay>",
    substitutions: [{ printed: "image: clay:1", typed: "image: <image clay>", why: "here is another one" }],
  });
  expect(words("kubectl get pots", () => "")).toEqual({ typed: "kubectl get pots", substitutions: [] });
});

test.each([
  ["step", "lab.yaml has no step stir; it has make a pot, look"],
  ["manifest", "lab.yaml has no manifest stir; it has pot"],
  ["sample", "lab.yaml has no sample stir; it has the making"],
] as const)("a %s of another name is an error that lists those there are", (kind, message) => {
  expect(() => read()[kind]("stir")).toThrow(new RangeError(message));
});

test("a step that prints nothing by the article has no sample", () => {
  expect(() => read().step("make a pot").sample()).toThrow("the step make a pot says nothing of what it prints");
});

test.each([
  [
    "a command that is not printed",
    "type: kubectl apply -f pot.yaml",
    "type: kubectl apply -f cup.yaml",
    "steps.make a pot: not in the article: kubectl apply -f cup.yaml",
  ],
  [
    "a part of a command",
    "type: kubectl apply -f pot.yaml",
    "type: kubectl apply",
    "steps.make a pot: is only a part of line 13: > kubectl apply -f pot.yaml",
  ],
  [
    "a line below words that are not there",
    "below: Now look again",
    "below: Never look",
    "steps.look.further.again: not in the article: Never look",
  ],
  ["words above nothing", "below: Save this", "below: Keep this", "manifests.pot: not in the article: Keep this as"],
  [
    "words in another order",
    "[and look, It prints]",
    "[It prints, and look]",
    "not in the article below line 21: and look",
  ],
  ["a block that is not there", "block: 1", "block: 3", "manifests.pot: there is no fenced block 3 below line 3"],
  [
    "lines that do not stand together",
    "lines: 2",
    "lines: 4",
    "steps.look.prints: there are no 4 lines of text together",
  ],
  ["a column that is not there", "[SIZE]", "[COLOUR]", "steps.look.prints: its first line has no column COLOUR"],
  ["an end that is not there", "until: Then apply", "until: Then eat", "samples.the making: not in the article below"],
  ["two ends", "block: 1,", "block: 1, lines: 2,", "manifests.pot: needs one of 'block', 'lines' and 'until'"],
  ["an unknown place", "in: pod", "in: space", "steps.look.further.again.in: Invalid option"],
  ["an unknown key", "takes: tables", "colour: red", 'steps.look: Unrecognized key: "colour"'],
  ["a step after none", "after: [make a pot]", "after: [stir]", "steps.look.after: there is no step stir"],
  ["a manifest that is not listed", "save: pot", "save: cup", "steps.make a pot.save: lab.yaml has no manifest cup"],
  ["a manifest without a file", ", file: pot.yaml", "", "the manifest pot has no 'file' to be saved as"],
  ["words that nobody prints", "image: clay:1", "image: tin:1", "otherwise: not in the article: image: tin:1"],
])("%s is told in one line that names the entry", (_name, from, to, message) => {
  expect(lab).toContain(from);
  let error: unknown;
  try {
    read(lab.replace(from, to));
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toBeInstanceOf(UserError);
  expect((error as UserError).message).toMatch(/^lab-\w+\/lab\.yaml: [^\n]+$/);
  expect((error as UserError).message).toContain(message);
});

const articles = readdirSync(join(projectRoot, "specs"), { withFileTypes: true }).flatMap((entry) =>
  existsSync(join(projectRoot, "specs", entry.name, labFile))
    ? [readArticle(join(projectRoot, "specs", entry.name))]
    : [],
);

test("an article of the project's own has a lab", () => {
  expect(articles).not.toEqual([]);
});

test.each(articles)("$id: each entry of its lab is in the text, and some spec uses it", (article) => {
  const { names, steps, manifest } = readLabText(article);
  const sources = readdirSync(article.folder)
    .filter((file) => file.endsWith(".ts"))
    .map((file) => readFileSync(join(article.folder, file), "utf8"))
    .join("\n");
  const unused = (entries: readonly string[], ...ways: readonly string[]) =>
    entries.filter((entry) => !ways.some((way) => sources.includes(`${way}${JSON.stringify(entry)}`)));
  expect(unused(names.steps, "walk(lab, ")).toEqual([]);
  expect(unused(names.samples, ".sample(")).toEqual([]);
  const saved = new Set(steps.map(({ save }) => save?.text));
  const manifests = unused(names.manifests, "printedObject(", ".manifest(");
  expect(manifests.filter((name) => !saved.has(manifest(name).text))).toEqual([]);
  const made = steps.flatMap(({ makes }) => (makes === undefined ? [] : `${makes.kind}/${makes.name}`));
  // What is typed in a namespace of the suite's own is in nobody's way.
  const apart = readFileSync(join(article.folder, labFile), "utf8").includes("{other namespace}");
  const inDefault = article.lab?.objects.map((object) => object.toLowerCase());
  expect(new Set(apart ? [] : made)).toEqual(new Set(inDefault));
  const further = steps.flatMap(({ furtherNames }) => furtherNames);
  expect(unused(further, ".further(")).toEqual([]);
});
