import { expect, test } from "vitest";
import { linePerEntry } from "./json.ts";

const value = {
  format: "a/1",
  none: undefined,
  empty: [],
  words: ["a", "b"],
  claims: [{ id: "one" }, { id: "two", of: [{ a: 1 }] }],
};

test("each entry, and each object of a list, has a line of its own", () => {
  expect(linePerEntry(value)).toBe(`{
"format": "a/1",
"empty": [],
"words": ["a","b"],
"claims": [
{"id":"one"},
{"id":"two","of":[{"a":1}]}
]
}
`);
});

test("it is JSON of the same value", () => {
  expect(JSON.parse(linePerEntry(value))).toEqual(JSON.parse(JSON.stringify(value)));
});
