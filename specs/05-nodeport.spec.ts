import { randomBytes } from "node:crypto";
import type { V1Pod, V1Service } from "@kubernetes/client-node";
import { expect } from "vitest";
import { printedObject } from "../helpers/claim/article.ts";
import { iptablesRule, refuse, storeOtherwise } from "../helpers/claim/changes.ts";
import { claim } from "../helpers/claim/claim.ts";
import { live } from "../helpers/claim/control.ts";
import type { Lab } from "../helpers/claim/lab.ts";
import { positiveControl } from "../helpers/claim/verdict.ts";
import type { ApiAnswer } from "../helpers/probe/api.ts";
import { inBackground } from "../helpers/probe/background.ts";
import { hostPort, meet } from "../helpers/probe/http.ts";
import { outputOf } from "../helpers/probe/peer.ts";

/** The range that the article gives. */
const first = 30_000;
const last = 32_767;

const ports = (nodePort?: number) => [{ port: 80, targetPort: 8080, ...(nodePort === undefined ? {} : { nodePort }) }];

function nodePortOf(service: V1Service): number {
  return service.spec?.ports?.[0]?.nodePort ?? 0;
}

/** Asks for a NodePort Service with a port of its own choice; it is deleted when the check ends. */
async function tryPort(lab: Lab, nodePort: number): Promise<{ nodePort: number; code: number; message: string }> {
  const answer = await lab.tryCreate(
    `ask for node port ${nodePort}`,
    lab.serviceObject(`port-${nodePort}`, { type: "NodePort", selector: { app: "server" }, ports: ports(nodePort) }),
  );
  return { nodePort, code: answer.code, message: messageOf(answer) };
}

function messageOf({ body }: ApiAnswer): string {
  return (body as { message?: string }).message ?? "";
}

/** Whoever has the port already was given it: it is in the range. */
function isInRange({ code, message }: { code: number; message: string }): boolean {
  return code === 201 || message.includes("already allocated");
}

const closedOnOneNode = live(
  "one node drops what comes for the node port from outside",
  async (lab) => {
    const flow = ["-s", lab.outsiderAddress, "-p", "tcp", "--dport", String(lab.nodePort)];
    await iptablesRule(lab, lab.worker(0), "raw", "PREROUTING", ...flow, "-j", "DROP");
  },
  { alone: true },
);

claim("nodeport-has-a-clusterip", {
  observe: async (lab) => {
    const { spec } = await lab.serviceOfCast("web-nodeport");
    return {
      clusterIP: spec?.clusterIP ?? "",
      answer: await meet(lab.pod("client-1"), hostPort(spec?.clusterIP ?? "", 80), lab.timeouts.silence),
    };
  },
  judge: ({ clusterIP, answer }) => {
    expect(clusterIP, "the clusterIP of a NodePort Service").toBeTruthy();
    expect(answer.outcome, `${answer.to}, asked from a pod`).toBe("answered");
  },
  control: live("a node drops what a pod sends to the clusterIP", async (lab) => {
    const { spec } = await lab.serviceOfCast("web-nodeport");
    const flow = ["-s", lab.pod("client-1").address, "-d", spec?.clusterIP ?? ""];
    await iptablesRule(lab, lab.worker(0), "raw", "PREROUTING", ...flow, "-j", "DROP");
  }),
});

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
          answer: await meet(lab.outsider, hostPort(addresses[0] ?? "", port), lab.timeouts.silence),
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
  control: live("the API server takes a port below the range for one inside", (lab) =>
    storeOtherwise(
      lab,
      { kind: "Service", name: `port-${first - 1}` },
      "JSONPatch{op: 'replace', path: '/spec/ports/0/nodePort', value: 30051}",
    ),
  ),
});

claim("nodeport-reachable-from-outside", {
  observe: async (lab) => {
    const port = nodePortOf(await lab.serviceOfCast("web-nodeport"));
    const node = lab.worker(0).addresses[0] ?? "";
    return {
      // Not of the range, so that nobody is given it.
      closed: await meet(lab.outsider, hostPort(node, last + 1), lab.timeouts.silence),
      answer: await meet(lab.outsider, hostPort(node, port), lab.timeouts.silence),
    };
  },
  judge: ({ closed, answer }) => {
    positiveControl(closed.outcome !== "answered", "a port that no Service has does not answer");
    expect(answer.outcome, `${answer.to}, asked from outside the cluster`).toBe("answered");
  },
  control: closedOnOneNode,
});

claim("nodeport-may-be-chosen", {
  observe: async (lab) => {
    const chosen = 30_007;
    const { code } = await lab.until(
      "the port to be free",
      () => tryPort(lab, chosen),
      (answer) => !answer.message.includes("already allocated"),
    );
    const service = code === 201 ? await lab.serviceOfCast(`port-${chosen}`) : undefined;
    const node = lab.worker(0).addresses[0] ?? "";
    const answer = await lab.eventually(
      () => meet(lab.outsider, hostPort(node, chosen), lab.timeouts.attempt),
      ({ outcome }) => outcome === "answered",
    );
    return { chosen, code, stored: service === undefined ? null : nodePortOf(service), answer };
  },
  judge: ({ chosen, code, stored, answer }) => {
    expect(code, `HTTP status for a Service with nodePort ${chosen}`).toBe(201);
    expect(stored, "the port that it has").toBe(chosen);
    expect(answer.outcome, `${answer.to}, asked from outside`).toBe("answered");
  },
  control: live(
    "the Service is given another node port than it asks for",
    (lab) =>
      storeOtherwise(
        lab,
        { kind: "Service", name: "port-30007" },
        "JSONPatch{op: 'replace', path: '/spec/ports/0/nodePort', value: 30009}",
      ),
    { lane: "node port 30007" },
  ),
});

claim("nodeport-allocated-when-absent", {
  observe: async (lab) => {
    const port = nodePortOf(
      await lab.service("absent-port", { type: "NodePort", selector: { app: "server" }, ports: ports() }),
    );
    const node = lab.worker(0).addresses[0] ?? "";
    return {
      port,
      answer:
        port === 0
          ? null
          : await lab.eventually(
              () => meet(lab.outsider, hostPort(node, port), lab.timeouts.attempt),
              ({ outcome }) => outcome === "answered",
            ),
    };
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
    const proxies = await lab.get<{ items: V1Pod[] }>(
      "kube-proxy on the node",
      `/api/v1/namespaces/kube-system/pods?labelSelector=k8s-app%3Dkube-proxy&fieldSelector=spec.nodeName%3D${node.name}`,
    );
    for (const { metadata } of proxies.items)
      await lab.delete("kube-proxy's pod there", {
        apiVersion: "v1",
        kind: "Pod",
        metadata: { name: metadata?.name ?? "", namespace: "kube-system" },
      });
    answers.push(await ask("third"));
    // Others go on with what this node knows.
    const nodes = lab.world.nodes.length;
    await lab.readyPods(nodes, { "k8s-app": "kube-proxy" }, "kube-system");
    const stored = nodePortOf(await lab.get("the Service", `/api/v1/namespaces/${namespace}/services/static`));
    const rival = lab.serviceObject("rival", { type: "NodePort", ports: ports(nodePort) }, namespace);
    const whileInUse = await lab.tryCreate("another Service that asks for the port", rival);
    await lab.delete("the Service", object);
    const afterwards = await lab.until(
      "the port to be free",
      () => lab.tryCreate("another Service that asks for the port", rival),
      ({ code }) => code === 201,
    );
    return {
      nodePort,
      stored,
      answers: answers.map(({ pod }) => pod),
      whileInUse: { code: whileInUse.code, message: messageOf(whileInUse) },
      afterwards: afterwards.code,
    };
  },
  judge: ({ nodePort, stored, answers, whileInUse, afterwards }) => {
    positiveControl(
      whileInUse.code === 422 && afterwards === 201,
      "the port is refused to others while in use, and free once the Service is gone",
    );
    expect(stored, "the node port after all that").toBe(nodePort);
    expect(answers, "who answered at it, before and after each change").toEqual(["first", "second", "third", "third"]);
  },
  control: live("the newly selected pod has another label than the Service selects", (lab) =>
    storeOtherwise(
      lab,
      { kind: "Pod", name: "third" },
      "JSONPatch{op: 'replace', path: '/metadata/labels/app', value: 'other'}",
    ),
  ),
});

claim("nodeport-range-can-be-another", {
  slow: true,
  observe: async (lab) => {
    const node = lab.node(lab.controlPlane);
    const range = "31000-31099";
    const loopback = { ipv4: "127.0.0.1", ipv6: "::1" }[lab.family];
    // The node's own programs once more, with their own storage: the cluster's API server goes on as it was.
    const folder = `/tmp/knc-${randomBytes(3).toString("hex")}`;
    lab.afterwards(async () => void (await node.run("clear up", ["rm", "-rf", folder])));
    const etcd = await inBackground(node, "an etcd of one's own", [
      "sh",
      "-c",
      `exec /proc/$(pgrep -xo etcd)/exe --data-dir=${folder} --unsafe-no-fsync --listen-client-urls=http://127.0.0.1:12379 --advertise-client-urls=http://127.0.0.1:12379 --listen-peer-urls=http://127.0.0.1:12380`,
    ]);
    lab.afterwards(() => etcd.stop());
    const flags = (
      await outputOf(node, "the API server's command line", [
        "sh",
        "-c",
        "cat /proc/$(pgrep -xo kube-apiserver)/cmdline | tr '\\0' '\\n'",
      ])
    )
      .split("\n")
      .slice(1)
      .filter((flag) => flag !== "" && !/^--(etcd-|secure-port|service-node-port-range|bind-address)/.test(flag));
    const server = await inBackground(node, `an API server with --service-node-port-range=${range}`, [
      "sh",
      "-c",
      'exec /proc/$(pgrep -xo kube-apiserver)/exe "$@"',
      "sh",
      ...flags,
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
        'f=/etc/kubernetes/super-admin.conf; [ -e $f ] || f=/etc/kubernetes/admin.conf; input=$1; shift; printf %s "$input" | kubectl --kubeconfig=$f --server="https://$0" "$@"',
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
    return { range, refused: { exitCode: refused.exitCode, message: refused.stderr.trim() }, picks };
  },
  judge: ({ range, refused, picks }) => {
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
    alter: ({ range, refused }) => ({ range, refused, picks: [30_080, 31_234, 31_001, 31_002, 31_003] }),
  },
});

claim("port-is-for-access-inside", {
  observe: async (lab) => {
    const created = await lab.until(
      "the article's node port to be free",
      () => lab.tryCreate("the article's NodePort Service", printedObject("107-118", lab.otherNamespace)),
      ({ code }) => code === 201,
    );
    const { spec } = created.body as V1Service;
    const clusterIP = spec?.clusterIP ?? "";
    const node = lab.worker(0).addresses[0] ?? "";
    const inside = (port: number) => meet(lab.pod("client-1"), hostPort(clusterIP, port), lab.timeouts.attempt);
    const outside = (port: number) => meet(lab.outsider, hostPort(node, port), lab.timeouts.attempt);
    return {
      inside80: await lab.eventually(
        () => inside(80),
        ({ outcome }) => outcome === "answered",
      ),
      outside30007: await lab.until(
        "an answer outside",
        () => outside(30_007),
        ({ outcome }) => outcome === "answered",
      ),
      outside80: await outside(80),
      inside30007: await inside(30_007),
    };
  },
  judge: ({ inside80, outside30007, outside80, inside30007 }) => {
    positiveControl(outside30007.outcome === "answered", "the node port answers outside");
    expect(inside80.outcome, `${inside80.to}: port 80, asked from a pod`).toBe("answered");
    expect(outside80.outcome, `${outside80.to}: port 80, asked from outside`).not.toBe("answered");
    expect(inside30007.outcome, `${inside30007.to}: the node port at the clusterIP`).not.toBe("answered");
  },
  control: live(
    "the Service listens on another port than the article prints",
    (lab) =>
      storeOtherwise(
        lab,
        { kind: "Service", name: "my-nodeport-service" },
        "JSONPatch{op: 'replace', path: '/spec/ports/0/port', value: 81}",
      ),
    { lane: "node port 30007" },
  ),
});
