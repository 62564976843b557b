import { randomBytes } from "node:crypto";
import type { V1Pod } from "@kubernetes/client-node";
import { expect } from "vitest";
import { mutate, withoutServiceLinks } from "../../helpers/changes/admission.ts";
import { patch } from "../../helpers/changes/json-patch.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { answered, uncached } from "../../helpers/lab/ask.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import { leadsTo } from "../../helpers/lab/objects.ts";
import { live } from "../../helpers/lab/spec.ts";
import { hostOf, meet } from "../../helpers/probe/http.ts";
import { outputOf, ProbeFailed } from "../../helpers/probe/peer.ts";
import { claim } from "./article.ts";

claim("two-discovery-mechanisms", {
  slow: true,
  observe: async (lab) => {
    const namespace = await lab.ownNamespace("discovery");
    await lab.pods.start(lab.objects.serverPod("found", { app: "found" }, {}, namespace));
    const service = await lab.services.create("found", leadsTo({ app: "found" }), namespace);
    await kubeletHeardOf(lab, "found", namespace);
    const nodeName = lab.worker(0).name;
    // Nobody serves names at a pod's own loopback address.
    const withoutNameServer = { nodeName, dnsPolicy: "None", dnsConfig: { nameservers: ["127.0.0.1"] } };
    const [variables, names] = await Promise.all([
      lab.pods.start(lab.objects.clientPod("by-variable", withoutNameServer, namespace)),
      lab.pods.start(lab.objects.clientPod("by-name", { nodeName, enableServiceLinks: false }, namespace)),
    ]);
    const address = await lab.until(
      "the Service to answer",
      () => meet(variables, service.on(80), lab.timeouts.attempt),
      answered,
    );
    const variable = async (peer: typeof variables) =>
      (await outputOf(peer, "its variable", ["sh", "-c", "echo $FOUND_SERVICE_HOST"])).trim();
    const host = await variable(variables);
    return {
      address,
      withoutDns: {
        name: await meet(variables, `found.${namespace}.svc.${lab.world.dnsDomain}`, lab.timeouts.silence),
        variable:
          host === "" ? null : await lab.eventually(() => meet(variables, hostOf(host), lab.timeouts.answer), answered),
      },
      withoutVariables: {
        variable: await variable(names),
        name: await lab.eventually(() => meet(names, "found", lab.timeouts.answer), answered, uncached(lab)),
      },
    };
  },
  judge: ({ address, withoutDns, withoutVariables }) => {
    positiveControl(answered(address), "the Service answers at its address");
    positiveControl(!answered(withoutDns.name), "a pod without a name server cannot use the name");
    positiveControl(withoutVariables.variable === "", "the other pod has no variables of Services");
    expect(withoutDns.variable?.outcome, "the Service by its variable, without DNS").toBe("answered");
    expect(withoutVariables.name.outcome, "the Service by its name, without variables").toBe("answered");
  },
  control: notTold("by-variable"),
});

/** The pod of that name starts without variables that tell of Services. */
function notTold(pod: string) {
  return live("the pod is not told of Services by variables", (lab) => withoutServiceLinks(lab, pod));
}

/**
 * Waits until the first worker's kubelet has heard of a Service, as it does a moment after the API server: it starts a pod's
 * container again until that is told of the Service.
 */
async function kubeletHeardOf(lab: Lab, service: string, namespace = lab.namespace): Promise<void> {
  const command = ["sh", "-c", `test -n "$${service.toUpperCase()}_SERVICE_HOST"`];
  await ended(lab, `hears-of-${service}-${randomBytes(2).toString("hex")}`, command, namespace);
}

/** Starts a pod on the first worker whose container is started again until it ends well, and returns it then or after a while. */
async function ended(lab: Lab, name: string, command: readonly string[], namespace: string): Promise<V1Pod> {
  const containers = [{ ...lab.objects.clientContainer, command }];
  const spec = { nodeName: lab.worker(0).name, restartPolicy: "OnFailure", containers };
  await lab.api.create(`the pod ${name}`, lab.objects.clientPod(name, spec, namespace));
  return lab.eventually(
    () => lab.api.get(`the pod ${name}`, "Pod", name, namespace),
    ({ status }) => status?.phase === "Succeeded",
    lab.timeouts.podsReady,
  );
}

claim("environment-variables-for-services", {
  slow: true,
  observe: async (lab) => {
    const before = await variablesOf(lab, "client-1");
    await lab.services.create("later", leadsTo({ app: "server" }));
    const { clusterIP } = await lab.services.get("later");
    await kubeletHeardOf(lab, "later");
    return { clusterIP, before, after: await variablesOfNewPod(lab, "started-after") };
  },
  judge: ({ clusterIP, before, after }) => {
    positiveControl(before["KUBERNETES_SERVICE_HOST"] !== undefined, "the earlier pod has variables of Services");
    expect(after["LATER_SERVICE_HOST"], "LATER_SERVICE_HOST in a container that started after the Service later").toBe(
      clusterIP,
    );
    expect(after["LATER_SERVICE_PORT"], "LATER_SERVICE_PORT there").toBe("80");
    expect(before["LATER_SERVICE_HOST"], "LATER_SERVICE_HOST in a container that started before").toBeUndefined();
  },
  control: notTold("started-after"),
});

async function variablesOf(lab: Lab, pod: string): Promise<Record<string, string>> {
  return parseVariables(await outputOf(lab.pod(pod), `environment of ${pod}`, ["env"]));
}

function parseVariables(text: string): Record<string, string> {
  return Object.fromEntries(
    text
      .split("\n")
      .filter((line) => line.includes("="))
      .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
}

/** Starts a pod that prints its environment and ends, and returns what it printed. */
async function variablesOfNewPod(lab: Lab, name: string, namespace = lab.namespace): Promise<Record<string, string>> {
  const { status } = await ended(lab, name, ["env"], namespace);
  if (status?.phase !== "Succeeded") throw new ProbeFailed(`the pod ${name} did not end: ${JSON.stringify(status)}`);
  return parseVariables(await lab.pods.log(`what ${name} printed`, name, namespace));
}

claim("variables-are-set-when-a-container-starts", {
  slow: true,
  observe: async (lab) => {
    const namespace = await lab.ownNamespace("started");
    // It ends when it is told to, and the kubelet starts it again in the same pod.
    const container = (name: string) => ({
      name,
      image: lab.objects.image("probe"),
      command: ["sh", "-c", "trap 'exit 1' TERM; sleep infinity & wait"],
    });
    const pods = ["with-links", "without-links"];
    const start = (name: string) =>
      lab.pods.start(
        lab.objects.clientPod(
          name,
          {
            nodeName: lab.worker(0).name,
            enableServiceLinks: name === "with-links",
            containers: [container("client")],
          },
          namespace,
        ),
        { ends: true },
      );
    const peers = await Promise.all(pods.map(start));
    const service = await lab.services.create(
      "later",
      { selector: { app: "server" }, ports: [{ port: 80 }] },
      namespace,
    );
    const variables = () =>
      Promise.all(
        peers.map(async (peer) =>
          (await outputOf(peer, "its variable", ["sh", "-c", "echo $LATER_SERVICE_HOST"])).trim(),
        ),
      );
    const before = await variables();
    await kubeletHeardOf(lab, "later", namespace);
    await Promise.all(
      pods.map(async (name, index) => {
        await peers[index]?.run("end its container", ["sh", "-c", "kill -TERM 1"]);
        return lab.pods.restarted(name, namespace);
      }),
    );
    return { clusterIP: service.clusterIP, before, after: await variables() };
  },
  judge: ({ clusterIP, before, after }) => {
    positiveControl(after[1] === "", "without service links the restarted container has no such variable");
    expect(before[0], "LATER_SERVICE_HOST in a pod that started before the Service").toBe("");
    expect(after[0], "the same in the same pod once its container was started again").toBe(clusterIP);
  },
  control: notTold("with-links"),
});

claim("environment-variables-for-every-service", {
  slow: true,
  observe: async (lab) => {
    await kubeletHeardOf(lab, "web");
    return {
      sameNamespace: hosts(await variablesOfNewPod(lab, "told")),
      otherNamespace: hosts(await variablesOfNewPod(lab, "told", lab.otherNamespace)),
    };
  },
  judge: ({ sameNamespace, otherNamespace }) => {
    positiveControl(sameNamespace.includes("WEB_SERVICE_HOST"), "a pod is told of a Service of its own namespace");
    positiveControl(
      sameNamespace.includes("KUBERNETES_SERVICE_HOST") && otherNamespace.includes("KUBERNETES_SERVICE_HOST"),
      "pods of both namespaces are told of kubernetes, which is in default",
    );
    const untold = [
      ...(otherNamespace.includes("WEB_SERVICE_HOST") ? [] : ["web, to a pod of another namespace"]),
      ...(sameNamespace.includes("DATABASE_SERVICE_HOST")
        ? []
        : ["database, which has no clusterIP, to a pod of its own namespace"]),
    ];
    expect(untold, "Services that variables do not tell of").toEqual([]);
  },
  corrected: ({ sameNamespace, otherNamespace }) => {
    expect(sameNamespace, "variables of a pod of the Service web's own namespace").toContain("WEB_SERVICE_HOST");
    expect(otherNamespace, "variables of a pod of another namespace").not.toContain("WEB_SERVICE_HOST");
    expect(sameNamespace, "variables of a pod of the namespace of database, without ClusterIP").not.toContain(
      "DATABASE_SERVICE_HOST",
    );
    for (const told of [sameNamespace, otherNamespace])
      expect(told, "variables of a pod").toContain("KUBERNETES_SERVICE_HOST");
  },
  control: live("a pod is told of Services of other namespaces and of such without a clusterIP", (lab) =>
    mutate.pod(
      lab,
      "told",
      patch.add(
        "/spec/containers/0/env",
        ["WEB", "DATABASE", "KUBERNETES"].map((name) => ({ name: `${name}_SERVICE_HOST`, value: "told" })),
      ),
    ),
  ),
});

function hosts(variables: Readonly<Record<string, string>>): string[] {
  return Object.keys(variables)
    .filter((name) => name.endsWith("_SERVICE_HOST"))
    .toSorted((a, b) => a.localeCompare(b));
}
