import fc from "fast-check";
import { expect, test } from "vitest";
import { coverageOf } from "./coverage.ts";
import { headingsOf, piecesOf } from "./outline.ts";

const pieces = (text: string) =>
  piecesOf(text).map(({ reason, place }) => [reason, "quote" in place ? place.quote : place.lines]);

test.each<[string, string, (readonly [string, string])[]]>([
  ["a heading, without its signs", "# One *two*", [["heading", "One *two*"]]],
  [
    "each sentence",
    "One. Two!\nThree?",
    [
      ["todo", "One."],
      ["todo", "Two!"],
      ["todo", "Three?"],
    ],
  ],
  ["a sentence over several lines", "One\ntwo.", [["todo", "One\ntwo."]]],
  [
    "Chinese sentences",
    "一。二。",
    [
      ["todo", "一。"],
      ["todo", "二。"],
    ],
  ],
  [
    "a sentence with the signs of Markdown in it",
    "See `a.b.` and ![c](d.png) now.",
    [["todo", "See `a.b.` and ![c](d.png) now."]],
  ],
  [
    "a list, with its numbers",
    "1. One. Two.\n2. Three",
    [
      ["todo", "1. One."],
      ["todo", "Two."],
      ["todo", "2. Three"],
    ],
  ],
  [
    "a list in a list",
    "- One\n  - two",
    [
      ["todo", "One"],
      ["todo", "two"],
    ],
  ],
  ["a quote", "> One\n> two.", [["todo", "One\n> two."]]],
  [
    "the rows of a table",
    "| a |\n|---|\n| b |",
    [
      ["todo", "1"],
      ["todo", "3"],
    ],
  ],
  ["code as a whole", "```sh\nls\n```", [["todo", "1-3"]]],
  [
    "what stands before the text, and where links lead",
    "---\ntitle: a\n---\nb\n\n[c]: https://d.e",
    [
      ["metadata", "1-2"],
      ["todo", "b"],
      ["metadata", "6"],
    ],
  ],
  ["no lines and signs alone", "---\n\n***\n\n…", []],
])("the pieces of a text are: %s", (_name, text, expected) => {
  expect(pieces(text)).toEqual(expected);
});

test("words that stand twice are each of their occurrence", () => {
  expect(piecesOf("Same.\n\nSame.").map(({ place }) => place)).toEqual([
    { quote: "Same.", occurrence: 1 },
    { quote: "Same.", occurrence: 2 },
  ]);
});

test("headings are told with their depth and where their words begin", () => {
  expect(headingsOf("# A *b*\n\n- ## c")).toEqual([
    { title: "A b", depth: 1, start: 2 },
    { title: "c", depth: 2, start: 14 },
  ]);
});

test("whatever a text is made of, its pieces cover every letter and digit", () => {
  const line = fc.constantFrom(
    "# h",
    "one. two",
    "- a. b",
    "  - c",
    "3. d",
    "> e",
    "| f | g |",
    "|---|---|",
    "```sh",
    "",
    "[h]: i",
    "[^1]: j",
    "- [x] k",
    "    l",
    "<p>m",
    "***",
    "![n](o) p. q",
    "r  ",
    "&amp; \\* s。t",
  );
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), (lines) => {
      const text = `z\n${lines.join("\n")}`;
      const places = piecesOf(text).map(({ place }) => place);
      expect(coverageOf({ text, claims: [], unclaimed: [{ reason: "todo", places }] }).missing).toEqual([]);
    }),
    { numRuns: 300 },
  );
});
