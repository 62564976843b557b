import { randomBytes } from "node:crypto";
import { expect } from "vitest";
import { mutate } from "../../helpers/changes/admission.ts";
import { patch } from "../../helpers/changes/json-patch.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import { webPorts } from "../../helpers/lab/objects.ts";
import { live } from "../../helpers/lab/spec.ts";
import { inBackground } from "../../helpers/probe/background.ts";
import { hostPort } from "../../helpers/probe/http.ts";
import { outputOf } from "../../helpers/probe/peer.ts";
import { claim } from "./article.ts";
import { articleRange, isInRange, tryPort } from "./node-ports.ts";

claim("nodeport-out-of-range-is-refused", {
  observe: async (lab) => ({
    inside: await tryPort(lab, 30_050),
    outside: await Promise.all([articleRange.first - 1, articleRange.last + 1].map((port) => tryPort(lab, port))),
  }),
  judge: ({ inside, outside }) => {
    positiveControl(isInRange(inside), `the same Service with port ${inside.nodePort} is accepted`);
    for (const { nodePort, code, message } of outside) {
      expect(code, `HTTP status for port ${nodePort}`).toBe(422);
      expect(message, `the reason for refusing port ${nodePort}`).toContain(
        `${articleRange.first}-${articleRange.last}`,
      );
    }
  },
  control: live("the API server takes a port below the range for no choice, and picks one", (lab) =>
    mutate.service(
      lab,
      `port-${articleRange.first - 1}`,
      patch.replace("/spec/ports", [{ port: 80, protocol: "TCP", targetPort: 8080 }]),
    ),
  ),
});

/** What an API server needs to know besides, in the words of the cluster's own: its certificates, keys and subnets. */
const needed = /^--(advertise-address|client-ca-file|service-account-|service-cluster-ip-range|tls-)/;

claim("nodeport-range-can-be-another", {
  slow: true,
  observe: async (lab) => {
    const node = lab.controlPlane;
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
      lab.objects.service(name, { type: "NodePort", ports: webPorts }, "default"),
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

/** Returns the number of the process in a static pod of the control plane. */
async function processOf(lab: Lab, name: string): Promise<string> {
  const pod = [
    "--label=io.kubernetes.pod.namespace=kube-system",
    `--label=io.kubernetes.pod.name=${name}-${lab.controlPlane.name}`,
  ];
  const script = 'crictl inspect --output=go-template --template="{{.info.pid}}" $(crictl ps --quiet "$@")';
  return (await outputOf(lab.controlPlane, `the process of ${name}`, ["sh", "-c", script, "sh", ...pod])).trim();
}

/** Returns the flags that it was started with. */
async function flagsOf(lab: Lab, name: string): Promise<string[]> {
  const command = ["sh", "-c", "tr '\\0' '\\n' < /proc/$0/cmdline", await processOf(lab, name)];
  const words = await outputOf(lab.controlPlane, `the command line of ${name}`, command);
  return words.split("\n").slice(1);
}
