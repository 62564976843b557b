import { randomBytes } from "node:crypto";
import type { V1Deployment, V1Pod, V1Service } from "@kubernetes/client-node";
import type { CommandResult } from "../../helpers/host/command.ts";
import { namespaceLabel } from "../../helpers/lab/cast.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import type { NodePeer } from "../../helpers/lab/peers.ts";
import { type Background, inBackground } from "../../helpers/probe/background.ts";
import { type Packet, startCapture } from "../../helpers/probe/capture.ts";
import { hostOf, hostPort, type Request, request } from "../../helpers/probe/http.ts";
import { outputOf, type Peer, ProbeFailed } from "../../helpers/probe/peer.ts";
import { printed, printedCommand } from "./article.ts";

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

/** Tells what the suite made there from what others have there. */
const ownMark = `${namespaceLabel}=lab`;

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
      typed: `image: ${lab.objects.image("nginx")}`,
      why: "nodes that cannot pull it have Debian's nginx, which stands in for it",
    },
    {
      printed: "--image=busybox",
      typed: `--image=${lab.objects.image("busybox")}`,
      why: "an image without a tag is pulled always, and these nodes have one of their own",
    },
    {
      printed: "kubectl run temp",
      typed: `kubectl run temp --labels=${ownMark}`,
      why: "the suite deletes only pods that have its own label",
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
  return ended(line, words, await lab.engine.run(`line ${line} of the article`, rest));
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

/** The node port's URL at a node's own address. */
function nodePortUrl({ addresses: [address = ""] }: NodePeer): string {
  return urlIn(322).replace("<node-ip>", hostOf(address));
}

const steps = {
  deploy: async (lab: Lab) => {
    await forget(lab, "deployment", "web-app");
    await save(lab, "web-deployment.yaml");
    const applied = await apply(lab, 208, "deployment/web-app");
    if (applied.exitCode === 0)
      await lab.until(
        "as many ready pods as the Deployment asks for",
        () => lab.api.read<V1Deployment>("web-app", `/apis/apps/v1/namespaces/${articleNamespace}/deployments/web-app`),
        ({ spec, status }) => status?.readyReplicas === spec?.replicas,
        lab.timeouts.podsReady,
      );
    return applied;
  },
  listPods: async (lab: Lab) => {
    const listed = await inTerminal(lab, 212);
    const path = `/api/v1/namespaces/${articleNamespace}/pods`;
    // Found by their owner, not by the label that the article asks by.
    const { items } = await lab.api.read<{ items: V1Pod[] }>("all pods", path);
    const pods = items.map(({ metadata }) => ({
      name: metadata?.name ?? "",
      owner: metadata?.ownerReferences?.[0]?.name ?? "",
      hash: metadata?.labels?.["pod-template-hash"] ?? "",
    }));
    return { listed, pods: pods.filter(({ owner }) => owner.startsWith("web-app-")) };
  },
  applyClusterIp: async (lab: Lab) => {
    await forget(lab, "service", "web-clusterip");
    await save(lab, "web-clusterip.yaml");
    const applied = await apply(lab, 241, "service/web-clusterip");
    const endpoints = await lab.eventually(
      () => lab.services.endpointsOf("web-clusterip", articleNamespace),
      (found) => found.length === 3,
    );
    if (endpoints.length === 3) await answering(lab, "web-clusterip");
    return applied;
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
      lab.timeouts.podsReady,
    );
    if (result.timedOut) {
      await strike(lab, "pod", "temp", "--wait=false");
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
    return apply(lab, 284, "service/web-nodeport");
  },
  getNodePort: (lab: Lab) => inTerminal(lab, 288),
  listContainers: (lab: Lab) => onHost(lab, 300),
  curlLocalhost: async (lab: Lab) => {
    const asked = await lab.fromHost(urlIn(312));
    // Others may answer there.
    return { asked, servedBy: asked.outcome === "answered" ? await servedBy(lab, urlIn(312)) : [] };
  },
  /** Not every machine reaches its nodes' addresses; what is beside the nodes does. */
  askNodes: (lab: Lab) =>
    Promise.all(
      lab.nodes.map((node) =>
        lab.eventually(
          () => request(lab.outsider, nodePortUrl(node), lab.timeouts.attempt),
          ({ outcome }) => outcome === "answered",
        ),
      ),
    ),
  inspectNode: (lab: Lab) => onHost(lab, 318),
  curlNode: async (lab: Lab) => ({
    answers: await Promise.all(
      lab.nodes.map((node) =>
        lab.eventually(
          () => lab.fromHost(nodePortUrl(node)),
          ({ outcome }) => outcome === "answered",
        ),
      ),
    ),
    closed: await lab.fromHost(`http://${hostPort(lab.controlPlane.addresses[0] ?? "", closedPort)}`),
    apiServer: await lab.fromHost(`http://${hostPort(lab.controlPlane.addresses[0] ?? "", 6443)}`),
  }),
  portForward: async (lab: Lab) => portForward(lab),
  enterNode: async (lab: Lab) => onHostTyping(lab, 340, "hostname\ncat /etc/os-release\nexit\n"),
  // Line 355 typed in the node, before the capture that has to count no packets of it.
  curlInNode: async (lab: Lab) => {
    const node = lab.controlPlane;
    return {
      none: await request(node, `http://localhost:${closedPort}`, lab.timeouts.silence),
      asked: await lab.eventually(
        () => request(node, urlIn(355), lab.timeouts.attempt),
        ({ outcome }) => outcome === "answered",
      ),
    };
  },
  installTcpdump: async (lab: Lab) => {
    const node = lab.controlPlane;
    if (!lab.world.features.uplink) lab.standIn("a folder of Debian's packages in the node for Debian's archive");
    const there = await node.run("is tcpdump there", ["sh", "-c", "command -v tcpdump"]);
    const installed = await node.run("line 345 of the article", ["bash", "-c", printedCommand(345)], 120_000);
    const works = await node.run("does tcpdump run now", ["tcpdump", "--version"]);
    return { before: there.exitCode === 0, installed, works: works.exitCode === 0 };
  },
  capture: async (lab: Lab) => capture(lab),
  greps: (lab: Lab) =>
    Promise.all(
      lab.nodes.map(async (node) => ({
        node: node.name,
        // kube-proxy writes up to a second later, and a reader types no faster.
        lines: await lab.eventually(
          async () =>
            (await node.run("line 380 of the article", ["sh", "-c", printedCommand(380)])).stdout
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
  askNodes: ["deploy", "applyNodePort"],
  curlNode: ["deploy", "applyNodePort"],
  portForward: ["deploy", "applyClusterIp"],
  curlInNode: ["deploy", "applyNodePort", "askNodes"],
  capture: ["deploy", "applyNodePort", "askNodes"],
  greps: ["deploy", "applyClusterIp"],
};

/** Takes away what was left when the lab was typed before, so that it is created anew. */
async function forget(lab: Lab, kind: "deployment" | "pod" | "service", name: string): Promise<void> {
  if (lab.again) await strike(lab, kind, name, "--cascade=foreground");
}

/** Deletes an object of the lab, if it is there and is the suite's own. */
async function strike(lab: Lab, kind: string, name: string, ...options: readonly string[]): Promise<void> {
  const own = [`--selector=${ownMark}`, `--field-selector=metadata.name=${name}`];
  await outputOf(lab.outsider, `${name} as it was typed before`, ["kubectl", "delete", kind, ...own, ...options]);
}

/** Types a line that applies a manifest, and marks what came of it as the suite's own. */
async function apply(lab: Lab, line: number, object: string): Promise<Typed> {
  const applied = await inTerminal(lab, line);
  if (applied.stdout.includes("created"))
    await outputOf(lab.outsider, "mark it as the suite's own, to be deleted", ["kubectl", "label", object, ownMark]);
  return applied;
}

/** Asks the host once more, and returns which of the Deployment's pods have that request in their logs: none where somebody else answers. */
async function servedBy(lab: Lab, url: string): Promise<string[]> {
  const asked = `asked-${randomBytes(6).toString("hex")}`;
  const last = `${asked}-last`;
  await lab.fromHost(`${url}/${asked}`);
  await lab.eventually(
    () => request(lab.outsider, `${nodePortUrl(lab.controlPlane)}/${last}`, lab.timeouts.attempt),
    ({ outcome }) => outcome === "answered",
  );
  const servers = async (path: string) => Object.keys(await requestsServed(lab, `/${path} `));
  const some = (pods: readonly string[]) => pods.length > 0;
  // Logs lag behind: where one has what the node's address was asked last, the others are not far from it.
  const [pods] = await lab.eventually(
    async () => [await servers(asked), await servers(last)] as const,
    (found) => found.some(some),
  );
  return some(pods) ? pods : lab.eventually(() => servers(asked), some, lab.timeouts.window);
}

/** Returns how many lines of the logs of the Deployment's pods have these words, by pod; pods that have none are left out. */
async function requestsServed(lab: Lab, words: string): Promise<Record<string, number>> {
  const pods = await lab.pods.severalReady(3, { app: "web" }, articleNamespace);
  const counted = pods.map(async ({ metadata }) => {
    const name = metadata?.name ?? "";
    const log = await outputOf(lab.outsider, `what ${name} was asked`, ["kubectl", "logs", name]);
    return [name, log.split("\n").filter((line) => line.includes(words)).length] as const;
  });
  return Object.fromEntries((await Promise.all(counted)).filter(([, count]) => count > 0));
}

/** Follows the article's lab as far as one of its steps, each step once per run, and returns what that step showed. */
export async function walk<Name extends keyof Steps>(lab: Lab, name: Name): Promise<Awaited<ReturnType<Steps[Name]>>> {
  // Installing takes a network; where there is none, tcpdump has to be there. Asking nodes takes a way to them. Nothing is typed where others' objects would feel it.
  const { packages, hostReachesNodes } = lab.world.features;
  const possible = (step: keyof Steps) =>
    step === "installTcpdump" ? packages : step === "curlNode" ? hostReachesNodes : true;
  const before = lab.again
    ? (needs[name] ?? [])
    : lab.world.taken.length > 0
      ? []
      : order.slice(0, order.indexOf(name)).filter(possible);
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
  const { spec } = await lab.api.read<V1Service>(service, `/api/v1/namespaces/${articleNamespace}/services/${service}`);
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
    await lab.engine.run(`line ${line} of the article, typing ${JSON.stringify(input)}`, rest, 20_000, input),
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
  await askOften(lab.outsider, `${url}/asked`, 30);
  // A log may lag behind.
  const counts = await lab.eventually(
    () => requestsServed(lab, "/asked?"),
    (found) => Object.values(found).reduce((sum, some) => sum + some, 0) === 30,
  );
  const [serving = ""] = Object.keys(counts);
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
  await lab.pods.severalReady(3, { app: "web" }, articleNamespace);
  return {
    before,
    page,
    counts,
    serving,
    afterwards,
    said,
    ended,
  };
}

/** Asks so often, over a new connection each time, and returns how many were answered. */
async function askOften(from: Peer, url: string, count: number): Promise<number> {
  const command = ["curl", "--silent", "--noproxy", "*", "--max-time", "5", "--header", "Connection: close"];
  const each = ["--output", "/dev/null", "--write-out", "%{http_code}\\n", `${url}?[1-${count}]`];
  const { stdout } = await from.run(`${from.label} → ${url}, ${count} times`, [...command, ...each], 30_000);
  return stdout.split("\n").filter((status) => status !== "" && status !== "000").length;
}

/** Asks 20 times, so that neither a lost packet nor the choice of a pod decides, and returns how many were answered. */
async function twentyTimes(ask: () => Promise<Request>): Promise<number> {
  const asked = await Promise.all(Array.from({ length: 20 }, ask));
  return asked.filter(({ outcome }) => outcome === "answered").length;
}

/** A port on which nobody listens: it is none of the node ports that Services may have. */
const closedPort = 65_009;

/** What the article's capture shows while the Service is asked, beside one of the node port. */
async function capture(lab: Lab) {
  const node = lab.controlPlane;
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
  const pods = await lab.services.endpointsOf("web-nodeport", articleNamespace);
  const ends = [...pods.map((pod) => `${pod}.80`), `${address}.30080`];
  const ways = [
    { name: "localhost, asked on the host", ask: () => twentyTimes(() => lab.fromHost(url)) },
    {
      name: "the node's address, asked beside it",
      ask: () => twentyTimes(() => request(lab.outsider, nodePortUrl(lab.controlPlane), lab.timeouts.answer)),
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
    const answered = await ask();
    // Captures lag behind: one that has seen what was sent last has seen all that was sent before.
    const last = lab.outsider.address;
    const isLast = ({ from, fromPort, to, toPort }: Packet) =>
      (to === last && toPort === 30_080) || (from === last && fromPort === 30_080);
    for (const port of [80, 30_080])
      await request(node, `http://${hostPort(last, port)}/sent-last-and-not-counted`, lab.timeouts.attempt);
    const [text, byNodePort] = await lab.until(
      "both captures to have seen the packets that were sent last",
      () => Promise.all([asPrinted.output(), withNodePort.packets()]),
      ([printed, packets]) => printed.includes(`> ${last}.80:`) && packets.some(isLast),
    );
    await Promise.all([asPrinted.stop(), withNodePort.stop()]);
    const lines = text.split("\n");
    seen.push({
      name,
      answered,
      listening: lines.find((line) => line.includes("listening on")) ?? "",
      // Others may use port 80 too.
      asPrinted: lines.filter((line) => ends.some((end) => line.includes(` ${end}`))),
      withNodePort: byNodePort.filter((packet) => !isLast(packet)).length,
    });
  }
  return { options: options.trim(), seen };
}
