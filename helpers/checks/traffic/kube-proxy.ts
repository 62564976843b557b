import type { V1Pod } from "@kubernetes/client-node";
import { expect } from "vitest";
import { z } from "zod";
import { rules } from "../../changes/iptables.ts";
import { configure } from "../../changes/nodes.ts";
import { positiveControl } from "../../claim/verdict.ts";
import type { Lab } from "../../lab/lab.ts";
import type { NodePeer } from "../../lab/peers.ts";
import { live } from "../../lab/spec.ts";
import { Port, readyMade } from "../parts/define.ts";
import { storePatched } from "../parts/objects.ts";

/** Returns the status and the body of a URL that a node asks for itself; the status is 0 where nobody answers (curl(1)). */
async function ownAnswer(node: NodePeer, url: string): Promise<{ node: string; status: number; body: string }> {
  const words = ["--silent", "--noproxy", "*", "--max-time", "5", "--write-out", "\n%{http_code}", url];
  const { stdout } = await node.run(`${node.name} asks itself`, ["curl", ...words]);
  const lines = stdout.split("\n");
  return { node: node.name, status: Number(lines.at(-1)), body: lines.slice(0, -1).join("\n").trim() };
}

/** Returns what each node has at a URL of its own, once all is as wanted: another check may have kube-proxy's pods replaced. */
export async function ownAnswers(lab: Lab, url: string, wanted: (answer: { status: number; body: string }) => boolean) {
  return lab.eventually(
    () => Promise.all(lab.nodes.map((node) => ownAnswer(node, url))),
    (answers) => answers.every(wanted),
  );
}

export const everyNodeAnswers = readyMade({
  says: "Every node that asks at a port of its own, at `localhost`, is answered with this status.",
  turnedBy: "the nodes drop what they send themselves to that port",
  parameters: z.strictObject({
    port: Port.describe("on which a program of the node listens"),
    path: z.string().startsWith("/").describe("of the URL"),
    status: z.int().min(100).max(599).default(200).describe("the HTTP status"),
  }),
  example: { port: 10_256, path: "/healthz" },
  make: ({ port, path, status }) => ({
    observe: (lab) => ownAnswers(lab, `http://localhost:${port}${path}`, (answer) => answer.status === status),
    judge: (answers) => {
      positiveControl(answers.length > 0, "a node was asked");
      for (const answer of answers)
        expect(answer.status, `the HTTP status of http://localhost:${port}${path} on ${answer.node}`).toBe(status);
    },
    control: live(
      "the nodes drop what they send themselves to that port",
      async (lab) => {
        for (const node of lab.nodes) await rules(lab, node).dropOwn(port);
      },
      { alone: true },
    ),
  }),
});

/** Where kube-proxy tells its mode, as its reference says of `--metrics-bind-address`. */
export const proxyModeUrl = "http://localhost:10249/proxyMode";

const Mode = z.enum(["iptables", "ipvs", "nftables"]);
type Mode = z.infer<typeof Mode>;

/** Has kube-proxy run in a mode on every node, and in the one of before once the change ends; waits until it does. */
export async function runInMode(lab: Lab, mode: Mode, before: Mode): Promise<void> {
  const everywhere = (wanted: Mode) =>
    lab.until(
      `kube-proxy in mode ${wanted} on every node`,
      () => Promise.all(lab.nodes.map((node) => ownAnswer(node, proxyModeUrl))),
      (answers) => answers.every(({ body }) => body === wanted),
      lab.timeouts.podsReady,
    );
  lab.afterwards(async () => void (await everywhere(before)));
  await configure(lab, "kube-proxy", "config.conf", { "k8s-app": "kube-proxy" }, (text) =>
    text.replace(/^mode: .*$/m, `mode: ${mode}`),
  );
  await everywhere(mode);
}

export const kubeProxyRunsIn = readyMade({
  says: "On every node, kube-proxy says that it runs in this mode.",
  turnedBy: "kube-proxy is configured for another mode",
  parameters: z.strictObject({ mode: Mode }),
  example: { mode: "iptables" },
  make: ({ mode }) => ({
    observe: (lab) => ownAnswers(lab, proxyModeUrl, ({ body }) => body === mode),
    judge: (answers) => {
      for (const { node, status, body } of answers) {
        positiveControl(status === 200, `the kube-proxy of ${node} tells its mode`);
        expect(body, `the mode of kube-proxy on ${node}`).toBe(mode);
      }
    },
    control: live(
      "kube-proxy is configured for another mode",
      (lab) => runInMode(lab, mode === "nftables" ? "iptables" : "nftables", mode),
      { alone: true },
    ),
  }),
});

const Flags = z.array(z.string().startsWith("--")).min(1);

/** It checks its flags, writes what it was told by them to nowhere, and ends. */
const endsAtOnce = "--write-config-to=/dev/null";

/** What the same program is asked beside it, as the positive control: a mode of every version, and one of Windows alone. */
const others = { taken: ["--proxy-mode=iptables"], refused: ["--proxy-mode=kernelspace"] };

export const kubeProxyTakes = readyMade({
  says: "A kube-proxy of the cluster's own that is started with these flags takes them, or refuses them, and says these words.",
  turnedBy: "the kube-proxy that is asked is started with other flags",
  parameters: z.strictObject({
    flags: Flags.describe("of its command line"),
    taken: z.boolean().default(true).describe("false: it refuses them"),
    says: z.string().optional().describe("words of what it prints"),
    pod: z.string().describe("the name of the pod in which it is started"),
    control: z
      .strictObject({
        name: z.string().describe("what is changed, as a sentence that could follow `what if`"),
        flags: Flags.describe("with which it is started instead"),
      })
      .describe("`name`, what is changed in words, and `flags`, with which it is started instead"),
  }),
  example: {
    flags: ["--proxy-mode=nftables"],
    pod: "asked-for-nftables",
    control: { name: "it is asked for a mode that is none", flags: ["--proxy-mode=none"] },
  },
  make: ({ flags, taken, says, pod, control }) => ({
    slow: true,
    observe: async (lab) => {
      const { spec } = await lab.api.get("the DaemonSet kube-proxy", "DaemonSet", "kube-proxy", "kube-system");
      const { image, command: [program = ""] = [] } = spec?.template.spec?.containers[0] ?? {};
      const asks = Object.entries({ asked: flags, ...others });
      const containers = asks.map(([name, args]) => ({
        ...{ name, image, command: [program], args: [...args, endsAtOnce] },
      }));
      await lab.api.create(
        "a pod in which kube-proxy is asked",
        lab.objects.clientPod(pod, { nodeName: lab.worker(0).name, restartPolicy: "Never", containers }),
      );
      const path = `/api/v1/namespaces/${lab.namespace}/pods/${pod}`;
      const { status } = await lab.until(
        `the containers of ${pod} to end`,
        () => lab.api.read<V1Pod>(`the pod ${pod}`, path),
        (found) => ["Succeeded", "Failed"].includes(found.status?.phase ?? ""),
        lab.timeouts.podsReady,
      );
      const exitCode = (name: string) =>
        status?.containerStatuses?.find((container) => container.name === name)?.state?.terminated?.exitCode ?? null;
      const said = await lab.api.read<string>(`what ${pod} printed`, `${path}/log?container=asked`);
      return { asked: exitCode("asked"), said: said.trim(), taken: exitCode("taken"), refused: exitCode("refused") };
    },
    judge: ({ asked, said, taken: good, refused: bad }) => {
      positiveControl(good === 0, `the same kube-proxy takes ${others.taken.join(" ")}`);
      positiveControl(bad !== null && bad !== 0, `it refuses ${others.refused.join(" ")}`);
      expect(asked === 0, `kube-proxy ${flags.join(" ")} is taken; exit code ${asked}, it says: ${said}`).toBe(taken);
      if (says !== undefined) expect(said, `what kube-proxy ${flags.join(" ")} says`).toContain(says);
    },
    control: live(control.name, (lab) =>
      storePatched(lab, "Pod", pod, [
        { op: "add", path: "/spec/containers/0/args", value: [...control.flags, endsAtOnce] },
      ]),
    ),
  }),
});
