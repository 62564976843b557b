import type { V1Service } from "@kubernetes/client-node";
import { expect } from "vitest";
import { claim } from "../helpers/claim/claim.ts";
import { positiveControl } from "../helpers/claim/verdict.ts";
import { lookUp } from "../helpers/probe/dns.ts";
import { meet } from "../helpers/probe/http.ts";

claim("dns-record-for-each-service", {
  observe: async (lab) => {
    const { items } = await lab.get<{ items: V1Service[] }>("all Services of the cluster", "/api/v1/services");
    const client = lab.pod("client-1");
    const name = (service: string, namespace: string) => `${service}.${namespace}.svc.${lab.world.dnsDomain}`;
    // Other checks make and delete Services of their own meanwhile; the cast's and the cluster's stay.
    const lasting = items.filter(({ metadata, spec }) => spec?.clusterIP !== undefined && (metadata?.namespace !== lab.namespace || metadata?.name?.startsWith("web")));
    const fresh = name("fresh", lab.namespace);
    const before = await lookUp(client, fresh, "A");
    const created = await lab.service("fresh", { selector: { app: "server" }, ports: [{ port: 80, targetPort: 8080 }] });
    const type = lab.world.ipFamilies[0] === "ipv6" ? "AAAA" : "A";
    const after = await lab.until("a record for the new Service", () => lookUp(client, fresh, type), ({ records }) => records.length > 0);
    return {
      before,
      after,
      clusterIPOfTheNewOne: created.spec?.clusterIP,
      services: await Promise.all(lasting.map(async ({ metadata, spec }) => ({ clusterIP: spec?.clusterIP, answer: await lookUp(client, name(metadata?.name ?? "", metadata?.namespace ?? ""), type) }))),
    };
  },
  judge: ({ before, after, clusterIPOfTheNewOne, services }) => {
    positiveControl(before.status === "NXDOMAIN", "a name without a Service has no record, and the DNS server says so");
    positiveControl(services.length >= 3, "the cluster has Services to ask for");
    for (const { clusterIP, answer } of services) expect(answer.records.map(({ data }) => data), `address of ${answer.name}`).toEqual([clusterIP]);
    expect(after.records.map(({ data }) => data), `address of ${after.name}, which has just been created`).toEqual([clusterIPOfTheNewOne]);
  },
});

claim("dns-full-name", {
  observe: async (lab) => {
    const name = `web.${lab.namespace}.svc.${lab.world.dnsDomain}`;
    const { spec } = await lab.serviceOfCast("web");
    const ask = async (pod: string) => ({ record: await lookUp(lab.pod(pod), name, lab.world.ipFamilies[0] === "ipv6" ? "AAAA" : "A"), answer: await meet(lab.pod(pod), name, lab.timeouts.silence) });
    return { clusterIP: spec?.clusterIP, sameNamespace: await ask("client-1"), otherNamespace: await ask("client-elsewhere"), noSuchService: await lookUp(lab.pod("client-1"), `nobody.${lab.namespace}.svc.${lab.world.dnsDomain}`, "A") };
  },
  judge: ({ clusterIP, sameNamespace, otherNamespace, noSuchService }) => {
    positiveControl(noSuchService.status === "NXDOMAIN", "the DNS server answers, and knows no Service that is not there");
    for (const { record, answer } of [sameNamespace, otherNamespace]) {
      expect(record.records.map(({ data }) => data), `address of ${record.name} for ${record.from}`).toEqual([clusterIP]);
      expect(answer.outcome, `http://${answer.to}, asked from ${answer.from}`).toBe("answered");
    }
  },
});

claim("dns-short-name-in-same-namespace", {
  observe: async (lab) => ({
    sameNamespace: await meet(lab.pod("client-1"), "web", lab.timeouts.silence),
    sameNamespaceRecord: await lookUp(lab.pod("client-1"), "web", lab.world.ipFamilies[0] === "ipv6" ? "AAAA" : "A", { search: true }),
    otherNamespace: await meet(lab.pod("client-elsewhere"), "web", lab.timeouts.silence),
    otherNamespaceQualified: await meet(lab.pod("client-elsewhere"), `web.${lab.namespace}`, lab.timeouts.silence),
  }),
  judge: ({ sameNamespace, sameNamespaceRecord, otherNamespace, otherNamespaceQualified }) => {
    positiveControl(otherNamespaceQualified.outcome === "answered", "a pod of another namespace is answered when it names the namespace too");
    positiveControl(otherNamespace.outcome === "unresolved", "in another namespace the short name means nothing");
    expect(sameNamespaceRecord.records.length, "addresses of the short name").toBe(1);
    expect(sameNamespace.outcome, `http://${sameNamespace.to}, asked from ${sameNamespace.from} in the Service's namespace`).toBe("answered");
  },
});
