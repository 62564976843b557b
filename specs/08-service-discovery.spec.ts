import type { V1Namespace, V1Pod, V1Service } from "@kubernetes/client-node";
import { expect } from "vitest";
import { namespaceLabel } from "../helpers/claim/cast.ts";
import { answerWithAddress, editFile, storeOtherwise, withoutServiceLinks } from "../helpers/claim/changes.ts";
import { claim } from "../helpers/claim/claim.ts";
import { live } from "../helpers/claim/control.ts";
import type { Lab } from "../helpers/claim/lab.ts";
import { positiveControl } from "../helpers/claim/verdict.ts";
import { articleNamespace } from "../helpers/claim/walkthrough.ts";
import { lookUp, type RecordType } from "../helpers/probe/dns.ts";
import { hostOf, hostPort, meet } from "../helpers/probe/http.ts";
import { reverseName } from "../helpers/probe/ip.ts";
import { outputOf, type Peer } from "../helpers/probe/peer.ts";

const otherAddresses = live(
  "CoreDNS answers for some Services with another address than theirs",
  (lab) => answerWithAddress(lab, "web", "headless", "recommended"),
  { alone: true },
);

/** The pod of that name starts without variables that tell of Services. */
function notTold(pod: string) {
  return live("the pod is not told of Services by variables", (lab) => withoutServiceLinks(lab, pod));
}

claim("dns-record-for-each-service", {
  observe: async (lab) => {
    const { items } = await lab.get<{ items: V1Service[] }>("all Services of the cluster", "/api/v1/services");
    const client = lab.pod("client-1");
    const name = (service: string, namespace: string) => `${service}.${namespace}.svc.${lab.world.dnsDomain}`;
    // Other checks, and the article's lab, make Services of their own meanwhile; the cast's and the cluster's stay.
    const { items: made } = await lab.get<{ items: V1Namespace[] }>(
      "namespaces that the suite made",
      `/api/v1/namespaces?labelSelector=${namespaceLabel}`,
    );
    const passing = new Set([articleNamespace, ...made.map(({ metadata }) => metadata?.name)]);
    const staying = new Set(["web", "web-by-route", "web-nodeport"].map((service) => name(service, lab.namespace)));
    staying.add(name("kubernetes", articleNamespace));
    const lasting = items.filter(({ metadata, spec }) => {
      const { name: service = "", namespace = "" } = metadata ?? {};
      return spec?.clusterIP !== undefined && (!passing.has(namespace) || staying.has(name(service, namespace)));
    });
    const fresh = name("fresh", lab.namespace);
    const before = await lookUp(client, fresh, lab.addressRecord);
    const created = await lab.service("fresh", {
      selector: { app: "server" },
      ports: [{ port: 80, targetPort: 8080 }],
    });
    const type = lab.addressRecord;
    const after = await lab.until(
      "a record for the new Service",
      () => lookUp(client, fresh, type),
      ({ records }) => records.length > 0,
    );
    return {
      before,
      after,
      clusterIPOfTheNewOne: created.spec?.clusterIP,
      services: await Promise.all(
        lasting.map(async ({ metadata, spec }) => ({
          clusterIP: spec?.clusterIP,
          answer: await lookUp(client, name(metadata?.name ?? "", metadata?.namespace ?? ""), type),
        })),
      ),
    };
  },
  judge: ({ before, after, clusterIPOfTheNewOne, services }) => {
    positiveControl(before.status === "NXDOMAIN", "a name without a Service has no record, and the DNS server says so");
    positiveControl(services.length >= 3, "the cluster has Services to ask for");
    for (const { clusterIP, answer } of services)
      expect(
        answer.records.map(({ data }) => data),
        `address of ${answer.name}`,
      ).toEqual([clusterIP]);
    expect(
      after.records.map(({ data }) => data),
      `address of ${after.name}, which has just been created`,
    ).toEqual([clusterIPOfTheNewOne]);
  },
  control: otherAddresses,
});

claim("dns-full-name", {
  observe: async (lab) => {
    const name = `web.${lab.namespace}.svc.${lab.world.dnsDomain}`;
    const { spec } = await lab.serviceOfCast("web");
    const ask = async (pod: string) => ({
      record: await lookUp(lab.pod(pod), name, lab.addressRecord),
      answer: await meet(lab.pod(pod), name, lab.timeouts.silence),
    });
    return {
      clusterIP: spec?.clusterIP,
      sameNamespace: await ask("client-1"),
      otherNamespace: await ask("client-elsewhere"),
      noSuchService: await lookUp(
        lab.pod("client-1"),
        `nobody.${lab.namespace}.svc.${lab.world.dnsDomain}`,
        lab.addressRecord,
      ),
    };
  },
  judge: ({ clusterIP, sameNamespace, otherNamespace, noSuchService }) => {
    positiveControl(
      noSuchService.status === "NXDOMAIN",
      "the DNS server answers, and knows no Service that is not there",
    );
    for (const { record, answer } of [sameNamespace, otherNamespace]) {
      expect(
        record.records.map(({ data }) => data),
        `address of ${record.name} for ${record.from}`,
      ).toEqual([clusterIP]);
      expect(answer.outcome, `http://${answer.to}, asked from ${answer.from}`).toBe("answered");
    }
  },
  control: otherAddresses,
});

claim("dns-short-name-in-same-namespace", {
  observe: async (lab) => {
    const searchOf = async (pod: string) =>
      /^search (.+)$/m
        .exec(await outputOf(lab.pod(pod), `${pod}'s resolver configuration`, ["cat", "/etc/resolv.conf"]))?.[1]
        ?.split(" ") ?? [];
    const type = lab.addressRecord;
    return {
      namespace: lab.namespace,
      otherNamespace: lab.otherNamespace,
      dnsDomain: lab.world.dnsDomain,
      searched: await searchOf("client-1"),
      searchedElsewhere: await searchOf("client-elsewhere"),
      record: await lookUp(lab.pod("client-1"), "web", type, { search: true }),
      answer: await meet(lab.pod("client-1"), "web", lab.timeouts.silence),
      // What the other pod's search list makes of the bare name; the bare name itself would go to a server outside.
      elsewhere: await lookUp(
        lab.pod("client-elsewhere"),
        `web.${lab.otherNamespace}.svc.${lab.world.dnsDomain}`,
        type,
      ),
      elsewhereQualified: await meet(lab.pod("client-elsewhere"), `web.${lab.namespace}`, lab.timeouts.silence),
    };
  },
  judge: ({
    namespace,
    otherNamespace,
    dnsDomain,
    searched,
    searchedElsewhere,
    record,
    answer,
    elsewhere,
    elsewhereQualified,
  }) => {
    positiveControl(
      elsewhereQualified.outcome === "answered",
      "a pod of another namespace is answered when it names the namespace too",
    );
    positiveControl(elsewhere.status === "NXDOMAIN", "in another namespace the short name means nothing");
    expect(searched[0], `what a pod in ${namespace} completes names with first`).toBe(`${namespace}.svc.${dnsDomain}`);
    expect(searchedElsewhere[0], `what a pod in ${otherNamespace} completes names with first`).toBe(
      `${otherNamespace}.svc.${dnsDomain}`,
    );
    expect(record.records.length, `addresses of the short name for ${record.from}`).toBe(1);
    expect(answer.outcome, `http://${answer.to}, asked from ${answer.from} in the Service's namespace`).toBe(
      "answered",
    );
  },
  control: live(
    "the pod completes names with another namespace first",
    (lab) =>
      editFile(lab, lab.pod("client-1"), "/etc/resolv.conf", (text) =>
        text.replace(`search ${lab.namespace}.`, `search ${lab.otherNamespace}.`),
      ),
    { alone: true },
  ),
});

claim("environment-variables-for-services", {
  slow: true,
  observe: async (lab) => {
    const before = await variablesOf(lab, "client-1");
    await lab.service("later", { selector: { app: "server" }, ports: [{ port: 80, targetPort: 8080 }] });
    const { spec } = await lab.serviceOfCast("later");
    return { clusterIP: spec?.clusterIP, before, after: await variablesOfNewPod(lab, "started-after", {}) };
  },
  judge: ({ clusterIP, before, after }) => {
    positiveControl(
      before["WEB_SERVICE_HOST"] !== undefined,
      "the earlier pod has the variables of the Services that were there when it started",
    );
    expect(after["LATER_SERVICE_HOST"], "LATER_SERVICE_HOST in a container that started after the Service later").toBe(
      clusterIP,
    );
    expect(after["LATER_SERVICE_PORT"], "LATER_SERVICE_PORT there").toBe("80");
    expect(after["LATER_PORT_80_TCP_ADDR"], "LATER_PORT_80_TCP_ADDR there").toBe(clusterIP);
    expect(before["LATER_SERVICE_HOST"], "LATER_SERVICE_HOST in a container that started before").toBeUndefined();
  },
  control: notTold("started-after"),
});

claim("environment-variables-for-every-service", {
  slow: true,
  observe: async (lab) => ({
    sameNamespace: hosts(await variablesOfNewPod(lab, "told", {})),
    otherNamespace: hosts(await variablesOfNewPod(lab, "told", {}, lab.otherNamespace)),
    withoutServiceLinks: hosts(await variablesOfNewPod(lab, "no-links", { enableServiceLinks: false })),
  }),
  judge: ({ sameNamespace, otherNamespace, withoutServiceLinks }) => {
    positiveControl(
      sameNamespace.includes("WEB_SERVICE_HOST") && otherNamespace.includes("KUBERNETES_SERVICE_HOST"),
      "both pods have variables of Services",
    );
    expect(
      otherNamespace,
      `variables of a pod in another namespace (with enableServiceLinks: false: ${withoutServiceLinks.join(", ")})`,
    ).toContain("WEB_SERVICE_HOST");
    expect(
      sameNamespace,
      "variables of a pod in the same namespace, among them that of the ExternalName Service",
    ).toContain("DATABASE_SERVICE_HOST");
  },
  control: live("a pod is told of Services of other namespaces and of such without a clusterIP", (lab) =>
    storeOtherwise(
      lab,
      { kind: "Pod", name: "told" },
      `JSONPatch{op: 'add', path: '/spec/containers/0/env', value:
        ['WEB', 'DATABASE', 'KUBERNETES'].map(name, {'name': name + '_SERVICE_HOST', 'value': 'told'})}`,
    ),
  ),
});

async function variablesOf(lab: Lab, pod: string): Promise<Record<string, string>> {
  return parseVariables(await outputOf(lab.pod(pod), `environment of ${pod}`, ["env"]));
}

/** Starts a pod that prints its environment and ends, and returns what it printed. */
async function variablesOfNewPod(
  lab: Lab,
  name: string,
  spec: Readonly<Record<string, unknown>>,
  namespace = lab.namespace,
): Promise<Record<string, string>> {
  const containers = [{ ...lab.clientContainer, command: ["env"] }];
  // Not `Never`: where its runtime fails to start it, it is to be started again.
  const pod = lab.clientPod(name, { restartPolicy: "OnFailure", containers, ...spec }, namespace);
  await lab.create(`the pod ${name}`, pod);
  const path = `/api/v1/namespaces/${namespace}/pods/${name}`;
  await lab.until(
    `${name} to end`,
    () => lab.get<V1Pod>(`the pod ${name}`, path),
    ({ status }) => status?.phase === "Succeeded",
    lab.timeouts.podsReady,
  );
  return parseVariables(await lab.get<string>(`what ${name} printed`, `${path}/log`));
}

function parseVariables(text: string): Record<string, string> {
  return Object.fromEntries(
    text
      .split("\n")
      .filter((line) => line.includes("="))
      .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]),
  );
}

function hosts(variables: Readonly<Record<string, string>>): string[] {
  return Object.keys(variables)
    .filter((name) => name.endsWith("_SERVICE_HOST"))
    .toSorted((a, b) => a.localeCompare(b));
}

claim("dns-has-srv-and-ptr-records", {
  observe: async (lab) => {
    const ports = [{ name: "http", port: 80, targetPort: 8080 }];
    const named = await lab.service("named-port", { selector: { app: "server" }, ports });
    await lab.service("headless", { clusterIP: "None", selector: { app: "server" }, ports });
    const clusterIP = named.spec?.clusterIP ?? "";
    const client = lab.pod("client-1");
    const suffix = `${lab.namespace}.svc.${lab.world.dnsDomain}`;
    const found = (name: string, type: RecordType) =>
      lab.until(
        `${type} ${name}`,
        () => lookUp(client, name, type),
        ({ records }) => records.length > 0,
      );
    return {
      clusterIP,
      pods: [lab.pod("server-1").address, lab.pod("server-2").address],
      suffix,
      srv: await found(`_http._tcp.named-port.${suffix}`, "SRV"),
      unnamed: await lookUp(client, `_other._tcp.named-port.${suffix}`, "SRV"),
      ptr: await found(reverseName(clusterIP), "PTR"),
      headless: await found(`headless.${suffix}`, lab.addressRecord),
      otherFamily: await lookUp(client, `named-port.${suffix}`, lab.addressRecord === "A" ? "AAAA" : "A"),
    };
  },
  judge: ({ clusterIP, pods, suffix, srv, unnamed, ptr, headless, otherFamily }) => {
    positiveControl(unnamed.status === "NXDOMAIN", "a port that the Service does not name has no record");
    expect(srv.records[0]?.data, "SRV: priority, weight, port and name").toBe(`0 100 80 named-port.${suffix}.`);
    expect(ptr.records[0]?.data, `PTR of ${clusterIP}`).toBe(`named-port.${suffix}.`);
    expect(headless.records.map(({ data }) => data).toSorted(), "addresses of a headless Service: its pods").toEqual(
      pods.toSorted(),
    );
    expect([otherFamily.status, otherFamily.records.length], "an address of the other family").toEqual(["NOERROR", 0]);
  },
  control: otherAddresses,
});

claim("two-discovery-mechanisms", {
  slow: true,
  observe: async (lab) => {
    const namespace = await lab.ownNamespace("discovery");
    await lab.start(lab.serverPod("found", { app: "found" }, {}, namespace));
    const { spec } = await lab.service(
      "found",
      { selector: { app: "found" }, ports: [{ port: 80, targetPort: 8080 }] },
      namespace,
    );
    const nodeName = lab.worker(0).name;
    const [variables, names] = await Promise.all([
      lab.start(lab.clientPod("by-variable", { nodeName }, namespace)),
      lab.start(lab.clientPod("by-name", { nodeName, enableServiceLinks: false }, namespace)),
    ]);
    const dns =
      (await outputOf(variables, "its name servers", ["cat", "/etc/resolv.conf"])).match(/nameserver (\S+)/)?.[1] ?? "";
    await lab.until(
      "the Service to answer",
      () => meet(variables, hostPort(spec?.clusterIP ?? "", 80), lab.timeouts.attempt),
      ({ outcome }) => outcome === "answered",
    );
    const namedBefore = await meet(variables, "found", lab.timeouts.answer);
    // For this pod alone: the cluster's DNS serves everybody else meanwhile.
    const rule = ["-s", variables.address, "-d", dns, "-j", "DROP"];
    const node = lab.node(lab.worker(0));
    const iptables = (action: string) => [lab.iptables, "-w", "-t", "raw", action, "PREROUTING", ...rule];
    lab.afterwards(async () => void (await node.run("let it ask again", iptables("-D"))));
    await outputOf(node, "cut that pod off from the cluster's DNS", iptables("-I"));
    const variable = async (peer: typeof variables) =>
      (await outputOf(peer, "its variable", ["sh", "-c", "echo $FOUND_SERVICE_HOST"])).trim();
    const host = await variable(variables);
    return {
      clusterIP: spec?.clusterIP,
      namedBefore,
      withoutDns: {
        name: await meet(variables, "found", lab.timeouts.silence),
        variable: host === "" ? null : await meet(variables, hostOf(host), lab.timeouts.answer),
      },
      withoutVariables: { variable: await variable(names), name: await meet(names, "found", lab.timeouts.answer) },
    };
  },
  judge: ({ namedBefore, withoutDns, withoutVariables }) => {
    positiveControl(
      namedBefore.outcome === "answered" && withoutDns.name.outcome !== "answered",
      "the pod that was cut off from DNS could use the name before, and cannot now",
    );
    positiveControl(withoutVariables.variable === "", "the other pod has no variables of Services");
    expect(withoutDns.variable?.outcome, "the Service by its variable, without DNS").toBe("answered");
    expect(withoutVariables.name.outcome, "the Service by its name, without variables").toBe("answered");
  },
  control: notTold("by-variable"),
});

claim("variables-are-set-when-a-container-starts", {
  slow: true,
  observe: async (lab) => {
    const namespace = await lab.ownNamespace("started");
    // It ends when it is told to, and the kubelet starts it again in the same pod.
    const container = (name: string) => ({
      name,
      image: lab.image("probe"),
      command: ["sh", "-c", "trap 'exit 1' TERM; sleep infinity & wait"],
    });
    const pods = ["with-links", "without-links"];
    const start = (name: string) =>
      lab.start(
        lab.clientPod(
          name,
          { enableServiceLinks: name === "with-links", containers: [container("client")] },
          namespace,
        ),
        { ends: true },
      );
    const peers = await Promise.all(pods.map(start));
    const service = await lab.service("later", { selector: { app: "server" }, ports: [{ port: 80 }] }, namespace);
    const variables = () =>
      Promise.all(
        peers.map(async (peer) =>
          (await outputOf(peer, "its variable", ["sh", "-c", "echo $LATER_SERVICE_HOST"])).trim(),
        ),
      );
    const before = await variables();
    const restarted = await Promise.all(
      pods.map(async (name, index) => {
        await peers[index]?.run("end its container", ["sh", "-c", "kill -TERM 1"]);
        return lab.restarted(name, namespace);
      }),
    );
    return { clusterIP: service.spec?.clusterIP, before, after: await variables(), restarts: restarted.length };
  },
  judge: ({ clusterIP, before, after }) => {
    positiveControl(after[1] === "", "without service links the restarted container has no such variable");
    expect(before[0], "LATER_SERVICE_HOST in a pod that started before the Service").toBe("");
    expect(after[0], "the same in the same pod once its container was started again").toBe(clusterIP);
  },
  control: notTold("with-links"),
});

claim("dns-is-the-recommended-way", {
  observe: async (lab) => {
    await lab.service("recommended", { selector: { app: "server" }, ports: [{ port: 80, targetPort: 8080 }] });
    const client = lab.pod("client-1");
    return {
      byName: await lab.eventually(
        () => meet(client, "recommended", lab.timeouts.attempt),
        ({ outcome }) => outcome === "answered",
      ),
      variables: hosts(await variablesOf(lab, "client-1")),
      otherNamespace: await lab.eventually(
        () => meet(lab.pod("client-elsewhere"), `recommended.${lab.namespace}`, lab.timeouts.attempt),
        ({ outcome }) => outcome === "answered",
      ),
      variablesElsewhere: hosts(await variablesOf(lab, "client-elsewhere")),
    };
  },
  judge: ({ byName, variables, otherNamespace, variablesElsewhere }) => {
    positiveControl(
      variables.includes("WEB_SERVICE_HOST"),
      "the pod has variables of Services that were there before it",
    );
    // What makes it the recommended way: it knows Services that are younger than the pod, and those of other namespaces.
    expect(variables, "variables of a pod older than the Service").not.toContain("RECOMMENDED_SERVICE_HOST");
    expect(variablesElsewhere, "variables of a pod of another namespace").not.toContain("RECOMMENDED_SERVICE_HOST");
    expect(byName.outcome, "the Service by its name, asked from that older pod").toBe("answered");
    expect(otherNamespace.outcome, "and from another namespace").toBe("answered");
  },
  control: otherAddresses,
});

claim("pods-use-the-full-name", {
  slow: true,
  observe: async (lab) => {
    const name = `web.${lab.namespace}.svc.${lab.world.dnsDomain}`;
    const host = (pod: string, dnsPolicy: string) =>
      lab.start(lab.clientPod(pod, { hostNetwork: true, dnsPolicy, nodeName: lab.worker(0).name }));
    const [asPod, asHost] = await Promise.all([
      host("host-asks-cluster", "ClusterFirstWithHostNet"),
      host("host-asks-host", "ClusterFirst"),
    ]);
    const ask = (peer: Peer) => meet(peer, name, lab.timeouts.silence);
    const [sameNamespace, otherNamespace, hostNetworkWithClusterDns, hostNetwork, node, outsider] = await Promise.all([
      ask(lab.pod("client-1")),
      ask(lab.pod("client-elsewhere")),
      ask(asPod),
      ask(asHost),
      ask(lab.node(lab.worker(0))),
      ask(lab.outsider),
    ]);
    return { sameNamespace, otherNamespace, hostNetworkWithClusterDns, hostNetwork, node, outsider };
  },
  judge: ({ sameNamespace, otherNamespace, hostNetworkWithClusterDns, hostNetwork, node, outsider }) => {
    for (const other of [hostNetwork, node, outsider])
      positiveControl(
        other.outcome !== "answered",
        `${other.from}, which asks another name server, does not know the name`,
      );
    for (const pod of [sameNamespace, otherNamespace, hostNetworkWithClusterDns])
      expect(pod.outcome, `http://${pod.to}, asked from ${pod.from}`).toBe("answered");
  },
  control: otherAddresses,
});
