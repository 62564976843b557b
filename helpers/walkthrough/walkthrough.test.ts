import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { labFile, readLabText } from "../article/lab-text.ts";
import type { Lab } from "../lab/lab.ts";
import type { NodePeer } from "../lab/peers.ts";
import { addressOf, Reader, titleOf, urlIn, walkOf } from "./walkthrough.ts";

const folder = mkdtempSync(join(tmpdir(), "walk-"));
afterAll(() => rmSync(folder, { recursive: true }));

writeFileSync(
  join(folder, labFile),
  `
namespace: kitchen
otherwise:
  - { printed: "image: clay:1", typed: "image: {image clay}", why: nodes have another one }
  - { printed: <here>, typed: "{node address}", why: a placeholder of the text's }
  - { printed: <elsewhere>, typed: "{other namespace}", why: one of the suite's own }
  - { printed: <there>, typed: "{somewhere}", why: nobody knows what that is }
manifests:
  pot: { below: pot.yaml, block: 1, file: pot.yaml }
steps:
  make: { in: external client, type: kubectl apply -f pot.yaml, save: pot, makes: pot/big }
  list: { in: host, type: "docker ps -f 'name=a b'", after: [make] }
  stir: { in: node, type: stir, takes: spoons }
  ask: { in: host, type: "curl http://<here>:80/tea" }
  lose: { in: external client, type: find <there> }
`,
);
const text = readLabText({
  folder,
  text: `pot.yaml:
\`\`\`
kind: Pot
image: clay:1
\`\`\`
kubectl apply -f pot.yaml
docker ps -f 'name=a b'
stir
curl http://<here>:80/tea
find <there>
It may be <elsewhere>.
`,
});

const node = { name: "node-1", addresses: ["fd00::7"] } as unknown as NodePeer;

/** A lab on which every command ends well; what was done there is kept in words. */
function labOf(differences: { readonly again?: boolean; readonly taken?: readonly string[]; said?: string } = {}) {
  const done: string[] = [];
  const experiments = new Map<string, Promise<unknown>>();
  const run = (place: string) => (title: string, command: readonly string[]) => {
    done.push(`${place}: ${title}: ${command.join("|")}`);
    return Promise.resolve({ exitCode: 0, stdout: differences.said ?? "", stderr: "", failed: false });
  };
  const lab = {
    again: differences.again ?? false,
    world: { features: { spoons: false }, taken: differences.taken ?? [] },
    controlPlane: node,
    otherNamespace: "elsewhere-1",
    outsider: { label: "client", run: run("client") },
    engine: { label: "engine", run: run("engine") },
    objects: { image: (name: string) => `registry/${name}` },
    standIn: (what: string) => void done.push(`stands in: ${what}`),
    note: (title: string) => void done.push(`note: ${title}`),
    together: (name: string, experiment: () => Promise<unknown>) => {
      const shown = experiments.get(name) ?? experiment();
      experiments.set(name, shown);
      return shown;
    },
  } as unknown as Lab;
  return { lab, done, reader: new Reader(lab, text) };
}

test("a manifest is saved and applied in the terminal, with what differs told, and what came of it is marked", async () => {
  const { reader, done } = labOf({ said: "pot/big created" });
  const applied = await reader.apply(text.step("make"));
  expect(applied).toEqual({
    ...{ printed: "kubectl apply -f pot.yaml", typed: "kubectl apply -f pot.yaml", substitutions: [] },
    ...{ exitCode: 0, stdout: "pot/big created", stderr: "" },
  });
  expect(done).toEqual([
    "stands in: registry/clay for clay:1",
    "note: instead of what is printed: image: clay:1",
    expect.stringMatching(/^client: save pot\.yaml as printed in lines 3-4: .*\|kind: Pot\nimage: registry\/clay$/s),
    "client: line 6 of the article: sh|-c|cd && kubectl apply -f pot.yaml",
    expect.stringMatching(/^client: mark it .*: kubectl\|label\|pot\/big\|\S+=lab$/),
  ]);
});

test("what was not created is not marked, and is taken away first where the lab is typed again", async () => {
  const { reader, done } = labOf({ again: true });
  await reader.apply(text.step("make"));
  expect(done[0]).toMatch(
    /^client: big as it was typed before: kubectl\|delete\|pot\|--selector=.*\|--cascade=foreground$/,
  );
  expect(done.at(-1)).toMatch(/^client: line 6/);
});

test("a docker command is run on the host, its quotes taken off", async () => {
  const { reader, done } = labOf();
  await reader.type(text.step("list"), { input: "x\n" });
  expect(done).toEqual([String.raw`engine: line 7 of the article, typing "x\n": ps|-f|name=a b`]);
});

test("a line that is typed in a node is not typed by itself", async () => {
  await expect(labOf().reader.type(text.step("stir"))).rejects.toThrow("line 8 is not typed by itself");
});

test("a URL is asked at a node's own address, in brackets where it is IPv6", () => {
  expect(labOf().reader.urlFor(node, text.step("ask"))).toBe("http://[fd00::7]:80/tea");
  expect(() => urlIn(text.step("list"))).toThrow("there is no URL in: docker ps");
  expect(() => addressOf({ ...node, addresses: [] })).toThrow("the node node-1 has no address");
  expect(titleOf(text.step("ask"))).toBe("line 9 of the article");
});

test("words in braces are found out on the cluster", () => {
  expect(labOf().reader.words("look <elsewhere>").typed).toBe("look elsewhere-1");
});

test("words in braces that nobody knows are an error that names them", async () => {
  await expect(labOf().reader.type(text.step("lose"))).rejects.toThrow("lab.yaml, otherwise: {somewhere} is unknown");
});

const shown: string[] = [];
const walk = walkOf(text, {
  make: async () => void shown.push("make"),
  list: async () => void shown.push("list"),
  stir: async () => void shown.push("stir"),
  ask: async () => {
    shown.push("ask");
    throw new Error("nobody answered");
  },
  lose: async (_reader, { name }) => {
    shown.push(name);
    return 7;
  },
});

test("the steps before one come first, each once, without those that the cluster cannot have; one may fail", async () => {
  const { lab, done } = labOf();
  shown.length = 0;
  expect(await walk(lab, "lose")).toBe(7);
  await walk(lab, "list");
  expect(shown).toEqual(["make", "list", "ask", "lose"]);
  expect(done).toEqual(["note: before: ask failed"]);
  await expect(walk(lab, "ask")).rejects.toThrow("nobody answered");
});

test("again, only those come first that a step cannot do without; where others have the names, none", async () => {
  shown.length = 0;
  await walk(labOf({ again: true }).lab, "list");
  await walk(labOf({ taken: ["Pot/big"] }).lab, "lose");
  expect(shown).toEqual(["make", "list", "lose"]);
});

test("each step has a function, and each function a step", () => {
  expect(() => walkOf(text, { make: () => Promise.resolve(), eat: () => Promise.resolve() })).toThrow(
    "in lab.yaml or among the functions alone: eat, list, stir, ask, lose",
  );
});
