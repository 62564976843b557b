import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { V1Service } from "@kubernetes/client-node";
import { expect } from "vitest";
import { printedObject } from "../helpers/claim/article.ts";
import { answerWithAddress, iptablesRule, storeOtherwise } from "../helpers/claim/changes.ts";
import { claim } from "../helpers/claim/claim.ts";
import { live } from "../helpers/claim/control.ts";
import { follow } from "../helpers/claim/follow.ts";
import { positiveControl } from "../helpers/claim/verdict.ts";
import { wayOf } from "../helpers/path/hops.ts";
import { lookUp } from "../helpers/probe/dns.ts";
import { meet, request } from "../helpers/probe/http.ts";
import { outputOf } from "../helpers/probe/peer.ts";
import { rulesNaming } from "../helpers/probe/rules.ts";

/** The name that the article maps its Service to. */
const target = "my.database.example.com";

const addressInsteadOfCname = live(
  "CoreDNS answers with an address instead of a CNAME",
  (lab) => answerWithAddress(lab, "database", "my-externalname-service"),
  { alone: true },
);

const ofTypeClusterIP = live(
  "the Service is a ClusterIP Service",
  async (lab) => {
    const database = lab.serviceObject("database", {});
    const name = `database.${lab.namespace}.svc.${lab.world.dnsDomain}`;
    const cname = () => lookUp(lab.pod("client-1"), name, "CNAME");
    const rules = () => rulesNaming(lab.node(lab.worker(0)), `${lab.namespace}/database`);
    lab.afterwards(async () => {
      const spec = { type: "ExternalName", externalName: target, clusterIP: null, clusterIPs: null, selector: null };
      await lab.patch("an ExternalName Service again", database, { spec: { ...spec, ports: null } });
      await lab.until("its name to be an alias again", cname, ({ records }) => records.length > 0);
      await lab.until("its rules to be gone", rules, (found) => found.length === 0);
    });
    const spec = { type: "ClusterIP", externalName: null, selector: { app: "server" }, ports: [{ port: 80 }] };
    await lab.patch("another type", database, { spec });
    await lab.until("its name to be no alias", cname, ({ records }) => records.length === 0);
  },
  { alone: true },
);

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
  control: addressInsteadOfCname,
});

claim("externalname-has-no-clusterip", {
  observe: async (lab) => {
    const { spec } = await lab.serviceOfCast("database");
    const rules = await outputOf(lab.node(lab.worker(0)), "the rules of a node", [`${lab.iptables}-save`]);
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
  control: ofTypeClusterIP,
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
  control: ofTypeClusterIP,
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
  control: addressInsteadOfCname,
});

claim("externalname-selects-no-pods", {
  slow: true,
  observe: async (lab) => {
    const name = "selecting";
    const object = lab.serviceObject(name, { type: "ExternalName", externalName: target, selector: { app: "server" } });
    const created = await lab.tryCreate("an ExternalName Service with a selector", object);
    const dnsName = `${name}.${lab.namespace}.svc.${lab.world.dnsDomain}`;
    const client = lab.pod("client-1");
    const record = await lab.eventually(
      () => lookUp(client, dnsName, "CNAME"),
      ({ records }) => records.length > 0,
    );
    const asker = await lab.start(lab.clientPod("asker", { nodeName: lab.worker(0).name }));
    const dns = await lab.get<V1Service>("the Service of DNS", "/api/v1/namespaces/kube-system/services/kube-dns");
    const query = await follow(
      lab,
      {
        title: "pod to the name server, for an ExternalName Service",
        protocol: "udp",
        client: { name: "asker", address: asker.address },
        target: { address: dns.spec?.clusterIP ?? "", port: 53 },
        servers: { name: "CoreDNS", addresses: await lab.endpointsOf("kube-dns", "kube-system"), port: 53 },
      },
      () => lookUp(asker, dnsName, "CNAME"),
    );
    const rules = async () => (await rulesNaming(lab.node(lab.worker(0)), `${lab.namespace}/${name}`)).length;
    const asExternalName = { rules: await rules(), answer: await meet(client, dnsName, lab.timeouts.silence) };
    await lab.patch("make it a ClusterIP Service", object, {
      spec: { type: "ClusterIP", externalName: null, ports: [{ port: 80, targetPort: 8080 }] },
    });
    const answer = await lab.until(
      "an answer at its name",
      () => meet(client, dnsName, lab.timeouts.attempt),
      ({ outcome }) => outcome === "answered",
      lab.timeouts.podsReady,
    );
    return { code: created.code, record, query, asExternalName, asClusterIP: { rules: await rules(), answer } };
  },
  judge: ({ code, record, query: { there, answer }, asExternalName, asClusterIP }) => {
    positiveControl(code === 201, "an ExternalName Service with a selector is accepted");
    positiveControl(
      asClusterIP.rules > 0 && asClusterIP.answer.outcome === "answered",
      "as a ClusterIP Service the same one leads to pods",
    );
    positiveControl(answer.status === "NOERROR", "the query that was followed was answered");
    const translated = there.filter((hop) => hop.translated.length > 0);
    expect(
      [
        ...record.records.map(({ data }) => `it is mapped to ${data}`),
        `${asExternalName.rules} rules of a node name it`,
        `a pod that asks there is ${asExternalName.answer.outcome === "answered" ? "answered" : "not answered"}`,
        ...translated.map((hop) => `${hop.node} gives the query another ${hop.translated.join(" and ")}`),
      ],
      `what comes of ${record.name}; the query went by ${wayOf(there)}`,
    ).toEqual([
      `it is mapped to ${target}.`,
      "0 rules of a node name it",
      "a pod that asks there is not answered",
      `${there[0]?.node} gives the query another destination`,
    ]);
  },
  control: live(
    "the Service is stored as a ClusterIP Service, and the client's node gives queries another source",
    async (lab) => {
      const node = lab.worker(0);
      const flow = ["-s", node.podCIDRs[0] ?? "", "-p", "udp", "--dport", "53"];
      await iptablesRule(lab, node, "nat", "POSTROUTING", ...flow, "-j", "MASQUERADE");
      await storeOtherwise(
        lab,
        { kind: "Service", name: "selecting" },
        "JSONPatch{op: 'replace', path: '/spec/type', value: 'ClusterIP'}",
        "JSONPatch{op: 'remove', path: '/spec/externalName'}",
        "JSONPatch{op: 'add', path: '/spec/ports', value: [{'port': 80, 'targetPort': 8080}]}",
      );
    },
  ),
});

claim("printed-externalname-service", {
  observe: async (lab) => {
    const namespace = await lab.ownNamespace("printed-external");
    const created = await lab.tryCreate("the article's Service", printedObject("154-160", namespace));
    const name = `my-externalname-service.${namespace}.svc.${lab.world.dnsDomain}`;
    const client = lab.pod("client-1");
    return {
      code: created.code,
      record: await lab.until(
        "its name to be known",
        () => lookUp(client, name, "CNAME"),
        ({ records }) => records.length > 0,
      ),
      used: await request(client, `http://${name}/`, lab.timeouts.silence),
    };
  },
  judge: ({ code, record, used }) => {
    positiveControl(used.outcome !== "answered", "my.database.example.com is an example name: nothing answers there");
    expect(code, "the answer to the article's manifest, which has no ports").toBe(201);
    expect(
      record.records.map(({ type, data }) => `${type} ${data}`),
      "its record",
    ).toEqual([`CNAME ${target}.`]);
  },
  control: addressInsteadOfCname,
});

claim("externalname-brings-an-external-service-in", {
  slow: true,
  observe: async (lab) => {
    const alias = `db-${randomBytes(3).toString("hex")}.example.test`;
    const token = randomBytes(8).toString("hex");
    const server = await lab.container(
      "a database outside of the cluster",
      "--network",
      lab.world.network,
      "--network-alias",
      alias,
    );
    const listen = ["socat", "TCP6-LISTEN:5432,ipv6only=0,fork,reuseaddr", `SYSTEM:echo ${token}`];
    await outputOf(lab.containerEngine, "it listens on port 5432", ["exec", "--detach", server, ...listen]);
    await lab.service("external-database", { type: "ExternalName", externalName: alias });
    await lab.service("external-nobody", { type: "ExternalName", externalName: `no-${alias}` });
    const ask = (service: string) =>
      lab
        .pod("client-1")
        .run(`what answers at ${service}:5432`, ["sh", "-c", `nc -w 3 ${service}.${lab.namespace} 5432 </dev/null`]);
    const answer = await lab.eventually(
      () => ask("external-database"),
      ({ stdout }) => stdout.includes(token),
    );
    const nobody = await ask("external-nobody");
    return { token, answer: answer.stdout.trim(), nobody: nobody.stdout.trim(), nobodyExitCode: nobody.exitCode };
  },
  judge: ({ token, answer, nobody, nobodyExitCode }) => {
    positiveControl(nobody === "" && nobodyExitCode !== 0, "where the name does not exist nothing answers");
    expect(answer, "what a pod reads from the external database, by the Service's name").toBe(token);
  },
  control: live("the Service is mapped to another name", (lab) =>
    storeOtherwise(
      lab,
      { kind: "Service", name: "external-database" },
      "JSONPatch{op: 'replace', path: '/spec/externalName', value: 'another.example.test'}",
    ),
  ),
});
