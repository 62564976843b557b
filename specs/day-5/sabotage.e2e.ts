import { readFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Results } from "../../helpers/claim/results.ts";
import { containerNodes } from "../../helpers/cluster/nodes.ts";
import { keptRun } from "../../helpers/cluster/runs.ts";
import { projectRoot, readSettings } from "../../helpers/host/settings.ts";
import { PartStore } from "../../helpers/source/parts.ts";
import { privateEnginePlace, runningPrivateEngine } from "../../helpers/source/private.ts";
import { engineTools } from "../../helpers/source/tools.ts";

/** Claims about names. */
const byDns = [
  "dns-record-for-each-service",
  "dns-full-name",
  "dns-short-name-in-same-namespace",
  "externalname-answers-a-cname",
  "printed-externalname-service",
  "dns-has-srv-and-ptr-records",
];
/** Claims that need the route from one worker to the pods of the other. */
const acrossNodes = ["pods-talk-without-nat-across-nodes", "cross-node-traffic-by-iptables"];
/** Claims that none of this concerns. */
const untouched = [
  "pods-talk-without-nat-on-one-node",
  "containers-reach-each-other-on-localhost",
  "clusterip-is-default-type",
  "default-cni-is-kindnet",
];
/** What is judged each time: what turns, and what stays. */
const judged = [...byDns, ...acrossNodes, ...untouched];

/** The controls prove the same claim by claim; this looks at the commands, and takes minutes. */
const nightly = { tags: ["nightly"] };

const settings = readSettings();
let node: (which: string, command: readonly string[]) => Promise<string>;

beforeAll(async () => {
  await npm("run", "cluster", "--", "up");
  const tools = await engineTools(new PartStore(settings.cache), settings.cache, "never", () => {});
  const engine = await runningPrivateEngine(privateEnginePlace(settings.cache), tools);
  const cluster = keptRun(settings.cache)?.cluster;
  if (engine === undefined || cluster === undefined) throw new Error("no cluster is kept on the private engine");
  node = async (which, command) => {
    const result = await containerNodes(engine).run(`${cluster}-${which}`, command);
    if (result.failed) throw new Error(`${command.join(" ")}: ${result.stderr}`);
    return result.stdout;
  };
});
afterAll(async () => {
  await npm("run", "cluster", "--", "down");
});

async function npm(...words: string[]) {
  return execa("npm", words, { cwd: projectRoot, reject: false, stdin: "ignore", all: true });
}

async function surprises(): Promise<{ exitCode: number | undefined; ids: string[]; output: string }> {
  const { exitCode, all } = await npm("test", "--", "-t", `^(${judged.join("|")})$`);
  const { claims } = Results.parse(JSON.parse(readFileSync(join(settings.out, "results.json"), "utf8")));
  return {
    exitCode,
    output: all,
    ids: claims
      .filter(({ verdict, expected }) => verdict !== expected)
      .map(({ id }) => id)
      .toSorted(),
  };
}

/** Gives back what was taken, whatever came of it. */
async function surprisesUntil(giveBack: () => Promise<void>): ReturnType<typeof surprises> {
  try {
    return await surprises();
  } finally {
    await giveBack();
  }
}

const nodeUntil = (which: string, condition: string) =>
  node(which, ["timeout", "60", "sh", "-c", `until ${condition}; do sleep 0.2; done`]);
const kubectl = (...words: string[]) =>
  node("control-plane", ["kubectl", "--kubeconfig=/etc/kubernetes/admin.conf", "--namespace=kube-system", ...words]);

test("an untouched cluster shows what is expected", nightly, async () => {
  expect(await surprises()).toMatchObject({ exitCode: 0, ids: [] });
});

test("without CoreDNS exactly the claims about names turn", nightly, async () => {
  await kubectl("scale", "deployment/coredns", "--replicas=0");
  await kubectl("wait", "--for=delete", "pod", "--selector=k8s-app=kube-dns", "--timeout=60s");
  const { exitCode, ids, output } = await surprisesUntil(async () => {
    await kubectl("scale", "deployment/coredns", "--replicas=2");
    await kubectl("rollout", "status", "deployment/coredns", "--timeout=120s");
    // The next test asks for names at once: the nodes have to lead to the new pods by then.
    const written = "iptables-save | grep -q 'kube-system/kube-dns:dns\".* -j DNAT'";
    for (const which of ["control-plane", "worker", "worker2"]) await nodeUntil(which, written);
  });
  expect(ids, output).toEqual(byDns.toSorted());
  expect(exitCode).not.toBe(0);
});

test(
  "without the route to the other worker the claims across nodes turn, and only such as may go there",
  nightly,
  async () => {
    const toPods = "ip -4 route show | grep -o '^10[.][0-9.]*/24 via'";
    const routes = Number(await node("worker", ["sh", "-c", `${toPods} | wc -l`]));
    // kindnetd would set them again every 10 s.
    const kindnetd = (await node("worker", ["pgrep", "-xo", "kindnetd"])).trim();
    await node("worker", ["kill", "-STOP", kindnetd]);
    await nodeUntil("worker", `grep -q '^State:.T' /proc/${kindnetd}/status`);
    await node("worker", ["sh", "-c", `${toPods} | while read -r route _; do ip route del "$route"; done`]);
    const { exitCode, ids, output } = await surprisesUntil(async () => {
      await node("worker", ["kill", "-CONT", kindnetd]);
      await nodeUntil("worker", `[ "$(${toPods} | wc -l)" -eq ${routes} ]`);
    });
    expect(ids, output).toEqual(expect.arrayContaining(acrossNodes));
    // Where a Service picks the pod on the other worker, or a name server there, its claim turns too; nothing else does.
    expect(
      ids.filter((id) => untouched.includes(id)),
      output,
    ).toEqual([]);
    expect(exitCode).not.toBe(0);
  },
);

test("given back what it lost, the cluster shows what is expected again", nightly, async () => {
  const { ids, output, exitCode } = await surprises();
  expect(ids, output).toEqual([]);
  expect(exitCode).toBe(0);
});
