import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Results } from "../../helpers/claim/results.ts";
import { projectRoot } from "../../helpers/host/settings.ts";

let out = "";
let results: Results;
let exitCode: number | undefined;

beforeAll(async () => {
  out = mkdtempSync(join(tmpdir(), "controls-"));
  const claims = "^(packets-can-be-watched|nodeport-path)$";
  ({ exitCode } = await execa("npm", ["run", "controls", "--", "-t", claims], {
    cwd: projectRoot,
    env: { KNC_OUT: out },
    reject: false,
    stdin: "ignore",
    stdout: "inherit",
    stderr: "inherit",
  }));
  results = Results.parse(JSON.parse(readFileSync(join(out, "results.json"), "utf8")));
});
afterAll(() => rmSync(out, { recursive: true, force: true }));

/** What was kept of the paths that a check watched, by the name of the file. */
function kept(...folder: readonly string[]): (readonly [name: string, text: string])[] {
  const place = join(out, "evidence", ...folder);
  return readdirSync(place).map((name) => [name, readFileSync(join(place, name), "utf8")]);
}

test("the checks of packets are proven by a change to the cluster, and judged as expected before and after", () => {
  expect(exitCode).toBe(0);
  expect(results.controls).toEqual({ executed: 2, proven: 2, live: 2 });
  expect(results.claims.map(({ verdict }) => verdict)).toEqual(["holds", "holds"]);
});

test("each path is kept with its table, its picture, the rules and the captures", () => {
  const files = [...kept("packets-can-be-watched"), ...kept("nodeport-path")];
  const of = (end: RegExp) => files.filter(([name]) => end.test(name)).length;
  const tables = files.filter(([name]) => name.includes("the-path-"));
  expect(tables).toHaveLength(7);
  expect(of(/\.svg$/)).toBe(7);
  expect(of(/\.pcap$/)).toBeGreaterThanOrEqual(9);
  const byService = tables.find(([name]) => name.includes("pod-to-clusterip"))?.[1];
  expect(byService).toMatch(/ {2}destination {2}nat KUBE-SEP-\w+: DNAT --to-destination /);
  expect(byService).toMatch(/conntrack's entry on \S+:\n {2}tcp /);
});

test("a source that a node gives shows at the very hop, in the table and in the picture", () => {
  const changed = kept("controls", "packets-can-be-watched", "changed");
  const [, table = ""] = changed.find(([name]) => name.includes("the-path-pod-to-pod-on-another")) ?? [];
  const there = table.split("\n\n")[0]?.split("\n") ?? [];
  expect(there.filter((line) => line.includes("MASQUERADE"))).toEqual([
    expect.stringMatching(/^\S+-worker +eth0 out /),
  ]);
  const [, picture = ""] = changed.find(([name]) => name.endsWith("pod-to-pod-on-another-node.svg")) ?? [];
  expect(picture).toContain("nat POSTROUTING:");
  const untouched = kept("packets-can-be-watched").find(([name]) => name.includes("the-path-pod-to-pod-on-another"));
  expect(untouched?.[1].split("\n\n")[0]).not.toContain("MASQUERADE");
});
