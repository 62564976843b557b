import { expect, test } from "vitest";
import type { Hop } from "./hops.ts";
import { drawPath } from "./picture.ts";

const hop = (node: string, device: string, from: string, to: string, translated: Hop["translated"] = []): Hop => ({
  ...{ node, interface: device, direction: "in", from, fromPort: 40_000, to, toPort: 80, ttl: 64, translated },
  by: translated.length === 0 ? [] : ["nat KUBE-SEP-X: DNAT --to-destination 10.244.2.3:80"],
});

const drawing = {
  title: "a pod & <its Service>",
  hops: [
    hop("worker", "veth1", "10.244.1.2", "10.96.0.9"),
    hop("worker", "eth0", "10.244.1.2", "10.244.2.3", ["destination"]),
    hop("worker2", "veth2", "10.244.1.2", "10.244.2.3"),
  ],
  client: { lane: "worker", words: "client-1" },
  server: { lane: "worker2", words: "server-2" },
};

test("what was translated is red, at that hop and no other, with the rule below", () => {
  const red = drawPath(drawing)
    .split("<text ")
    .filter((part) => part.includes("#b3261e"));
  expect(red.map((part) => />([^<]*)</.exec(part)?.[1])).toEqual([
    "→ 10.244.2.3:80",
    "nat KUBE-SEP-X:",
    "DNAT --to-destination 10.244.2.3:80",
  ]);
});

test("each hop is in its node's lane, and words are escaped", () => {
  const svg = drawPath(drawing);
  const heights = ["veth1", "eth0", "veth2"].map((device) =>
    Number(new RegExp(`y="(\\d+)"[^>]*>${device}<`).exec(svg)?.[1]),
  );
  expect(heights[0]).toBe(heights[1]);
  expect(heights[2]).toBeGreaterThan(heights[1] ?? Infinity);
  expect(svg).toContain("a pod &amp; &lt;its Service&gt;");
  expect(svg).not.toContain("<its");
});

test("a path that ends without an answer, or was not seen, is drawn too", () => {
  expect(drawPath({ ...drawing, server: undefined })).toContain("nobody answers");
  expect(drawPath({ ...drawing, hops: [] })).toMatch(/^<svg [^>]*>[^]*<\/svg>\n$/);
});
