import { randomBytes } from "node:crypto";
import type { V1Deployment, V1Pod, V1Service } from "@kubernetes/client-node";
import type { LabStep } from "../../helpers/article/lab-text.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import type { NodePeer } from "../../helpers/lab/peers.ts";
import { inBackground } from "../../helpers/probe/background.ts";
import { type Packet, startCapture } from "../../helpers/probe/capture.ts";
import { hostPort, type Request, request } from "../../helpers/probe/http.ts";
import { outputOf, type Peer, ProbeFailed } from "../../helpers/probe/peer.ts";
import { addressOf, type Reader, titleOf, urlIn, walkOf } from "../../helpers/walkthrough/walkthrough.ts";
import { printed } from "./article.ts";
import { rulesElsewhere } from "./rules-elsewhere.ts";

/** The namespace that the article works in. */
export const articleNamespace = printed.namespace;

/** A port on which nobody listens: it is none of the node ports that Services may have. */
const closedPort = 65_009;

/** What a step shows that is a command by itself. */
const typed = (reader: Reader, step: LabStep) => reader.type(step);

/** Follows the article's lab as far as one of its steps, each step once per run, and returns what that step showed. */
export const walk = walkOf(printed, {
  "create the Deployment": async (reader, step) => {
    const { lab } = reader;
    const applied = await reader.apply(step);
    if (applied.exitCode === 0)
      await lab.until(
        "as many ready pods as the Deployment asks for",
        () => lab.api.read<V1Deployment>("web-app", `/apis/apps/v1/namespaces/${articleNamespace}/deployments/web-app`),
        ({ spec, status }) => status?.readyReplicas === spec?.replicas,
        lab.timeouts.podsReady,
      );
    return applied;
  },
  "list the pods": async (reader, step) => {
    const listed = await reader.type(step);
    const path = `/api/v1/namespaces/${articleNamespace}/pods`;
    // Found by their owner, not by the label that the article asks by.
    const { items } = await reader.lab.api.read<{ items: V1Pod[] }>("all pods", path);
    const pods = items.map(({ metadata }) => ({
      name: metadata?.name ?? "",
      owner: metadata?.ownerReferences?.[0]?.name ?? "",
      hash: metadata?.labels?.["pod-template-hash"] ?? "",
    }));
    return { listed, pods: pods.filter(({ owner }) => owner.startsWith("web-app-")) };
  },
  "create the ClusterIP Service": async (reader, step) => {
    const { lab } = reader;
    const applied = await reader.apply(step);
    const endpoints = await lab.eventually(
      () => lab.services.endpointsOf("web-clusterip", articleNamespace),
      (found) => found.length === 3,
    );
    if (endpoints.length === 3) await answering(lab, "web-clusterip");
    return applied;
  },
  "look at the ClusterIP Service": typed,
  "ask in a temporary pod": temporaryPod,
  "create the NodePort Service": (reader, step) => reader.apply(step),
  "look at the NodePort Service": typed,
  "list the containers": typed,
  "ask localhost on the host": async (reader, step) => {
    const asked = await reader.lab.fromHost(urlIn(step));
    // Others may answer there.
    return { asked, servedBy: asked.outcome === "answered" ? await servedBy(reader, urlIn(step)) : [] };
  },
  "ask the nodes from beside them": (reader, step) =>
    Promise.all(
      reader.lab.nodes.map((node) =>
        reader.lab.eventually(
          () => request(reader.lab.outsider, reader.urlFor(node, step), reader.lab.timeouts.attempt),
          ({ outcome }) => outcome === "answered",
        ),
      ),
    ),
  "inspect the node": typed,
  "ask the nodes on the host": async (reader, step) => {
    const { lab } = reader;
    return {
      answers: await Promise.all(
        lab.nodes.map((node) =>
          lab.eventually(
            () => lab.fromHost(reader.urlFor(node, step)),
            ({ outcome }) => outcome === "answered",
          ),
        ),
      ),
      closed: await lab.fromHost(`http://${hostPort(addressOf(lab.controlPlane), closedPort)}`),
      apiServer: await lab.fromHost(`http://${hostPort(addressOf(lab.controlPlane), 6443)}`),
    };
  },
  "forward a port": portForward,
  "enter the node": (reader, step) => reader.type(step, { input: "hostname\ncat /etc/os-release\nexit\n" }),
  "ask localhost in the node": async ({ lab }, step) => {
    const node = lab.controlPlane;
    return {
      none: await request(node, `http://localhost:${closedPort}`, lab.timeouts.silence),
      asked: await lab.eventually(
        () => request(node, urlIn(step), lab.timeouts.attempt),
        ({ outcome }) => outcome === "answered",
      ),
    };
  },
  "install tcpdump": async ({ lab }, step) => {
    const node = lab.controlPlane;
    if (!lab.world.features.uplink) lab.standIn("a folder of Debian's packages in the node for Debian's archive");
    const there = await node.run("is tcpdump there", ["sh", "-c", "command -v tcpdump"]);
    const installed = await node.run(titleOf(step), ["bash", "-c", step.text], 120_000);
    const works = await node.run("does tcpdump run now", ["tcpdump", "--version"]);
    return { before: there.exitCode === 0, installed, works: works.exitCode === 0 };
  },
  "capture packets": capture,
  "read the rules": ({ lab }, step) =>
    Promise.all(
      lab.nodes.map(async (node) => {
        // kube-proxy writes up to a second later, and a reader types no faster.
        const lines = await lab.eventually(
          async () => (await node.run(titleOf(step), ["sh", "-c", step.text])).stdout.split("\n").filter(Boolean),
          (found) => found.filter((line) => line.includes("-j DNAT")).length === 3,
        );
        if (lines.length > 0) return { node: node.name, lines };
        const clusterIP = clusterIpOf(await serviceOf(lab, "web-clusterip"));
        return {
          node: node.name,
          lines,
          elsewhere: await rulesElsewhere(lab, node, `${articleNamespace}/web-clusterip`, clusterIP),
        };
      }),
    ),
});

/** Returns the node port's URL at a node's own address. */
function nodePortUrl(reader: Reader, node: NodePeer): string {
  return reader.urlFor(node, printed.step("ask the nodes from beside them"));
}

/** Returns the clusterIP of a Service. @throws ProbeFailed if it has none */
export function clusterIpOf({ metadata, spec }: V1Service): string {
  const address = spec?.clusterIP ?? "None";
  if (address === "None" || address === "") throw new ProbeFailed(`the Service ${metadata?.name} has no clusterIP`);
  return address;
}

/** Returns a Service of the article's lab. */
export function serviceOf(lab: Lab, name: string): Promise<V1Service> {
  return lab.api.read<V1Service>(name, `/api/v1/namespaces/${articleNamespace}/services/${name}`);
}

/** What is typed in a temporary pod, and what comes of each line. */
async function temporaryPod(reader: Reader, step: LabStep) {
  const { lab } = reader;
  await reader.forget(step);
  const clusterIP = await outputOf(lab.outsider, "the clusterIP of web-clusterip", [
    ...["kubectl", "get", "service", "web-clusterip", "--output=jsonpath={.spec.clusterIP}"],
  ]);
  const { typed, substitutions } = reader.words(step.text);
  const lines = [
    ...[step.further("by name").text, step.further("by the printed address").text],
    ...[`wget -O- ${clusterIP}`, "exit"],
  ];
  // A terminal of its own, since -it wants one; what is typed early waits in it.
  const script = 'cd && printf "%s\\n" "$@" | script --quiet --return --command "$0" /dev/null';
  const result = await lab.outsider.run(
    `${titleOf(step)}, and what is typed in the pod`,
    ["sh", "-c", script, typed, ...lines],
    lab.timeouts.podsReady,
  );
  if (result.timedOut) {
    await reader.strike(step, "--wait=false");
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
}

/** Asks the host once more, and returns which of the Deployment's pods have that request in their logs: none where somebody else answers. */
async function servedBy(reader: Reader, url: string): Promise<string[]> {
  const { lab } = reader;
  const asked = `asked-${randomBytes(6).toString("hex")}`;
  const last = `${asked}-last`;
  await lab.fromHost(`${url}/${asked}`);
  await lab.eventually(
    () => request(lab.outsider, `${nodePortUrl(reader, lab.controlPlane)}/${last}`, lab.timeouts.attempt),
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

/** Waits until a Service answers pods of both workers, since what is typed next asks it once; where it does not, that is seen there. */
async function answering(lab: Lab, service: string): Promise<void> {
  const found = await serviceOf(lab, service);
  const url = `http://${hostPort(clusterIpOf(found), found.spec?.ports?.[0]?.port ?? 0)}/`;
  const asked = ["client-1", "client-2"].map((pod) =>
    lab.eventually(
      () => request(lab.pod(pod), url, lab.timeouts.attempt),
      ({ outcome }) => outcome === "answered",
    ),
  );
  await Promise.all(asked);
}

/** What a port-forward answers before, while and after its pod is there. */
async function portForward(reader: Reader, step: LabStep) {
  const { lab } = reader;
  const url = urlIn(step.further("ask"));
  const ask = () => request(lab.outsider, url, lab.timeouts.attempt);
  const before = await ask();
  const forward = await inBackground(lab.outsider, titleOf(step), reader.words(step.text).typed.split(" "));
  lab.afterwards(() => forward.stop());
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

/** Asks so often, over a new connection each time and several at a time, and returns how many were answered. */
async function askOften(from: Peer, url: string, count: number): Promise<number> {
  const options = ["--silent", "--noproxy", "*", "--max-time", "5", "--header", "Connection: close"];
  const command = ["curl", "--parallel", "--parallel-immediate", "--parallel-max", "10", ...options];
  const each = ["--output", "/dev/null", "--write-out", "%{http_code}\\n", `${url}?[1-${count}]`];
  const { stdout } = await from.run(`${from.label} → ${url}, ${count} times`, [...command, ...each], 30_000);
  return stdout.split("\n").filter((status) => status !== "" && status !== "000").length;
}

/** Asks 20 times, so that neither a lost packet nor the choice of a pod decides, and returns how many were answered. */
async function twentyTimes(ask: () => Promise<Request>): Promise<number> {
  const asked = await Promise.all(Array.from({ length: 20 }, ask));
  return asked.filter(({ outcome }) => outcome === "answered").length;
}

/** What the article's capture shows while the Service is asked, beside one of the node port. */
async function capture(reader: Reader, step: LabStep) {
  const { lab } = reader;
  const node = lab.controlPlane;
  const literal = step.text.split(" ");
  const url = urlIn(step.further("ask in another terminal"));
  const options = (
    await node.run("options after the filter are a matter of getopt", [
      "env",
      "POSIXLY_CORRECT=1",
      "timeout",
      "3",
      ...literal,
    ])
  ).stderr;
  const pods = await lab.services.endpointsOf("web-nodeport", articleNamespace);
  const ends = [...pods.map((pod) => `${pod}.80`), `${addressOf(lab.controlPlane)}.30080`];
  const ways = [
    { name: "localhost, asked on the host", ask: () => twentyTimes(() => lab.fromHost(url)) },
    {
      name: "the node's address, asked beside it",
      ask: () => twentyTimes(() => request(lab.outsider, nodePortUrl(reader, lab.controlPlane), lab.timeouts.answer)),
    },
  ];
  const seen = [];
  for (const { name, ask } of ways) {
    const asPrinted = await inBackground(node, `${titleOf(step)}, ${name}`, ["timeout", "60", ...literal, "-l"]);
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
