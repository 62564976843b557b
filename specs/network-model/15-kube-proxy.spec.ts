import { expect } from "vitest";
import { parse } from "yaml";
import { mutate } from "../../helpers/changes/admission.ts";
import { configure } from "../../helpers/changes/nodes.ts";
import { ownAnswers, proxyModeUrl } from "../../helpers/checks/traffic/kube-proxy.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { isReady } from "../../helpers/lab/cast.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import { leadsTo } from "../../helpers/lab/objects.ts";
import { live } from "../../helpers/lab/spec.ts";
import { hostPrefix } from "../../helpers/probe/ip.ts";
import { outputOf } from "../../helpers/probe/peer.ts";
import { claim } from "./article.ts";

const pods = { "k8s-app": "kube-proxy" };

claim("kube-proxy-on-every-node", {
  observe: async (lab) => {
    const look = async () => {
      const found = await lab.api.list("kube-proxy's pods", "Pod", { namespace: "kube-system", labels: pods });
      const ready = found.filter(isReady).map(({ spec }) => spec?.nodeName);
      // A container of its own would have another network than the node's.
      const script = 'grep -lx kube-proxy /proc/[0-9]*/comm | while read -r f; do readlink "${f%comm}ns/net"; done';
      return Promise.all(
        lab.nodes.map(async (node) => {
          const networks = await node.run("networks of kube-proxy's processes", ["sh", "-c", script]);
          const own = await outputOf(node, "the node's own network", ["readlink", "/proc/1/ns/net"]);
          return {
            node: node.name,
            pods: ready.filter((name) => name === node.name).length,
            processes: networks.stdout.split("\n").filter((network) => network === own.trim()).length,
          };
        }),
      );
    };
    return lab.eventually(look, (nodes) => nodes.every((found) => found.pods === 1 && found.processes > 0));
  },
  judge: (nodes) => {
    positiveControl(nodes.length > 0, "the cluster has nodes");
    for (const found of nodes) {
      expect(found.pods, `ready pods of kube-proxy on ${found.node}`).toBe(1);
      expect(found.processes, `processes kube-proxy on the network of ${found.node}`).toBeGreaterThan(0);
    }
  },
  control: live(
    "the DaemonSet leaves the control plane out",
    async (lab) => {
      const node = lab.controlPlane.name;
      const object = {
        ...{ apiVersion: "apps/v1", kind: "DaemonSet" },
        metadata: { name: "kube-proxy", namespace: "kube-system" },
      };
      const { spec } = await lab.api.get("the DaemonSet kube-proxy", "DaemonSet", "kube-proxy", "kube-system");
      const affinity = spec?.template.spec?.affinity ?? null;
      const elsewhere = { matchFields: [{ key: "metadata.name", operator: "NotIn", values: [node] }] };
      const apply = (title: string, value: unknown) =>
        lab.api.patch(title, object, { spec: { template: { spec: { affinity: value } } } });
      const there = (count: number) =>
        lab.until(
          `${count} pods of kube-proxy, all of them as they are to be`,
          () => lab.api.get("the DaemonSet kube-proxy", "DaemonSet", "kube-proxy", "kube-system"),
          ({ metadata, status }) =>
            status?.observedGeneration === metadata?.generation &&
            [status?.desiredNumberScheduled, status?.updatedNumberScheduled, status?.numberReady].every(
              (number) => number === count,
            ) &&
            status?.numberMisscheduled === 0,
          lab.timeouts.podsReady,
        );
      lab.afterwards(async () => {
        await apply("wherever it was", affinity);
        await there(lab.nodes.length);
      });
      await apply("not on the control plane", {
        nodeAffinity: { requiredDuringSchedulingIgnoredDuringExecution: { nodeSelectorTerms: [elsewhere] } },
      });
      await there(lab.nodes.length - 1);
    },
    { alone: true },
  ),
});

/** Returns the mode for which kube-proxy is configured; told none, it takes iptables (its reference, `--proxy-mode`). */
async function configuredMode(lab: Lab): Promise<string> {
  const { data } = await lab.api.get("kube-proxy's configuration", "ConfigMap", "kube-proxy", "kube-system");
  const { mode } = parse(data?.["config.conf"] ?? "{}") as { readonly mode?: string };
  return mode === undefined || mode === "" ? "iptables" : mode;
}

/** Returns what each node's kube-proxy says of its health, once all are well. */
const healthy = (lab: Lab) => ownAnswers(lab, "http://localhost:10256/healthz", ({ status }) => status === 200);

claim("kube-proxy-tells-its-mode", {
  observe: async (lab) => {
    const wanted = await configuredMode(lab);
    const runs = await healthy(lab);
    return { wanted, runs, answers: await ownAnswers(lab, proxyModeUrl, ({ body }) => body === wanted) };
  },
  judge: ({ wanted, runs, answers }) => {
    positiveControl(answers.length > 0, "the cluster has nodes");
    for (const { node, status } of runs) positiveControl(status === 200, `kube-proxy runs on ${node}`);
    for (const { node, body } of answers)
      expect(body, `what ${node} is told at ${proxyModeUrl}, where ${wanted} is configured`).toBe(wanted);
  },
  control: live(
    "kube-proxy is configured to tell it at another port",
    (lab) =>
      configure(
        lab,
        "kube-proxy",
        "config.conf",
        pods,
        (text) => text.replace(/^metricsBindAddress: .*$/m, "metricsBindAddress: 127.0.0.1:10239"),
        async () => void (await healthy(lab)),
      ),
    { alone: true },
  ),
});

claim("service-rules-are-in-nat", {
  observe: async (lab) => {
    const service = await lab.services.create("ruled-in-nat", leadsTo({ app: "server" }));
    const servers = ["server-1", "server-2"].map((name) => lab.pod(name).on(8080)).toSorted();
    const look = () =>
      Promise.all(
        lab.nodes.map(async (node) => {
          const table = await outputOf(node, "the table nat", [`${lab.iptables}-save`, "-t", "nat"]);
          const leadsOn = (chain: string, ...words: readonly string[]) =>
            targetsOf(table, chain, (rule) => words.every((word) => rule.includes(word)));
          const chains = leadsOn("KUBE-SERVICES", ` -d ${hostPrefix(service.clusterIP)} `, " --dport 80 ");
          const endpoints = chains.flatMap((chain) => leadsOn(chain)).filter((chain) => chain.startsWith("KUBE-SEP-"));
          return {
            node: node.name,
            reachedFrom: ["PREROUTING", "OUTPUT"].filter((chain) => leadsOn(chain).includes("KUBE-SERVICES")),
            ofAnother: leadsOn("KUBE-SERVICES", "default/kubernetes").length,
            pods: [...new Set(endpoints.flatMap((chain) => destinationsOf(table, chain)))].toSorted(),
          };
        }),
      );
    const nodes = await lab.eventually(look, (found) => found.every(({ pods: to }) => to.join() === servers.join()));
    return { servers, nodes };
  },
  judge: ({ servers, nodes }) => {
    positiveControl(nodes.length > 0, "the cluster has nodes");
    for (const { node, reachedFrom, ofAnother, pods: to } of nodes) {
      positiveControl(ofAnother > 0, `the table nat of ${node} has rules of the Service kubernetes`);
      expect(reachedFrom, `chains of nat on ${node} that lead to KUBE-SERVICES`).toEqual(["PREROUTING", "OUTPUT"]);
      expect(to, `where KUBE-SERVICES on ${node} leads the Service's cluster IP in the end`).toEqual(servers);
    }
  },
  // Then there is one rule, in another table, which refuses.
  control: live("the Service selects a label that no pod has", (lab) =>
    mutate.selector(lab, "ruled-in-nat", { app: "nobody" }),
  ),
});

/** Returns the targets of a chain's rules of which the text is as wanted, as iptables-save(8) prints them. */
function targetsOf(table: string, chain: string, wanted: (rule: string) => boolean): string[] {
  return table
    .split("\n")
    .filter((rule) => rule.startsWith(`-A ${chain} `) && wanted(rule))
    .flatMap((rule) => / -j (\S+)/.exec(rule)?.[1] ?? []);
}

/** Returns where a chain's rules translate the destination to. */
function destinationsOf(table: string, chain: string): string[] {
  return table
    .split("\n")
    .filter((rule) => rule.startsWith(`-A ${chain} `))
    .flatMap((rule) => / --to-destination (\S+)/.exec(rule)?.[1] ?? []);
}
