import { expect } from "vitest";
import { mutate } from "../../helpers/changes/admission.ts";
import { rules } from "../../helpers/changes/iptables.ts";
import { patch } from "../../helpers/changes/json-patch.ts";
import { wrapProgram } from "../../helpers/changes/nodes.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { answered, whoAnswers } from "../../helpers/lab/ask.ts";
import { live } from "../../helpers/lab/spec.ts";
import { meet } from "../../helpers/probe/http.ts";
import { hostPrefix } from "../../helpers/probe/ip.ts";
import { wayTo } from "../../helpers/probe/links.ts";
import { outputOf } from "../../helpers/probe/peer.ts";
import { claim } from "./article.ts";
import { leasesFolder, readConflist } from "./conflist.ts";

claim("pods-may-be-on-different-nodes", {
  slow: true,
  observe: async (lab) => {
    const labels = { app: "spread" };
    // It says nothing of nodes: the scheduler decides.
    const silentOnNodes = { affinity: undefined, tolerations: [] };
    const deployment = lab.objects.serverDeployment("spread", 2, labels, silentOnNodes);
    await lab.api.create("a Deployment", deployment);
    const placed = async (count: number) =>
      (await lab.pods.severalReady(count, labels)).map(({ metadata, spec }) => ({
        pod: metadata?.name,
        node: spec?.nodeName,
      }));
    let pods = await placed(2);
    // The scheduler spreads pods of a ReplicaSet that it knows; the first ones may come before it has heard of that.
    for (const more of [4, 8]) {
      if (new Set(pods.map(({ node }) => node)).size > 1) break;
      await lab.api.patch(`ask for ${more} pods`, deployment, { spec: { replicas: more } });
      pods = await placed(more);
    }
    return pods;
  },
  judge: (pods) => {
    expect(new Set(pods.map(({ node }) => node)).size, "nodes that one Deployment's pods are on").toBeGreaterThan(1);
  },
  control: live("the Deployment's pods are bound to one node", (lab) =>
    mutate.deployment(lab, "spread", patch.add("/spec/template/spec/nodeName", lab.worker(0).name)),
  ),
});

claim("pod-addresses-are-leased-once", {
  slow: true,
  observe: async (lab) => {
    const node = lab.worker(1);
    const folder = leasesFolder(await readConflist(node));
    const pods = await Promise.all(
      [1, 2, 3].map((number) => lab.pods.start(lab.objects.serverPod(`leased-${number}`, {}, { nodeName: node.name }))),
    );
    const files = await outputOf(node, "addresses that are leased on the node", ["ls", folder]);
    return {
      given: pods.map(({ address }) => address),
      leases: files.split("\n").filter((file) => /^[\d.]+$|:/.test(file)),
    };
  },
  judge: ({ given, leases }) => {
    expect(
      given.filter((ip, index) => given.indexOf(ip) !== index),
      "addresses that two of the pods were given",
    ).toEqual([]);
    expect(leases, `addresses that are leased, while pods have ${given.join(", ")}`).toEqual(
      expect.arrayContaining(given),
    );
  },
  control: live("host-local forgets what it gave out", async (lab) => {
    const node = lab.worker(1);
    const folder = leasesFolder(await readConflist(node));
    // Other pods are served as ever; these leave no lease that would have to be given back.
    await wrapProgram(lab, node, "/opt/cni/bin/host-local", (aside) => [
      'case "$CNI_COMMAND $CNI_ARGS" in',
      "ADD*K8S_POD_NAME=leased-*) ;;",
      `*) exec ${aside} ;;`,
      "esac",
      `${aside} || exit`,
      `cd ${folder} && grep -lF "$CNI_CONTAINERID" [0-9a-f]*[.:]* | xargs -r rm`,
    ]);
  }),
});

claim("nodes-route-to-the-right-pod", {
  slow: true,
  observe: async (lab) => {
    const forwards = `/proc/sys/net/${lab.family}/conf/all/forwarding`;
    const forwarding = await Promise.all(
      lab.nodes.map(async (node) => ({
        node: node.name,
        value: (await outputOf(node, "does it forward", ["cat", forwards])).trim(),
      })),
    );
    const near = lab.worker(0);
    const own = await wayTo(near, lab.pod("client-1").address);
    const other = await wayTo(near, lab.pod("far-server").address);
    // Only this pod's packets: what comes in by its end of the link is not forwarded.
    const client = await lab.pods.start(lab.objects.clientPod("not-forwarded", { nodeName: lab.worker(0).name }));
    const { dev: device } = await wayTo(near, client.address);
    const target = lab.pod("far-server").on(8080);
    const nearby = await whoAnswers(lab, lab.pod("client-2"), target);
    const before = await whoAnswers(lab, client, target);
    const drop = (action: "-I" | "-D") => [lab.iptables, "-w", action, "FORWARD", "-i", device, "-j", "DROP"];
    lab.afterwards(async () => void (await near.run("no such rule is left", drop("-D"))));
    await outputOf(near, "do not forward what that pod sends", drop("-I"));
    const without = await meet(client, target, lab.timeouts.silence);
    await outputOf(near, "forward it again", drop("-D"));
    const after = await whoAnswers(lab, client, target);
    return { forwarding, own, other, otherNode: lab.worker(1).addresses, nearby, before, without, after };
  },
  judge: ({ forwarding, own, other, otherNode, nearby, before, without, after }) => {
    positiveControl(nearby.pod === "far-server", "the pod answers a pod of its own node");
    expect(before.pod, `who answers at ${before.to}, asked from another node (${before.outcome})`).toBe("far-server");
    expect(without.outcome, "the same while its node forwards nothing that the asking pod sends").not.toBe("answered");
    positiveControl(after.pod === "far-server", "the pod answers again once the node forwards again");
    for (const { node, value } of forwarding) expect(value, `forwarding on ${node}`).toBe("1");
    expect(own.dev, "the way to a pod of the node itself").toMatch(/^veth/);
    expect(otherNode, "the gateway of the way to a pod of another node").toContain(other.gateway);
  },
  control: live(
    "a node routes what is for another node's pod to one of its own",
    async (lab) => {
      const node = lab.worker(0);
      const wrong = await wayTo(node, lab.pod("client-1").address, "the way to a pod of its own");
      const route = [hostPrefix(lab.pod("far-server").address), "dev", wrong.dev];
      lab.afterwards(async () => void (await outputOf(node, "no longer", ["ip", "route", "del", ...route])));
      await outputOf(node, "another way to the pod", ["ip", "route", "add", ...route]);
    },
    { alone: true },
  ),
});

claim("isolation-has-to-be-added", {
  slow: true,
  observe: async (lab) => {
    const namespaces = new Set<string | undefined>([lab.namespace, lab.otherNamespace]);
    const policies = await lab.api.list("all policies", "NetworkPolicy");
    const policy = {
      apiVersion: "networking.k8s.io/v1",
      kind: "NetworkPolicy",
      metadata: { name: "deny", namespace: lab.namespace },
      spec: { podSelector: {}, policyTypes: ["Ingress"] },
    };
    const elsewhere = await lab.pods.start(lab.objects.serverPod("open-elsewhere", {}, {}, lab.otherNamespace));
    const withinTheOther = await lab.until(
      "an answer within the other namespace",
      () => meet(lab.pod("client-elsewhere"), elsewhere.on(8080), lab.timeouts.attempt),
      answered,
    );
    return {
      within: await whoAnswers(lab, lab.pod("client-1"), lab.pod("server-1").on(8080)),
      withinTheOther,
      // A policy selects pods of its own namespace only.
      policies: policies.filter(({ metadata }) => namespaces.has(metadata?.namespace)).length,
      accepted: (await lab.api.tryCreate("would a policy be accepted", policy, { dryRun: true })).code,
      into: await whoAnswers(lab, lab.pod("client-elsewhere"), lab.pod("server-1").on(8080)),
      outOf: await whoAnswers(lab, lab.pod("client-1"), elsewhere.on(8080)),
    };
  },
  judge: ({ policies, accepted, within, withinTheOther, into, outOf }) => {
    positiveControl(accepted === 201, "the API takes policies");
    positiveControl(policies === 0, "no policy selects the pods");
    positiveControl(answered(within) && answered(withinTheOther), "each pod is answered within its own namespace");
    expect(into.pod, `who answers at ${into.to}, asked from another namespace (${into.outcome})`).toBe("server-1");
    expect(outOf.pod, `who answers at ${outOf.to}, in the other namespace (${outOf.outcome})`).toBe("open-elsewhere");
  },
  control: live("a node drops what a pod sends to a pod of another namespace, as a policy would", async (lab) => {
    const traffic = { from: lab.pod("client-elsewhere").address, to: lab.pod("server-1").address };
    await rules(lab, lab.worker(0)).drop(traffic);
  }),
});
