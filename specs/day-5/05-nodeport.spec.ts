import { randomBytes } from "node:crypto";
import type { V1Service } from "@kubernetes/client-node";
import { expect } from "vitest";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { whoAnswers } from "../../helpers/lab/ask.ts";
import { iptablesRule, refuse, storeOtherwise } from "../../helpers/lab/changes.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import { live } from "../../helpers/lab/spec.ts";
import type { ApiAnswer, KubernetesObject } from "../../helpers/probe/api.ts";
import { inBackground } from "../../helpers/probe/background.ts";
import { hostPort, meet, request } from "../../helpers/probe/http.ts";
import { outputOf, ProbeFailed } from "../../helpers/probe/peer.ts";
import { claim, printedObject } from "./article.ts";

/** The range that the article gives. */
const first = 30_000;
const last = 32_767;

/** The range that this cluster has. */
function rangeOf(lab: Lab): [first: number, last: number] {
  const [lowest = first, highest = last] = lab.world.nodePortRange.split("-").map(Number);
  return [lowest, highest];
}

const ports = (nodePort?: number) => [{ port: 80, targetPort: 8080, ...(nodePort === undefined ? {} : { nodePort }) }];

function nodePortOf(service: V1Service): number {
  return service.spec?.ports?.[0]?.nodePort ?? 0;
}

/** Asks for a NodePort Service with a port of its own choice; it is deleted when the check ends. */
async function tryPort(lab: Lab, nodePort: number): Promise<{ nodePort: number; code: number; message: string }> {
  const spec = { type: "NodePort", selector: { app: "server" }, ports: ports(nodePort) };
  const answer = await lab.tryCreate(`ask for node port ${nodePort}`, lab.serviceObject(`port-${nodePort}`, spec));
  return { nodePort, code: answer.code, message: messageOf(answer) };
}

function messageOf({ body }: ApiAnswer): string {
  return (body as { message?: string }).message ?? "";
}

function isTaken({ message }: { message: string }): boolean {
  return message.includes("already allocated");
}

/** Whoever has the port already was given it: it is in the range. */
function isInRange({ code, message }: { code: number; message: string }): boolean {
  return code === 201 || isTaken({ message });
}

/**
 * Creates a Service that chooses its node port: the article's, or another one where this cluster's range lacks that or
 * somebody has it.
 */
async function createWithPort(
  lab: Lab,
  articles: number,
  asking: (nodePort: number) => KubernetesObject,
): Promise<{ chosen: number; code: number; service: V1Service }> {
  const [lowest, highest] = rangeOf(lab);
  const others = Array.from({ length: 20 }, (_, index) => lowest + 7 + index);
  for (const chosen of [articles, ...others].filter((port) => port >= lowest && port <= highest)) {
    const answer = await lab.tryCreate(`a Service that asks for node port ${chosen}`, asking(chosen));
    if (!isTaken({ message: messageOf(answer) }))
      return { chosen, code: answer.code, service: answer.body as V1Service };
  }
  throw new ProbeFailed(`somebody has each node port that was asked for, of ${lowest}-${highest}`);
}

const closedOnOneNode = live(
  "one node drops what comes for the node port from outside",
  async (lab) => {
    const flow = ["-s", lab.outsiderAddress, "-p", "tcp", "--dport", String(lab.nodePort)];
    await iptablesRule(lab, lab.worker(0), "raw", "PREROUTING", ...flow, "-j", "DROP");
  },
  { alone: true },
);

claim("nodeport-on-every-node", {
  observe: async (lab) => {
    const port = nodePortOf(await lab.serviceOfCast("web-nodeport"));
    const nodesWithEndpoint = new Set([lab.worker(0).name, lab.worker(1).name]);
    return {
      port,
      nodes: await Promise.all(
        lab.world.nodes.map(async ({ name, addresses }) => ({
          node: name,
          hasEndpoint: nodesWithEndpoint.has(name),
          answer: await whoAnswers(lab, lab.outsider, hostPort(addresses[0] ?? "", port)),
        })),
      ),
    };
  },
  judge: ({ port, nodes }) => {
    positiveControl(
      nodes.some(({ hasEndpoint }) => !hasEndpoint),
      "a node without a pod of the Service is among them",
    );
    for (const { node, answer } of nodes) expect(answer.outcome, `port ${port} of ${node}`).toBe("answered");
  },
  control: closedOnOneNode,
});

claim("nodeport-default-range", {
  observe: async (lab) => {
    const created = await Promise.all(
      Array.from({ length: 30 }, (_, index) =>
        lab.service(`any-port-${index}`, { type: "NodePort", selector: { app: "server" }, ports: ports() }),
      ),
    );
    return {
      allotted: created.map(nodePortOf).sort((a, b) => a - b),
      ends: await Promise.all([first, last].map((port) => tryPort(lab, port))),
    };
  },
  judge: ({ allotted, ends }) => {
    for (const port of allotted)
      expect(port >= first && port <= last, `allotted port ${port} inside ${first}–${last}`).toBe(true);
    for (const { nodePort, code, message } of ends) {
      const inRange = isInRange({ code, message });
      expect(inRange, `port ${nodePort}, an end of the range, may be asked for (HTTP ${code} ${message})`).toBe(true);
    }
  },
  control: live("the API server refuses the first port of the range", (lab) =>
    refuse(lab, { kind: "Service", name: `port-${first}` }, "not this port"),
  ),
});

claim("nodeport-out-of-range-is-refused", {
  observe: async (lab) => ({
    inside: await tryPort(lab, 30_050),
    outside: await Promise.all([first - 1, last + 1].map((port) => tryPort(lab, port))),
  }),
  judge: ({ inside, outside }) => {
    positiveControl(isInRange(inside), `the same Service with port ${inside.nodePort} is accepted`);
    for (const { nodePort, code, message } of outside) {
      expect(code, `HTTP status for port ${nodePort}`).toBe(422);
      expect(message, `the reason for refusing port ${nodePort}`).toContain(`${first}-${last}`);
    }
  },
  control: live("the API server takes a port below the range for no choice, and picks one", (lab) =>
    storeOtherwise(
      lab,
      { kind: "Service", name: `port-${first - 1}` },
      "JSONPatch{op: 'replace', path: '/spec/ports', value: [{'port': dyn(80), 'protocol': dyn('TCP'), 'targetPort': dyn(8080)}]}",
    ),
  ),
});

claim("nodeport-reachable-from-outside", {
  observe: async (lab) => {
    const port = nodePortOf(await lab.serviceOfCast("web-nodeport"));
    const node = lab.worker(0).addresses[0] ?? "";
    const [lowest, highest] = rangeOf(lab);
    // Not of the range, so that nobody is given it; a range may leave none.
    const outside = [lowest - 1, highest + 1].find((other) => other > 0 && other < 65_536);
    return {
      closed: outside === undefined ? null : await meet(lab.outsider, hostPort(node, outside), lab.timeouts.silence),
      answer: await whoAnswers(lab, lab.outsider, hostPort(node, port)),
    };
  },
  judge: ({ closed, answer }) => {
    positiveControl(closed?.outcome !== "answered", "a port that no Service has does not answer");
    expect(answer.outcome, `${answer.to}, asked from outside the cluster`).toBe("answered");
  },
  control: closedOnOneNode,
});

claim("nodeport-may-be-chosen", {
  observe: async (lab) => {
    const name = "chosen-port";
    const { chosen, code } = await createWithPort(lab, 30_007, (nodePort) =>
      lab.serviceObject(name, { type: "NodePort", selector: { app: "server" }, ports: ports(nodePort) }),
    );
    const stored = code === 201 ? nodePortOf(await lab.serviceOfCast(name)) : null;
    const node = lab.worker(0).addresses[0] ?? "";
    return { chosen, code, stored, answer: await whoAnswers(lab, lab.outsider, hostPort(node, chosen)) };
  },
  judge: ({ chosen, code, stored, answer }) => {
    expect(code, `HTTP status for a Service with nodePort ${chosen}`).toBe(201);
    expect(stored, "the port that it has").toBe(chosen);
    expect(answer.outcome, `${answer.to}, asked from outside`).toBe("answered");
  },
  control: live("the Service's choice is dropped, and it is given another node port", (lab) =>
    storeOtherwise(
      lab,
      { kind: "Service", name: "chosen-port" },
      "JSONPatch{op: 'replace', path: '/spec/ports', value: [{'port': dyn(80), 'protocol': dyn('TCP'), 'targetPort': dyn(8080)}]}",
    ),
  ),
});

claim("nodeport-allocated-when-absent", {
  observe: async (lab) => {
    const port = nodePortOf(
      await lab.service("absent-port", { type: "NodePort", selector: { app: "server" }, ports: ports() }),
    );
    const node = lab.worker(0).addresses[0] ?? "";
    return { port, answer: port === 0 ? null : await whoAnswers(lab, lab.outsider, hostPort(node, port)) };
  },
  judge: ({ port, answer }) => {
    expect(port, "the node port of a Service that asked for none").toBeGreaterThan(0);
    expect(answer?.outcome, `${answer?.to}, asked from outside`).toBe("answered");
  },
  control: live("the Service is stored as a ClusterIP Service", (lab) =>
    storeOtherwise(
      lab,
      { kind: "Service", name: "absent-port" },
      "JSONPatch{op: 'add', path: '/spec/type', value: 'ClusterIP'}",
      "JSONPatch{op: 'remove', path: '/spec/externalTrafficPolicy'}",
    ),
  ),
});

claim("nodeport-is-static", {
  slow: true,
  observe: async (lab) => {
    const namespace = await lab.ownNamespace("static");
    const labels = { app: "static" };
    const object = lab.serviceObject("static", { type: "NodePort", selector: labels, ports: ports() }, namespace);
    const nodePort = nodePortOf(await lab.create<V1Service>("a NodePort Service", object));
    const pod = lab.serverPod("first", labels, {}, namespace);
    await lab.start(pod);
    const node = lab.worker(1);
    const ask = (who: string) =>
      lab.eventually(
        () => meet(lab.outsider, hostPort(node.addresses[0] ?? "", nodePort), lab.timeouts.attempt),
        (answer) => answer.pod === who,
      );
    const answers = [await ask("first")];
    await lab.start(lab.serverPod("second", labels, {}, namespace));
    await lab.delete("the first pod", pod);
    answers.push(await ask("second"));
    const other = { app: "another" };
    await lab.start(lab.serverPod("third", other, {}, namespace));
    await lab.patch("select other pods", object, { spec: { selector: other } });
    answers.push(await ask("third"));
    const stored = nodePortOf(await lab.get("the Service", `/api/v1/namespaces/${namespace}/services/static`));
    const rival = lab.serviceObject("rival", { type: "NodePort", ports: ports(nodePort) }, namespace);
    const answer = await lab.tryCreate("another Service that asks for the port", rival);
    return {
      ...{ nodePort, stored },
      answers: answers.map(({ pod }) => pod),
      rival: { code: answer.code, message: messageOf(answer) },
    };
  },
  judge: ({ nodePort, stored, answers, rival }) => {
    expect(stored, "the node port after all that").toBe(nodePort);
    expect(answers, "who answered at it, before and after each change").toEqual(["first", "second", "third"]);
    expect(isTaken(rival), `node port ${nodePort} kept from others (HTTP ${rival.code} ${rival.message})`).toBe(true);
  },
  control: live("the Service is given another node port when its selector changes", (lab) =>
    storeOtherwise(
      lab,
      { kind: "Service", name: "static", operations: ["CREATE", "UPDATE"] },
      // What is created is left as it is.
      `JSONPatch{
        op: 'add',
        path: oldObject == null ? '/spec/ports/0/targetPort' : '/spec/ports/0/nodePort',
        value: oldObject == null ? 8080 : 30061
      }`,
    ),
  ),
});

/** What an API server needs to know besides, in the words of the cluster's own: its certificates, keys and subnets. */
const needed = /^--(advertise-address|client-ca-file|service-account-|service-cluster-ip-range|tls-)/;

/** Returns the number of the process in a static pod of the control plane. */
async function processOf(lab: Lab, name: string): Promise<string> {
  const pod = [
    "--label=io.kubernetes.pod.namespace=kube-system",
    `--label=io.kubernetes.pod.name=${name}-${lab.controlPlane.name}`,
  ];
  const script = 'crictl inspect --output=go-template --template="{{.info.pid}}" $(crictl ps --quiet "$@")';
  return (
    await outputOf(lab.node(lab.controlPlane), `the process of ${name}`, ["sh", "-c", script, "sh", ...pod])
  ).trim();
}

/** Returns the flags that it was started with. */
async function flagsOf(lab: Lab, name: string): Promise<string[]> {
  const command = ["sh", "-c", "tr '\\0' '\\n' < /proc/$0/cmdline", await processOf(lab, name)];
  const words = await outputOf(lab.node(lab.controlPlane), `the command line of ${name}`, command);
  return words.split("\n").slice(1);
}

claim("nodeport-range-can-be-another", {
  slow: true,
  observe: async (lab) => {
    const node = lab.node(lab.controlPlane);
    const range = "31000-31099";
    const loopback = { ipv4: "127.0.0.1", ipv6: "::1" }[lab.family];
    // The node's own programs once more, with their own storage: the cluster's API server goes on as it was.
    const program = async (name: string) => `/proc/${await processOf(lab, name)}/exe`;
    const folder = `/tmp/knc-${randomBytes(3).toString("hex")}`;
    lab.afterwards(async () => void (await node.run("clear up", ["rm", "-rf", folder])));
    const etcd = await inBackground(node, "an etcd of one's own", [
      await program("etcd"),
      `--data-dir=${folder}`,
      "--unsafe-no-fsync",
      "--listen-client-urls=http://127.0.0.1:12379",
      "--advertise-client-urls=http://127.0.0.1:12379",
      "--listen-peer-urls=http://127.0.0.1:12380",
    ]);
    lab.afterwards(() => etcd.stop());
    const server = await inBackground(node, `an API server with --service-node-port-range=${range}`, [
      await program("kube-apiserver"),
      ...(await flagsOf(lab, "kube-apiserver")).filter((flag) => needed.test(flag)),
      "--authorization-mode=AlwaysAllow",
      "--etcd-servers=http://127.0.0.1:12379",
      "--secure-port=16443",
      `--bind-address=${loopback}`,
      `--service-node-port-range=${range}`,
    ]);
    lab.afterwards(() => server.stop());
    const kubectl = (title: string, words: readonly string[], input = "") =>
      node.run(title, [
        "sh",
        "-c",
        'input=$1; shift; printf %s "$input" | kubectl --kubeconfig=/etc/kubernetes/admin.conf --server="https://$0" --tls-server-name=localhost "$@"',
        hostPort(loopback, 16_443),
        input,
        ...words,
      ]);
    await lab.until(
      "that API server to be ready",
      () => kubectl("is it ready", ["get", "--raw", "/readyz"]),
      ({ stdout }) => stdout.trim() === "ok",
      lab.timeouts.podsReady,
    );
    await lab.until(
      "its namespace default",
      () => kubectl("the namespace default", ["get", "namespace", "default"]),
      ({ exitCode }) => exitCode === 0,
    );
    const plain = ["create", "service", "clusterip", "plain", "--tcp=80:80"];
    await lab.until(
      "it to take a Service that asks for no node port",
      () => kubectl("a plain Service", plain),
      ({ exitCode, stderr }) => exitCode === 0 || stderr.includes("already exists"),
    );
    const printed = ["create", "service", "nodeport", "printed", "--tcp=80:80", "--node-port=30080"];
    const refused = await kubectl("the article's node port", printed);
    const items = ["a", "b", "c", "d", "e"].map((name) =>
      lab.serviceObject(name, { type: "NodePort", ports: ports() }, "default"),
    );
    const created = await kubectl(
      "five NodePort Services, and their ports",
      ["create", "--filename=-", "--output=jsonpath={.spec.ports[0].nodePort} "],
      JSON.stringify({ apiVersion: "v1", kind: "List", items }),
    );
    const picks = created.stdout.trim().split(" ").map(Number);
    return {
      range,
      refused: { exitCode: refused.exitCode, message: refused.stderr.trim() },
      created: created.exitCode ?? null,
      picks,
    };
  },
  judge: ({ range, refused, created, picks }) => {
    positiveControl(created === 0, "that API server takes NodePort Services that ask for no port");
    positiveControl(refused.exitCode !== 0, "with that range the article's port 30080 is refused");
    expect(refused.message, "why").toContain(range);
    for (const port of picks)
      expect(port >= 31_000 && port <= 31_099, `port ${port}, picked by that API server, is inside ${range}`).toBe(
        true,
      );
    expect(picks.length, "ports that it picked").toBe(5);
  },
  control: {
    name: "that API server picks ports of the default range (its program is the cluster's own)",
    alter: (found) => ({ ...found, picks: [30_080, 31_234, 31_001, 31_002, 31_003] }),
  },
});

claim("port-is-for-access-inside", {
  observe: async (lab) => {
    const printed = printedObject("107-118", lab.otherNamespace) as KubernetesObject & { spec: { ports: object[] } };
    const asking = (nodePort: number) => {
      const { spec } = printed;
      return { ...printed, spec: { ...spec, ports: spec.ports.map((port) => ({ ...port, nodePort })) } };
    };
    const { chosen, service } = await createWithPort(lab, 30_007, asking);
    const clusterIP = service.spec?.clusterIP ?? "";
    const node = lab.worker(0).addresses[0] ?? "";
    const atNodePort = await whoAnswers(lab, lab.outsider, hostPort(node, chosen), "my-app");
    const inside = await whoAnswers(lab, lab.pod("client-1"), hostPort(clusterIP, 80), "my-app");
    // Somebody else may listen there, so who answers is asked for.
    const outside = await request(lab.outsider, `http://${hostPort(node, 80)}/hostname`, lab.timeouts.silence);
    return { atNodePort, inside, outside };
  },
  judge: ({ atNodePort, inside, outside }) => {
    positiveControl(atNodePort.pod === "my-app", "outside, the pod answers at the node port");
    expect(inside.pod, `who answers at ${inside.to}, port 80, asked from a pod`).toBe("my-app");
    expect(outside.body, `who answers at ${outside.to}, port 80, asked from outside`).not.toBe("my-app");
  },
  control: live("the Service listens on another port than the article prints", (lab) =>
    storeOtherwise(
      lab,
      { kind: "Service", name: "my-nodeport-service" },
      "JSONPatch{op: 'replace', path: '/spec/ports/0/port', value: 81}",
    ),
  ),
});
