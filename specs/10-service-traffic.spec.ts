import type { V1DaemonSet } from "@kubernetes/client-node";
import { expect } from "vitest";
import { claim } from "../helpers/claim/claim.ts";
import type { Lab } from "../helpers/claim/lab.ts";
import { positiveControl } from "../helpers/claim/verdict.ts";
import { outputOf } from "../helpers/probe/peer.ts";

/** The rules of a node that name a Service of the cast's namespace, as the article greps them. */
async function rulesOf(lab: Lab, service: string): Promise<string[]> {
  const rules = await outputOf(lab.node(lab.worker(0)), "the rules of a node", ["iptables-save"]);
  return rules.split("\n").filter((line) => line.includes(`${lab.namespace}/${service}`));
}

claim("kube-proxy-implements-services", {
  observe: async (lab) => {
    const { status } = await lab.get<V1DaemonSet>(
      "the DaemonSet kube-proxy",
      "/apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy",
    );
    const tables = await Promise.all(
      lab.world.nodes.map(async (node) => {
        const rules = await outputOf(lab.node(node), "all rules of the node", [
          "sh",
          "-c",
          "iptables-save; nft list ruleset",
        ]);
        return {
          node: node.name,
          rulesForTheService: rules.split("\n").filter((line) => line.includes(`${lab.namespace}/web`)).length,
        };
      }),
    );
    return { ready: status?.numberReady ?? 0, nodes: lab.world.nodes.length, tables };
  },
  judge: ({ ready, nodes, tables }) => {
    expect(ready, "nodes on which kube-proxy is ready").toBe(nodes);
    for (const { node, rulesForTheService } of tables)
      expect(rulesForTheService, `rules of ${node} that name the Service`).toBeGreaterThan(0);
  },
});

claim("kind-default-proxy-mode-is-iptables", {
  observe: async (lab) =>
    Promise.all(
      lab.world.nodes.map(async (node) => ({
        node: node.name,
        mode: (
          await outputOf(lab.node(node), "kube-proxy's own word", [
            "curl",
            "--silent",
            "--fail",
            "http://localhost:10249/proxyMode",
          ])
        ).trim(),
      })),
    ),
  judge: (nodes) => {
    for (const { node, mode } of nodes) expect(mode, `mode of kube-proxy on ${node}`).toBe("iptables");
  },
});

claim("iptables-save-shows-the-service", {
  observe: async (lab) => {
    const name = "web-clusterip";
    const before = await rulesOf(lab, name);
    const object = lab.serviceObject(name, { selector: { app: "server" }, ports: [{ port: 80, targetPort: 8080 }] });
    await lab.create("the article's Service", object);
    const during = await lab.until(
      "rules for the Service",
      () => rulesOf(lab, name),
      (rules) => rules.some((rule) => rule.includes("KUBE-SEP-")),
    );
    await lab.delete("the Service", object);
    const after = await lab.until(
      "its rules to be gone",
      () => rulesOf(lab, name),
      (rules) => rules.length === 0,
    );
    return { before, during, after };
  },
  judge: ({ before, during, after }) => {
    positiveControl(
      before.length === 0 && after.length === 0,
      "there are no such rules before the Service is created and after it is deleted",
    );
    expect(
      during.some((rule) => rule.includes("KUBE-SVC-") || rule.includes("KUBE-SERVICES")),
      "a rule that leads to the Service",
    ).toBe(true);
    expect(during.filter((rule) => rule.includes("DNAT")).length, "rules that lead to its pods").toBe(2);
  },
});
