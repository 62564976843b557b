import { expect, test } from "vitest";
import { Cel, patch } from "./json-patch.ts";

test.each([
  [
    patch.add("/spec/selector", { app: "nobody" }),
    "JSONPatch{op: 'add', path: '/spec/selector', value: {'app': 'nobody'}}",
  ],
  [patch.replace("/spec/ports/0/port", 81), "JSONPatch{op: 'replace', path: '/spec/ports/0/port', value: 81}"],
  [patch.add("/spec/a", [false, true]), "JSONPatch{op: 'add', path: '/spec/a', value: [false, true]}"],
  [patch.add("/spec/a", null), "JSONPatch{op: 'add', path: '/spec/a', value: null}"],
  [patch.add("/spec/a", new Cel("1 + 1")), "JSONPatch{op: 'add', path: '/spec/a', value: 1 + 1}"],
  [patch.add("/spec/a", "it's \\"), String.raw`JSONPatch{op: 'add', path: '/spec/a', value: 'it\'s \\'}`],
  [patch.remove("/spec/type"), "JSONPatch{op: 'remove', path: '/spec/type'}"],
  [
    patch.add("/spec/a", [{ b: 1 }, { b: "x" }]),
    "JSONPatch{op: 'add', path: '/spec/a', value: [dyn({'b': 1}), dyn({'b': 'x'})]}",
  ],
  [
    patch.replace("/spec/ports", [{ port: 80, protocol: "TCP" }]),
    "JSONPatch{op: 'replace', path: '/spec/ports', value: [{'port': dyn(80), 'protocol': dyn('TCP')}]}",
  ],
])("%s", (expression, expected) => {
  expect(expression).toBe(expected);
});
