import type { V1Pod, V1Service } from "@kubernetes/client-node";
import { expect } from "vitest";
import { claim } from "../helpers/claim/claim.ts";
import type { Lab } from "../helpers/claim/lab.ts";
import { positiveControl } from "../helpers/claim/verdict.ts";
import { lookUp } from "../helpers/probe/dns.ts";
import { meet } from "../helpers/probe/http.ts";
import { outputOf } from "../helpers/probe/peer.ts";

claim("dns-record-for-each-service", {
  observe: async (lab) => {
    const { items } = await lab.get<{ items: V1Service[] }>("all Services of the cluster", "/api/v1/services");
    const client = lab.pod("client-1");
    const name = (service: string, namespace: string) => `${service}.${namespace}.svc.${lab.world.dnsDomain}`;
    // Other checks make and delete Services of their own meanwhile; the cast's and the cluster's stay.
    const lasting = items.filter(
      ({ metadata, spec }) =>
        spec?.clusterIP !== undefined && (metadata?.namespace !== lab.namespace || metadata?.name?.startsWith("web")),
    );
    const fresh = name("fresh", lab.namespace);
    const before = await lookUp(client, fresh, "A");
    const created = await lab.service("fresh", {
      selector: { app: "server" },
      ports: [{ port: 80, targetPort: 8080 }],
    });
    const type = lab.world.ipFamilies[0] === "ipv6" ? "AAAA" : "A";
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
});

claim("dns-full-name", {
  observe: async (lab) => {
    const name = `web.${lab.namespace}.svc.${lab.world.dnsDomain}`;
    const { spec } = await lab.serviceOfCast("web");
    const ask = async (pod: string) => ({
      record: await lookUp(lab.pod(pod), name, lab.world.ipFamilies[0] === "ipv6" ? "AAAA" : "A"),
      answer: await meet(lab.pod(pod), name, lab.timeouts.silence),
    });
    return {
      clusterIP: spec?.clusterIP,
      sameNamespace: await ask("client-1"),
      otherNamespace: await ask("client-elsewhere"),
      noSuchService: await lookUp(lab.pod("client-1"), `nobody.${lab.namespace}.svc.${lab.world.dnsDomain}`, "A"),
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
});

claim("dns-short-name-in-same-namespace", {
  observe: async (lab) => {
    const searchOf = async (pod: string) =>
      /^search (.+)$/m
        .exec(await outputOf(lab.pod(pod), `${pod}'s resolver configuration`, ["cat", "/etc/resolv.conf"]))?.[1]
        ?.split(" ") ?? [];
    const type = lab.world.ipFamilies[0] === "ipv6" ? "AAAA" : "A";
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
});

claim("environment-variables-for-services", {
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
});

claim("environment-variables-for-every-service", {
  observe: async (lab) => ({
    sameNamespace: hosts(await variablesOf(lab, "client-1")),
    otherNamespace: hosts(await variablesOf(lab, "client-elsewhere")),
    withoutServiceLinks: hosts(await variablesOfNewPod(lab, "no-links", { enableServiceLinks: false })),
  }),
  judge: ({ sameNamespace, otherNamespace, withoutServiceLinks }) => {
    positiveControl(
      sameNamespace.includes("WEB_SERVICE_HOST") && otherNamespace.includes("KUBERNETES_SERVICE_HOST"),
      "both pods have variables of Services",
    );
    expect(
      otherNamespace,
      `variables of a pod in another namespace, among them that of the Service web (without service links a pod has ${withoutServiceLinks.join(", ")})`,
    ).toContain("WEB_SERVICE_HOST");
    expect(
      sameNamespace,
      "variables of a pod in the same namespace, among them that of the ExternalName Service",
    ).toContain("DATABASE_SERVICE_HOST");
  },
});

async function variablesOf(lab: Lab, pod: string): Promise<Record<string, string>> {
  return parseVariables(await outputOf(lab.pod(pod), `environment of ${pod}`, ["env"]));
}

/** Starts a pod that prints its environment and ends, and returns what it printed. */
async function variablesOfNewPod(
  lab: Lab,
  name: string,
  spec: Readonly<Record<string, unknown>>,
): Promise<Record<string, string>> {
  await lab.create<V1Pod>(`the pod ${name}`, {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name, namespace: lab.namespace },
    spec: {
      restartPolicy: "Never",
      terminationGracePeriodSeconds: 0,
      containers: [{ name: "client", image: lab.image("probe"), command: ["env"] }],
      ...spec,
    },
  });
  const path = `/api/v1/namespaces/${lab.namespace}/pods/${name}`;
  await lab.until(
    `${name} to end`,
    () => lab.get<V1Pod>(`the pod ${name}`, path),
    ({ status }) => status?.phase === "Succeeded",
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
