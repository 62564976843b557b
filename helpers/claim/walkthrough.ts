import type { V1Deployment, V1Pod, V1Service } from "@kubernetes/client-node";
import type { CommandResult } from "../host/command.ts";
import { type Background, inBackground } from "../probe/background.ts";
import { type Packet, startCapture } from "../probe/capture.ts";
import { hostOf, hostPort, type Request, request } from "../probe/http.ts";
import { outputOf, type Peer, ProbeFailed } from "../probe/peer.ts";
import { printed, printedCommand } from "./article.ts";
import type { Lab } from "./lab.ts";

/** Something of the article that has to be other words here, and why. */
interface Substitution {
  readonly printed: string;
  readonly typed: string;
  readonly why: string;
}

/** A command of the article and how it ended here. */
interface Typed {
  readonly printed: string;
  readonly typed: string;
  readonly substitutions: readonly Substitution[];
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The namespace that the article works in: it names none. */
export const articleNamespace = "default";

/** The manifests that a reader saves, and under which name the article has them applied. */
const files = {
  "web-deployment.yaml": "182-202",
  "web-clusterip.yaml": "225-235",
  "web-nodeport.yaml": "267-278",
} as const;

/** Everything that has to be other words here than the article prints; nothing else is changed. */
function table(lab: Lab): Substitution[] {
  return [
    { printed: "kind-control-plane", typed: lab.controlPlane.name, why: "the name of this cluster's control plane" },
    {
      printed: "image: nginx:1.21",
      typed: `image: ${lab.image("nginx")}`,
      why: "nodes that cannot pull it have Debian's nginx, which stands in for it",
    },
    {
      printed: "--image=busybox",
      typed: `--image=${lab.image("busybox")}`,
      why: "an image without a tag is pulled always, and these nodes have one of their own",
    },
    { printed: "<node-ip>", typed: lab.controlPlane.addresses[0] ?? "", why: "a placeholder of the article's" },
    { printed: "docker exec -it", typed: "docker exec -i", why: "there is no terminal to connect" },
  ];
}

function substituted(lab: Lab, text: string): { typed: string; substitutions: Substitution[] } {
  const substitutions = table(lab).filter(({ printed: from, typed: to }) => text.includes(from) && from !== to);
  return {
    typed: substitutions.reduce((all, { printed: from, typed: to }) => all.replaceAll(from, to), text),
    substitutions,
  };
}

function told(lab: Lab, text: string): { typed: string; substitutions: Substitution[] } {
  const result = substituted(lab, text);
  for (const { printed: from, typed: to } of result.substitutions)
    if (from.includes("image"))
      lab.standIn(`${to.replace(/^.*image[=:] ?/, "")} for ${from.replace(/^.*image[=:] ?/, "")}`);
  for (const { printed: from, typed: to, why } of result.substitutions)
    lab.note(`instead of what is printed: ${from}`, `printed: ${from}\ntyped:   ${to}\nwhy:     ${why}`);
  return result;
}

function ended(line: number, { typed, substitutions }: ReturnType<typeof substituted>, result: CommandResult): Typed {
  const { exitCode = null, stdout, stderr } = result;
  return { printed: printedCommand(line), typed, substitutions, exitCode, stdout, stderr };
}

/** Types a line of the article where the reader has kubectl: on a machine beside the cluster, in its home folder. */
async function inTerminal(lab: Lab, line: number): Promise<Typed> {
  const words = told(lab, printedCommand(line));
  const result = await lab.outsider.run(`line ${line} of the article`, ["sh", "-c", `cd && ${words.typed}`], 60_000);
  return ended(line, words, result);
}

/** Types a line of the article that begins with `docker` on the host. */
async function onHost(lab: Lab, line: number): Promise<Typed> {
  const words = told(lab, printedCommand(line));
  const [, ...rest] = wordsOf(words.typed);
  return ended(line, words, await lab.containerEngine.run(`line ${line} of the article`, rest));
}

/** Splits a command as a shell does, as far as single quotes go. */
function wordsOf(command: string): string[] {
  return [...command.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? "");
}

async function save(lab: Lab, file: keyof typeof files): Promise<string> {
  const { typed } = told(lab, printed(files[file]));
  await outputOf(lab.outsider, `save ${file} as printed in lines ${files[file]}`, [
    "sh",
    "-c",
    'printf "%s\\n" "$1" > ~/"$0"',
    file,
    typed,
  ]);
  return typed;
}

/** The URL at the end of a line that says curl, or that names one only. */
function urlIn(line: number): string {
  return /https?:\/\/\S+/.exec(printedCommand(line))?.[0] ?? "";
}

const steps = {
  deploy: async (lab: Lab) => {
    await forget(lab, "deployment", "web-app");
    await save(lab, "web-deployment.yaml");
    const applied = await inTerminal(lab, 208);
    const again = await inTerminal(lab, 208);
    if (applied.exitCode === 0)
      await lab.until(
        "as many ready pods as the Deployment asks for",
        () => lab.get<V1Deployment>("web-app", `/apis/apps/v1/namespaces/${articleNamespace}/deployments/web-app`),
        ({ spec, status }) => status?.readyReplicas === spec?.replicas,
        lab.timeouts.podsReady,
      );
    return { applied, again };
  },
  listPods: async (lab: Lab) => {
    const listed = await inTerminal(lab, 212);
    const path = `/api/v1/namespaces/${articleNamespace}/pods`;
    // Found by their owner, not by the label that the article asks by.
    const { items } = await lab.get<{ items: V1Pod[] }>("all pods", path);
    const pods = items.map(({ metadata, status }) => ({
      name: metadata?.name ?? "",
      owner: metadata?.ownerReferences?.[0]?.name ?? "",
      hash: metadata?.labels?.["pod-template-hash"] ?? "",
      notStarted: status?.containerStatuses?.flatMap(({ lastState }) =>
        lastState?.terminated?.reason === "StartError" ? [lastState.terminated.message ?? ""] : [],
      ),
    }));
    return { listed, pods: pods.filter(({ owner }) => owner.startsWith("web-app-")) };
  },
  applyClusterIp: async (lab: Lab) => {
    await forget(lab, "service", "web-clusterip");
    await save(lab, "web-clusterip.yaml");
    const applied = await inTerminal(lab, 241);
    const endpoints = await lab.eventually(
      () => lab.endpointsOf("web-clusterip", articleNamespace),
      (found) => found.length === 3,
    );
    if (endpoints.length === 3) await answering(lab, "web-clusterip");
    return { applied, endpoints };
  },
  getClusterIp: (lab: Lab) => inTerminal(lab, 245),
  temporaryPod: async (lab: Lab) => {
    await forget(lab, "pod", "temp");
    const clusterIP = await clusterIpOf(lab, "web-clusterip");
    const { typed, substitutions } = told(lab, printedCommand(255));
    const lines = [printedCommand(258), printedCommand(260), `wget -O- ${clusterIP}`, "exit"];
    // A terminal of its own, since -it wants one; what is typed early waits in it.
    const script = 'cd && printf "%s\\n" "$@" | script --quiet --return --command "$0" /dev/null';
    const result = await lab.outsider.run(
      "line 255 of the article, and what is typed in the pod",
      ["sh", "-c", script, typed, ...lines],
      lab.timeouts.propagation * 2,
    );
    if (result.timedOut) {
      await lab.requestDeletion("the pod", {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: "temp", namespace: articleNamespace },
      });
      throw new ProbeFailed("the temporary pod's shell did not end in time");
    }
    const { exitCode = null, stdout } = result;
    const transcript = stdout.replaceAll("\r", "");
    // Behind each prompt stand a line and what came of it. The first prompt is lost where it comes before kubectl listens.
    const parts = transcript.split("/ # ");
    const later = lines.length - 1;
    if (parts.length <= later)
      throw new ProbeFailed(`the temporary pod's shell showed ${parts.length - 1} prompts: ${transcript}`);
    const outputs = [parts.slice(0, -later).join(""), ...parts.slice(-later)];
    return { typed, substitutions, lines, exitCode, transcript, outputs, clusterIP };
  },
  applyNodePort: async (lab: Lab) => {
    await forget(lab, "service", "web-nodeport");
    await save(lab, "web-nodeport.yaml");
    return inTerminal(lab, 284);
  },
  getNodePort: (lab: Lab) => inTerminal(lab, 288),
  listContainers: (lab: Lab) => onHost(lab, 300),
  curlLocalhost: (lab: Lab) => lab.fromHost(urlIn(312)),
  inspectNode: (lab: Lab) => onHost(lab, 318),
  curlNode: async (lab: Lab) => ({
    answers: await Promise.all(
      lab.world.nodes.map(({ addresses: [address = ""] }) =>
        lab.eventually(
          () => lab.fromHost(urlIn(322).replace("<node-ip>", hostOf(address))),
          ({ outcome }) => outcome === "answered",
        ),
      ),
    ),
    closed: await lab.fromHost(`http://${hostPort(lab.controlPlane.addresses[0] ?? "", 30_081)}`),
    apiServer: await lab.fromHost(`http://${hostPort(lab.controlPlane.addresses[0] ?? "", 6443)}`),
  }),
  portForward: async (lab: Lab) => portForward(lab),
  enterNode: async (lab: Lab) => onHostTyping(lab, 340, "hostname\ncat /etc/os-release\nexit\n"),
  installTcpdump: async (lab: Lab) => {
    const node = lab.node(lab.controlPlane);
    const there = await node.run("is tcpdump there", ["sh", "-c", "command -v tcpdump"]);
    return {
      there: there.exitCode === 0,
      installed: await node.run("line 345 of the article", ["bash", "-c", printedCommand(345)], 120_000),
    };
  },
  capture: async (lab: Lab) => capture(lab),
  greps: (lab: Lab) =>
    Promise.all(
      lab.world.nodes.map(async (node) => ({
        node: node.name,
        // kube-proxy writes up to a second later, and a reader types no faster.
        lines: await lab.eventually(
          async () =>
            (await lab.node(node).run("line 380 of the article", ["sh", "-c", printedCommand(380)])).stdout
              .split("\n")
              .filter(Boolean),
          (lines) => lines.filter((line) => line.includes("-j DNAT")).length === 3,
        ),
      })),
    ),
} as const;

type Steps = typeof steps;
const order = Object.keys(steps) as (keyof Steps)[];

/** What a step cannot do without, where the lab is typed again; the first time it is typed in the article's order. */
const needs: Partial<Record<keyof Steps, readonly (keyof Steps)[]>> = {
  listPods: ["deploy"],
  applyClusterIp: ["deploy"],
  getClusterIp: ["deploy", "applyClusterIp"],
  temporaryPod: ["deploy", "applyClusterIp"],
  getNodePort: ["applyNodePort"],
  curlLocalhost: ["deploy", "applyNodePort"],
  curlNode: ["deploy", "applyNodePort"],
  portForward: ["deploy", "applyClusterIp"],
  capture: ["deploy", "applyNodePort", "curlNode"],
  greps: ["deploy", "applyClusterIp"],
};

/** Takes away what was left when the lab was typed before, so that it is created anew. */
async function forget(lab: Lab, kind: "deployment" | "pod" | "service", name: string): Promise<void> {
  if (!lab.again) return;
  const command = ["kubectl", "delete", kind, name, "--ignore-not-found", "--cascade=foreground"];
  await outputOf(lab.outsider, `${name} as it was typed before`, command);
}

/** Follows the article's lab as far as one of its steps, each step once per run, and returns what that step showed. */
export async function walk<Name extends keyof Steps>(lab: Lab, name: Name): Promise<Awaited<ReturnType<Steps[Name]>>> {
  // Installing takes a network; where there is none, tcpdump has to be there.
  const { uplink } = lab.world.features;
  const before = lab.again
    ? (needs[name] ?? [])
    : order.slice(0, order.indexOf(name)).filter((step) => uplink || step !== "installTcpdump");
  for (const step of before) {
    const done = lab.together(`the article's lab: ${step}`, () => steps[step](lab) as Promise<unknown>, {
      mention: true,
    });
    // A reader goes on too; what this step cannot do without is missed in its own words.
    await done.catch((error: unknown) => lab.note(`before: ${step} failed`, (error as Error).message));
  }
  return lab.together(
    `the article's lab: ${name}`,
    () => steps[name](lab) as Promise<Awaited<ReturnType<Steps[Name]>>>,
  );
}

/** Waits until a Service answers pods of both workers, since what is typed next asks it once; where it does not, that is seen there. */
async function answering(lab: Lab, service: string): Promise<void> {
  const { spec } = await lab.get<V1Service>(service, `/api/v1/namespaces/${articleNamespace}/services/${service}`);
  const url = `http://${hostPort(spec?.clusterIP ?? "", spec?.ports?.[0]?.port ?? 0)}/`;
  const asked = ["client-1", "client-2"].map((pod) =>
    lab.eventually(
      () => request(lab.pod(pod), url, lab.timeouts.attempt),
      ({ outcome }) => outcome === "answered",
    ),
  );
  await Promise.all(asked);
}

async function clusterIpOf(lab: Lab, service: string): Promise<string> {
  return outputOf(lab.outsider, `the clusterIP of ${service}`, [
    "kubectl",
    "get",
    "service",
    service,
    "--output=jsonpath={.spec.clusterIP}",
  ]);
}

async function onHostTyping(lab: Lab, line: number, input: string): Promise<Typed> {
  const words = told(lab, printedCommand(line));
  const [, ...rest] = wordsOf(words.typed);
  return ended(
    line,
    words,
    await lab.containerEngine.run(`line ${line} of the article, typing ${JSON.stringify(input)}`, rest, 20_000, input),
  );
}

async function startPortForward(lab: Lab): Promise<Background> {
  const { typed } = told(lab, printedCommand(329));
  const forward = await inBackground(lab.outsider, "line 329 of the article", typed.split(" "));
  lab.afterwards(() => forward.stop());
  return forward;
}

async function portForward(lab: Lab) {
  const url = urlIn(332);
  const ask = () => request(lab.outsider, url, lab.timeouts.attempt);
  const before = await ask();
  const forward = await startPortForward(lab);
  const page = await lab.eventually(
    () => ask(),
    ({ outcome }) => outcome === "answered",
  );
  const sockets = await outputOf(lab.outsider, "who may ask", [
    "ss",
    "--listening",
    "--tcp",
    "--numeric",
    "--no-header",
  ]);
  const outsider = lab.outsiderAddress;
  const fromAnotherMachine = await request(
    lab.node(lab.worker(0)),
    `http://${hostPort(outsider, 8080)}`,
    lab.timeouts.silence,
  );
  await askOften(lab.outsider, `${url}/asked`, 30);
  const pods = await lab.readyPods(3, { app: "web" }, articleNamespace);
  const count = async () =>
    Object.fromEntries(
      await Promise.all(
        pods.map(async ({ metadata }) => {
          const name = metadata?.name ?? "";
          const log = await outputOf(lab.outsider, `what ${name} was asked`, ["kubectl", "logs", name]);
          return [name, log.split("\n").filter((line) => line.includes("/asked?")).length] as const;
        }),
      ),
    );
  // A log may lag behind.
  const counts = await lab.eventually(
    count,
    (found) => Object.values(found).reduce((sum, some) => sum + some, 0) === 30,
  );
  const serving = Object.keys(counts).find((name) => (counts[name] ?? 0) > 0) ?? "";
  if (serving !== "")
    await outputOf(lab.outsider, "delete the pod that answered", [
      "kubectl",
      "delete",
      "pod",
      serving,
      "--grace-period=1",
    ]);
  const afterwards: Request = await lab.eventually(
    () => ask(),
    ({ outcome }) => outcome !== "answered",
  );
  const said = await forward.output();
  await forward.stop();
  const ended = await lab.until(
    "the port to be closed",
    () => ask(),
    ({ outcome }) => outcome === "refused",
  );
  await lab.readyPods(3, { app: "web" }, articleNamespace);
  return {
    before,
    page,
    listening: sockets
      .split("\n")
      .filter((line) => line.includes(":8080 "))
      .map((line) => line.trim().split(/\s+/)[3] ?? ""),
    fromAnotherMachine,
    counts,
    serving,
    afterwards,
    said,
    ended,
  };
}

/** Asks so often, over a new connection each time, and returns how each ended: `answered` or curl's exit code. */
async function askOften(from: Peer, url: string, count: number): Promise<string[]> {
  const command = ["curl", "--silent", "--max-time", "5", "--header", "Connection: close", "--output", "/dev/null"];
  const each = ["--write-out", "%{exitcode}\\n", `${url}?[1-${count}]`];
  const { stdout } = await from.run(`${from.label} → ${url}, ${count} times`, [...command, ...each], 30_000);
  return stdout
    .split("\n")
    .filter(Boolean)
    .map((exitCode) => (exitCode === "0" ? "answered" : `curl exit ${exitCode}`));
}

async function fiveTimes(ask: () => Promise<Request>): Promise<string[]> {
  const outcomes: string[] = [];
  while (outcomes.length < 5) outcomes.push((await ask()).outcome);
  return outcomes;
}

/** A port on which nobody listens and from which nobody asks. */
const lastPort = 65_009;

/**
 * Sends a packet from `port` to that one, which a capture of `port` sees after everything that was sent before: captures lag
 * behind, and one that is read too early has seen less than there was.
 */
async function sendLast(from: Peer, port: number, to: string): Promise<void> {
  const url = `http://${hostPort(to, lastPort)}`;
  await from.run("a packet that is sent last, and not counted", [
    "curl",
    "--silent",
    "--max-time",
    "5",
    "--local-port",
    String(port),
    url,
  ]);
}

/** What the article's capture shows, beside one with the node port, for three ways to curl. */
async function capture(lab: Lab) {
  const node = lab.node(lab.controlPlane);
  const [address = ""] = lab.controlPlane.addresses;
  const literal = printedCommand(350);
  const url = urlIn(355);
  const options = (
    await node.run("options after the filter are a matter of getopt", [
      "env",
      "POSIXLY_CORRECT=1",
      "timeout",
      "3",
      ...literal.split(" "),
    ])
  ).stderr;
  const ways = [
    { name: "localhost, asked in the node", ask: () => askOften(node, url, 5) },
    { name: "localhost, asked on the host", ask: () => fiveTimes(() => lab.fromHost(url)) },
    {
      name: "the node's address, asked on the host",
      ask: () => fiveTimes(() => lab.fromHost(`http://${hostPort(address, 30_080)}`)),
    },
  ];
  const seen = [];
  for (const { name, ask } of ways) {
    const asPrinted = await inBackground(node, `line 350 of the article, ${name}`, [
      "timeout",
      "60",
      ...literal.split(" "),
      "-l",
    ]);
    await lab.until(
      "tcpdump to listen",
      () => asPrinted.output(),
      (text) => text.includes("listening on"),
    );
    const withNodePort = await startCapture(lab.pod("host-cp"), "eth0", "tcp port 30080");
    const forwarded = await startCapture(lab.pod("host-cp"), "eth0", "tcp port 80");
    // Connections, not requests: each goes to a pod picked anew.
    const outcomes = await ask();
    await Promise.all([80, 30_080].map((port) => sendLast(node, port, lab.outsiderAddress)));
    const [text, byNodePort, byPort80] = await lab.until(
      "the three captures to have seen the packets that were sent last",
      () => Promise.all([asPrinted.output(), withNodePort.packets(), forwarded.packets()]),
      ([printed, ...others]) =>
        printed.includes(`.${lastPort}`) &&
        others.every((packets) => packets.some(({ toPort }) => toPort === lastPort)),
    );
    const asked = ({ fromPort, toPort }: Packet) => fromPort !== lastPort && toPort !== lastPort;
    await Promise.all([asPrinted.stop(), withNodePort.stop(), forwarded.stop()]);
    seen.push({
      name,
      outcomes,
      asPrinted: text.split("\n").filter((line) => / IP6? .+ > /.test(line) && !line.includes(`.${lastPort}`)),
      listening: text.split("\n").find((line) => line.includes("listening on")) ?? "",
      withNodePort: byNodePort.filter(asked).length,
      port80: byPort80.filter(asked).map(({ from, to, toPort }) => ({ from, to, toPort })),
    });
  }
  return { node: address, options: options.trim(), seen };
}
