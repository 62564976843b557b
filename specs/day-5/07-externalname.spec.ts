import { randomBytes } from "node:crypto";
import semver from "semver";
import { expect } from "vitest";
import { mutate } from "../../helpers/changes/admission.ts";
import { patch } from "../../helpers/changes/json-patch.ts";
import { answerWithAddress } from "../../helpers/changes/nodes.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { answered, uncached } from "../../helpers/lab/ask.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import { webPorts } from "../../helpers/lab/objects.ts";
import type { Service } from "../../helpers/lab/services.ts";
import { live } from "../../helpers/lab/spec.ts";
import { lookUp } from "../../helpers/probe/dns.ts";
import { hostPort, meet, request } from "../../helpers/probe/http.ts";
import { claim, printedObject } from "./article.ts";

/** The name that the article maps its Service to. */
const target = "my.database.example.com";

const addressInsteadOfCname = live(
  "CoreDNS answers with an address instead of a CNAME",
  (lab) => answerWithAddress(lab, "database", "mapped", "my-externalname-service"),
  { alone: true },
);

/** The ExternalName Service of that name is stored as a ClusterIP Service. */
function ofTypeClusterIP(name: string) {
  return live("the Service is stored as a ClusterIP Service", (lab) =>
    mutate.service(
      lab,
      name,
      patch.replace("/spec/type", "ClusterIP"),
      patch.remove("/spec/externalName"),
      patch.add("/spec/ports", webPorts),
    ),
  );
}

/** Asks for the CNAME record of a new Service until there is one; where names are cached, one asked for too early is unknown for half a minute. */
async function cnameOf(lab: Lab, service: string, namespace = lab.namespace) {
  const name = `${service}.${namespace}.svc.${lab.world.dnsDomain}`;
  return lab.eventually(
    () => lookUp(lab.pod("client-1"), name, "CNAME"),
    ({ records }) => records.length > 0,
    uncached(lab),
  );
}

claim("externalname-maps-to-a-dns-name", {
  observe: async (lab) => {
    const suffix = `${lab.namespace}.svc.${lab.world.dnsDomain}`;
    // Names of the cluster's own: every cluster's DNS knows them, wherever it asks about others.
    const [first, second] = [`web.${suffix}`, `web-by-route.${suffix}`];
    const service = lab.objects.service("mapped", { type: "ExternalName", externalName: first });
    await lab.api.create("a Service that is mapped to a name", service);
    const addresses = async (name: string) =>
      (await lookUp(lab.pod("client-1"), name, lab.addressRecord)).records
        .filter(({ type }) => type === lab.addressRecord)
        .map(({ data }) => data);
    const mappedTo = async (name: string) => {
      const wanted = await lab.eventually(
        () => addresses(name),
        (found) => found.length > 0,
      );
      const found = await lab.eventually(
        () => addresses(`mapped.${suffix}`),
        (each) => each.join() === wanted.join(),
        uncached(lab),
      );
      return { name, wanted, found };
    };
    const before = await mappedTo(first);
    await lab.api.patch("map it to another name", service, { spec: { externalName: second } });
    return {
      columns: await lab.api.columns("the cast's Service, as kubectl get prints it", "Service", "database"),
      mappings: [before, await mappedTo(second)],
    };
  },
  judge: ({ columns, mappings }) => {
    positiveControl(
      new Set(mappings.map(({ wanted }) => wanted.join())).size === mappings.length,
      "the names that it is mapped to have addresses, each its own",
    );
    expect(columns["EXTERNAL-IP"], "the column EXTERNAL-IP").toBe(target);
    for (const { name, wanted, found } of mappings)
      expect(found, `addresses of the Service that is mapped to ${name}`).toEqual(wanted);
  },
  control: addressInsteadOfCname,
});

claim("externalname-has-no-clusterip", {
  observe: async (lab) => {
    await lab.services.create("unnumbered", { type: "ExternalName", externalName: target });
    const { spec } = await lab.services.get("unnumbered");
    const columns = await lab.api.columns("the Service, as kubectl get prints it", "Service", "unnumbered");
    const beside = await lab.services.get("web");
    return {
      clusterIPs: [spec.clusterIP ?? [], spec.clusterIPs ?? []].flat().filter((address) => address !== ""),
      printed: columns["CLUSTER-IP"],
      besideIt: beside.clusterIP,
    };
  },
  judge: ({ clusterIPs, printed, besideIt }) => {
    positiveControl(besideIt !== "" && besideIt !== "None", "a Service that asked for no address was given one");
    expect(clusterIPs, "its cluster IPs").toEqual([]);
    expect(printed, "the column CLUSTER-IP").toBe("<none>");
  },
  control: ofTypeClusterIP("unnumbered"),
});

claim("externalname-uses-no-selector", {
  slow: true,
  observe: async (lab) => {
    const selector = { app: "server" };
    const ports = webPorts;
    const externalName = { type: "ExternalName", externalName: target };
    const create = (name: string, spec: Readonly<Record<string, unknown>>) =>
      lab.api.tryCreate(name, lab.objects.service(name, spec));
    const codes = {
      without: (await create("without-selector", externalName)).code,
      // The API server takes a selector, and has nothing to do with it.
      withOne: (await create("with-selector", { ...externalName, selector })).code,
    };
    const numberedWithout = await lab.services.create("numbered-without-selector", { ports });
    const numbered = await lab.services.create("numbered-with-selector", { selector, ports });
    const ask = (service: Service, timeout: number) => meet(lab.pod("client-1"), service.on(80), timeout);
    const withOne = await lab.until(
      "the ClusterIP Service to answer",
      () => ask(numbered, lab.timeouts.attempt),
      answered,
    );
    return {
      codes,
      clusterIP: { without: await ask(numberedWithout, lab.timeouts.silence), withOne },
      externalName: { without: await cnameOf(lab, "without-selector"), withOne: await cnameOf(lab, "with-selector") },
    };
  },
  judge: ({ codes, clusterIP, externalName }) => {
    positiveControl(
      answered(clusterIP.withOne) && !answered(clusterIP.without),
      "where a ClusterIP Service leads is decided by its selector",
    );
    positiveControl(codes.withOne === 201, "an ExternalName Service may have a selector all the same");
    expect(codes.without, "the answer to an ExternalName Service without a selector").toBe(201);
    expect(
      [externalName.without, externalName.withOne].map(({ records }) => records.map(({ data }) => data)),
      "where an ExternalName Service leads without a selector, and with one",
    ).toEqual([[`${target}.`], [`${target}.`]]);
  },
  control: ofTypeClusterIP("with-selector"),
});

claim("externalname-selects-no-pods", {
  slow: true,
  observe: async (lab) => {
    const name = "selecting";
    const servers = ["server-1", "server-2"];
    // Somebody may have the external name, and answer as no server of the suite's does.
    const ask = async (timeout: number) => {
      const { body, ...asked } = await request(lab.pod("client-1"), `http://${name}/hostname`, timeout);
      return { ...asked, pod: servers.find((server) => server === body.trim()) ?? null };
    };
    const selector = { app: "server" };
    const ports = webPorts;
    const object = lab.objects.service(name, { type: "ExternalName", externalName: target, selector });
    await lab.api.create("an ExternalName Service with a selector", object);
    await lab.services.create("selecting-beside", { selector, ports });
    const beside = await lab.until(
      "endpoints of the ClusterIP Service beside it",
      () => lab.services.endpointsOf("selecting-beside"),
      (found) => found.length > 0,
    );
    await lab.window("no endpoints of the ExternalName Service");
    const asExternalName = {
      record: await cnameOf(lab, name),
      endpoints: await lab.services.endpointsOf(name),
      asked: await ask(lab.timeouts.silence),
    };
    await lab.api.patch("make it a ClusterIP Service", object, {
      spec: { type: "ClusterIP", externalName: null, ports },
    });
    return {
      beside,
      // Until 1.26 the controller made EndpointSlices for it all the same, which nothing used (kubernetes/kubernetes#105986).
      leftAlone: semver.gte(lab.world.kubernetes, "1.27.0"),
      asExternalName,
      asClusterIP: await lab.until(
        "a pod's answer at its name",
        () => ask(lab.timeouts.attempt),
        ({ pod }) => pod !== null,
        lab.timeouts.podsReady,
      ),
    };
  },
  judge: ({ beside, leftAlone, asExternalName, asClusterIP }) => {
    positiveControl(beside.length > 0, "a ClusterIP Service with the same selector has pods for endpoints");
    positiveControl(answered(asClusterIP), "once it is a ClusterIP Service pods answer at its name");
    expect(
      asExternalName.record.records.map(({ data }) => data),
      `what ${asExternalName.record.name} leads to, though its selector fits pods`,
    ).toEqual([`${target}.`]);
    expect(asExternalName.asked.pod ?? "no pod", "who answers at its name").toBe("no pod");
    if (leftAlone) expect(asExternalName.endpoints, "its endpoints").toEqual([]);
  },
  control: ofTypeClusterIP("selecting"),
});

claim("printed-externalname-service", {
  observe: async (lab) => {
    const namespace = await lab.ownNamespace("printed-external");
    const { code } = await lab.api.tryCreate(
      "the article's Service",
      printedObject("my-externalname-service", namespace),
    );
    const { spec } = await lab.services.get("my-externalname-service", { title: "what was stored", namespace });
    return {
      code,
      stored: { type: spec.type, externalName: spec.externalName, ports: spec.ports?.length ?? 0 },
      record: await cnameOf(lab, "my-externalname-service", namespace),
    };
  },
  judge: ({ code, stored, record }) => {
    expect(code, "the answer to the article's manifest").toBe(201);
    expect(stored, "what was stored").toEqual({ type: "ExternalName", externalName: target, ports: 0 });
    expect(
      record.records.map(({ type, data }) => `${type} ${data}`),
      `the records of ${record.name}`,
    ).toEqual([`CNAME ${target}.`]);
  },
  control: addressInsteadOfCname,
});

claim("externalname-brings-an-external-service-in", {
  slow: true,
  observe: async (lab) => {
    const alias = `db-${randomBytes(3).toString("hex")}.example.test`;
    const token = randomBytes(8).toString("hex");
    const options = { network: lab.world.network, alias };
    const server = await lab.engine.start("a database outside of the cluster", options);
    // What every node image has that can serve: kubectl hands out files, and asks no API server for that.
    const serve =
      'mkdir -p /srv/db && printf %s "$0" >/srv/db/token && exec kubectl proxy --server=http://127.0.0.1:1 --address= --port=5432 --accept-hosts=. --www=/srv/db --www-prefix=/db/';
    await lab.engine.startInside(server, "it listens on port 5432", ["sh", "-c", serve, token]);
    const address = await lab.engine.addressOf("its addresses", server, lab.family);
    await lab.services.create("external-database", { type: "ExternalName", externalName: alias });
    await lab.services.create("external-nobody", { type: "ExternalName", externalName: `no-${alias}` });
    const read = async (host: string, timeout: number) => {
      const { outcome, body } = await request(lab.pod("client-1"), `http://${host}/db/token`, timeout);
      return { outcome, body: body.trim() };
    };
    const byAddress = await lab.until(
      "the database to answer at its address",
      () => read(hostPort(address, 5432), lab.timeouts.attempt),
      answered,
    );
    const byTarget = await lab.until("and at its own name", () => read(`${alias}:5432`, lab.timeouts.answer), answered);
    const ask = (service: string) => read(`${service}.${lab.namespace}:5432`, lab.timeouts.answer);
    return {
      ...{ token, byAddress, byTarget },
      answer: await lab.eventually(
        () => ask("external-database"),
        ({ body }) => body === token,
        uncached(lab),
      ),
      nobody: await ask("external-nobody"),
    };
  },
  judge: ({ token, byAddress, byTarget, answer, nobody }) => {
    positiveControl(byAddress.body === token, "a pod reads from the external database by its address");
    positiveControl(byTarget.body === token, "and by its own name, which the cluster's DNS finds out for it");
    positiveControl(!answered(nobody), "where the name does not exist nothing answers");
    expect(answer.body, "what a pod reads from the external database, by the Service's name").toBe(token);
  },
  control: live("the Service is mapped to another name", (lab) =>
    mutate.service(lab, "external-database", patch.replace("/spec/externalName", "another.example.test")),
  ),
});
