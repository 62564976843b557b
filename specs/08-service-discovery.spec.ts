import type { V1Service } from "@kubernetes/client-node";
import { expect } from "vitest";
import { claim } from "../helpers/claim/claim.ts";
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
