import { expect, test } from "vitest";
import { verdictOf } from "../samples.judged.ts";
import { nodesPrint } from "./prints.ts";

const control = { name: "a node prints something else", run: [["true"]], undo: [["true"]] };
const check = nodesPrint.make({ command: ["print"], prints: ["^a$"], control });

test.each([
  ["b\na\n", "holds"],
  ["ab\n", "refuted"],
  ["", "refuted"],
])("%j on a node, of which a line is to be an a: %s", (printed, verdict) => {
  const nodes = [
    { node: "node-1", printed: "a" },
    { node: "node-2", printed },
  ];
  expect(verdictOf(check, { prints: ["^a$"], never: [], nodes })).toBe(verdict);
});
