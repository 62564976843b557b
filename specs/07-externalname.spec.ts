import { setTimeout as delay } from "node:timers/promises";
import { expect } from "vitest";
import { claim } from "../helpers/claim/claim.ts";
import { positiveControl } from "../helpers/claim/verdict.ts";
import { lookUp } from "../helpers/probe/dns.ts";
import { outputOf } from "../helpers/probe/peer.ts";

/** The name that the article maps its Service to. */
const target = "my.database.example.com";

claim("externalname-maps-to-a-dns-name", {
  observe: async (lab) => {
    const name = `database.${lab.namespace}.svc.${lab.world.dnsDomain}`;
    return {
      columns: await lab.columns(
        "the Service, as kubectl get prints it",
        `/api/v1/namespaces/${lab.namespace}/services/database`,
      ),
      answer: await lookUp(lab.pod("client-1"), name, "CNAME"),
    };
  },
  judge: ({ columns, answer }) => {
    expect(columns["EXTERNAL-IP"], "the column EXTERNAL-IP").toBe(target);
    expect(
      answer.records.map(({ data }) => data),
      `what ${answer.name} is mapped to`,
    ).toEqual([`${target}.`]);
  },
});

claim("externalname-has-no-clusterip", {
  observe: async (lab) => {
    const { spec } = await lab.serviceOfCast("database");
    const rules = await outputOf(lab.node(lab.worker(0)), "the rules of a node", ["iptables-save"]);
    const naming = (service: string) =>
      rules.split("\n").filter((line) => line.includes(`${lab.namespace}/${service}`)).length;
    return {
      clusterIP: spec?.clusterIP ?? null,
      clusterIPs: spec?.clusterIPs ?? [],
      rulesForIt: naming("database"),
      rulesForAClusterIpService: naming("web"),
      proxyMode: lab.world.proxyMode,
    };
  },
  judge: ({ clusterIP, clusterIPs, rulesForIt, rulesForAClusterIpService, proxyMode }) => {
    if (proxyMode === "iptables")
      positiveControl(rulesForAClusterIpService > 0, "the node's rules name the Services that have a clusterIP");
    expect(clusterIP ?? "", "its clusterIP").toBe("");
    expect(clusterIPs, "its clusterIPs").toEqual([]);
    expect(rulesForIt, "rules of a node that name it").toBe(0);
  },
});

claim("externalname-uses-no-selector", {
  observe: async (lab) => {
    const { spec } = await lab.serviceOfCast("database");
    const selector = { app: "server" };
    await lab.service("with-selector", { type: "ExternalName", externalName: target, selector });
    await lab.service("with-selector-and-clusterip", { selector, ports: [{ port: 80, targetPort: 8080 }] });
    const clusterIpAddresses = await lab.until(
      "endpoints of the Service beside it",
      () => lab.endpointsOf("with-selector-and-clusterip"),
      (found) => found.length > 0,
    );
    await delay(lab.timeouts.window);
    return {
      selectorOfTheCast: spec?.selector ?? null,
      clusterIpAddresses,
      windowMs: lab.timeouts.window,
      externalNameAddresses: await lab.endpointsOf("with-selector"),
    };
  },
  judge: ({ selectorOfTheCast, clusterIpAddresses, windowMs, externalNameAddresses }) => {
    positiveControl(clusterIpAddresses.length > 0, "a ClusterIP Service with the same selector gets endpoints");
    expect(selectorOfTheCast, "selector of the article's kind of Service").toBeNull();
    expect(
      externalNameAddresses,
      `endpoints of an ExternalName Service that has a selector all the same, watched for ${windowMs / 1000} s`,
    ).toEqual([]);
  },
});

claim("externalname-answers-a-cname", {
  observe: async (lab) => {
    const suffix = `${lab.namespace}.svc.${lab.world.dnsDomain}`;
    return {
      answer: await lookUp(lab.pod("client-1"), `database.${suffix}`, "CNAME"),
      clusterIpService: await lookUp(lab.pod("client-1"), `web.${suffix}`, "CNAME"),
    };
  },
  judge: ({ answer, clusterIpService }) => {
    positiveControl(
      clusterIpService.status === "NOERROR" && clusterIpService.records.length === 0,
      "a ClusterIP Service has no CNAME record",
    );
    expect(answer.status, `status of the answer for CNAME ${answer.name}`).toBe("NOERROR");
    expect(
      answer.records.map(({ type, data }) => `${type} ${data}`),
      "its records",
    ).toEqual([`CNAME ${target}.`]);
  },
});
