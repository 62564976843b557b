import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { V1Pod, V1Service } from "@kubernetes/client-node";
import { afterAll, expect, test } from "vitest";
import { Evidence } from "../claim/evidence.ts";
import type { KubernetesObject } from "../probe/api.ts";
import { timeouts } from "../probe/timeouts.ts";
import { whoAnswers } from "./ask.ts";
import { Lab } from "./lab.ts";
import type { Stage } from "./stage.ts";

const folder = mkdtempSync(join(tmpdir(), "lab-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** A stage on which every request is refused, and which remembers what it was asked. */
function stageThatRemembers(again: boolean) {
  const asked: string[] = [];
  const refused = {
    failed: true,
    exitCode: 7,
    stdout: "",
    stderr: "Connection refused",
    durationMs: 1,
    timedOut: false,
  };
  const run = (where: string, command: readonly string[]) => {
    asked.push(`${where}: ${command[0]} ${command.at(-1)}`);
    return Promise.resolve(refused);
  };
  const api = {
    create: (object: KubernetesObject) => {
      asked.push(`create ${object.metadata.namespace}/${object.metadata.name}`);
      return Promise.resolve({ ...object, spec: { clusterIP: "10.96.0.9", ports: [{ port: 80, nodePort: 30_001 }] } });
    },
    delete: ({ metadata }: KubernetesObject) => Promise.resolve(void asked.push(`delete ${metadata.name}`)),
    requestDeletion: ({ metadata }: KubernetesObject) => Promise.resolve(void asked.push(`let ${metadata.name} go`)),
  };
  const pod: V1Pod = { metadata: { name: "client-1", namespace: "cast" }, status: { podIP: "10.244.1.2" } };
  const web: V1Service = { metadata: { name: "web-nodeport" }, spec: { ports: [{ port: 80, nodePort: 31_000 }] } };
  const node = { name: "kind-worker", role: "worker", addresses: ["172.18.0.3"], podCIDRs: ["10.244.1.0/24"] };
  const stage = {
    ...{ api, again, namespace: "cast", otherNamespace: "elsewhere", timeouts: { ...timeouts(1), claimed: 1 } },
    context: { run: "r", outsider: "o", engine: { cli: "docker" }, images: { agnhost: { reference: "agnhost:1" } } },
    world: { ipFamilies: ["ipv4"], nodes: [node] },
    outsider: { name: "o", addresses: ["172.18.0.9", "fc00::9"] },
    containers: { run },
    podShells: ({ pod: name }: { pod: string }, command: readonly string[]) => run(name, command),
    pods: new Map([["client-1", pod]]),
    services: new Map([["web-nodeport", web]]),
    experiments: new Map(),
  };
  return { stage: stage as unknown as Stage, asked };
}

const never = new AbortController().signal;

test("whoever asks, what is asked, and that it is kept", async () => {
  const { stage, asked } = stageThatRemembers(false);
  const evidence = new Evidence(folder, "asked");
  const lab = new Lab(stage, evidence, never);
  expect(lab.worker(0)).toBe(lab.worker(1));
  expect([lab.worker(0).address, lab.outsider.address]).toEqual(["172.18.0.3", "172.18.0.9"]);
  const service = await lab.services.create("own", {});
  for (const peer of [lab.pod("client-1"), lab.worker(0), lab.outsider]) {
    const { from, to, outcome } = await whoAnswers(lab, peer, service.on(80));
    expect({ from, to, outcome }).toEqual({ from: peer.label, to: "10.96.0.9:80", outcome: "refused" });
  }
  expect(lab.service("web-nodeport").at(lab.worker(0))).toBe("172.18.0.3:31000");
  expect(asked[0]).toBe("create cast/own");
  expect(new Set(asked.slice(1).map((each) => each.split(": curl ")[0]))).toEqual(
    new Set(["client-1", "kind-worker", "o"]),
  );
  const commands = new Set(evidence.items.map(({ command }) => command.split(" curl ")[0]));
  expect([...commands].slice(1)).toEqual([
    "kubectl exec -n cast client-1 -c '' --",
    "docker exec kind-worker",
    "docker exec o",
  ]);
});

test.each([
  [false, "let own go"],
  [true, "delete own"],
])("what a check did is undone, the last thing first (again: %s)", async (again, deleted) => {
  const { stage, asked } = stageThatRemembers(again);
  const lab = new Lab(stage, new Evidence(folder, "undone"), never);
  await lab.services.create("own", {});
  for (const what of ["first", "second"]) lab.afterwards(async () => void asked.push(`undo ${what}`));
  await lab.close();
  expect(asked).toEqual(["create cast/own", "undo second", "undo first", deleted]);
});

test("what several checks look at is done once, and each has its evidence", async () => {
  const { stage } = stageThatRemembers(false);
  const kept = ["one", "two"].map((name) => new Evidence(folder, name));
  let done = 0;
  const seen: number[] = [];
  for (const evidence of kept) {
    const lab = new Lab(stage, evidence, never);
    seen.push(
      await lab.together("an experiment", async () => {
        lab.note("it was done", "");
        return ++done;
      }),
    );
  }
  expect(seen).toEqual([1, 1]);
  expect(kept.map(({ items }) => items.map(({ title }) => title))).toEqual([["it was done"], ["it was done"]]);
});
