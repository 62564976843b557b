import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import type { V1Service } from "@kubernetes/client-node";
import semver from "semver";
import { expect } from "vitest";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { answerWithAddress, storeOtherwise } from "../../helpers/lab/changes.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import { live } from "../../helpers/lab/spec.ts";
import { lookUp } from "../../helpers/probe/dns.ts";
import { hostPort, meet, request } from "../../helpers/probe/http.ts";
import { ipFamilyOf } from "../../helpers/probe/ip.ts";
import { outputOf } from "../../helpers/probe/peer.ts";
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
    storeOtherwise(
      lab,
      { kind: "Service", name },
      "JSONPatch{op: 'replace', path: '/spec/type', value: 'ClusterIP'}",
      "JSONPatch{op: 'remove', path: '/spec/externalName'}",
      "JSONPatch{op: 'add', path: '/spec/ports', value: [{'port': 80, 'targetPort': 8080}]}",
    ),
  );
}

/** Asks for the CNAME record of a new Service until there is one; where names are cached, one asked for too early is unknown for half a minute. */
async function cnameOf(lab: Lab, service: string, namespace = lab.namespace) {
  const name = `${service}.${namespace}.svc.${lab.world.dnsDomain}`;
  return lab.eventually(
    () => lookUp(lab.pod("client-1"), name, "CNAME"),
    ({ records }) => records.length > 0,
    lab.timeouts.claimed + lab.timeouts.propagation,
  );
}

claim("externalname-maps-to-a-dns-name", {
  observe: async (lab) => {
    const suffix = `${lab.namespace}.svc.${lab.world.dnsDomain}`;
    // Names of the cluster's own: every cluster's DNS knows them, wherever it asks about others.
    const [first, second] = [`web.${suffix}`, `web-by-route.${suffix}`];
    const service = lab.serviceObject("mapped", { type: "ExternalName", externalName: first });
    await lab.create("a Service that is mapped to a name", service);
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
        lab.timeouts.claimed + lab.timeouts.propagation,
      );
      return { name, wanted, found };
    };
    const before = await mappedTo(first);
    await lab.patch("map it to another name", service, { spec: { externalName: second } });
    return {
      columns: await lab.columns(
        "the cast's Service, as kubectl get prints it",
        `/api/v1/namespaces/${lab.namespace}/services/database`,
      ),
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
    const path = `/api/v1/namespaces/${lab.namespace}/services`;
    await lab.service("unnumbered", { type: "ExternalName", externalName: target });
    const { spec } = await lab.serviceOfCast("unnumbered");
    const columns = await lab.columns("the Service, as kubectl get prints it", `${path}/unnumbered`);
    const beside = await lab.serviceOfCast("web");
    return {
      clusterIPs: [spec?.clusterIP ?? [], spec?.clusterIPs ?? []].flat().filter((address) => address !== ""),
      printed: columns["CLUSTER-IP"],
      besideIt: beside.spec?.clusterIP ?? "",
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
    const ports = [{ port: 80, targetPort: 8080 }];
    const externalName = { type: "ExternalName", externalName: target };
    const create = (name: string, spec: Readonly<Record<string, unknown>>) =>
      lab.tryCreate(name, lab.serviceObject(name, spec));
    const codes = {
      without: (await create("without-selector", externalName)).code,
      // The API server takes a selector, and has nothing to do with it.
      withOne: (await create("with-selector", { ...externalName, selector })).code,
    };
    const numberedWithout = await lab.service("numbered-without-selector", { ports });
    const numbered = await lab.service("numbered-with-selector", { selector, ports });
    const ask = ({ spec }: V1Service, timeout: number) =>
      meet(lab.pod("client-1"), hostPort(spec?.clusterIP ?? "", 80), timeout);
    const answered = await lab.until(
      "the ClusterIP Service to answer",
      () => ask(numbered, lab.timeouts.attempt),
      ({ outcome }) => outcome === "answered",
    );
    return {
      codes,
      clusterIP: { without: await ask(numberedWithout, lab.timeouts.silence), withOne: answered },
      externalName: { without: await cnameOf(lab, "without-selector"), withOne: await cnameOf(lab, "with-selector") },
    };
  },
  judge: ({ codes, clusterIP, externalName }) => {
    positiveControl(
      clusterIP.withOne.outcome === "answered" && clusterIP.without.outcome !== "answered",
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
    const ports = [{ port: 80, targetPort: 8080 }];
    const object = lab.serviceObject(name, { type: "ExternalName", externalName: target, selector });
    await lab.create("an ExternalName Service with a selector", object);
    await lab.service("selecting-beside", { selector, ports });
    const beside = await lab.until(
      "endpoints of the ClusterIP Service beside it",
      () => lab.endpointsOf("selecting-beside"),
      (found) => found.length > 0,
    );
    await delay(lab.timeouts.window);
    const asExternalName = {
      record: await cnameOf(lab, name),
      endpoints: await lab.endpointsOf(name),
      asked: await ask(lab.timeouts.silence),
    };
    await lab.patch("make it a ClusterIP Service", object, { spec: { type: "ClusterIP", externalName: null, ports } });
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
    positiveControl(asClusterIP.outcome === "answered", "once it is a ClusterIP Service pods answer at its name");
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
    const { code } = await lab.tryCreate("the article's Service", printedObject("154-160", namespace));
    const { spec } = await lab.get<V1Service>(
      "what was stored",
      `/api/v1/namespaces/${namespace}/services/my-externalname-service`,
    );
    return {
      code,
      stored: { type: spec?.type, externalName: spec?.externalName, ports: spec?.ports?.length ?? 0 },
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
    const options = ["--network", lab.world.network, "--network-alias", alias];
    const server = await lab.container("a database outside of the cluster", ...options);
    // What every node image has that can serve: kubectl hands out files, and asks no API server for that.
    const serve =
      'mkdir -p /srv/db && printf %s "$0" >/srv/db/token && exec kubectl proxy --server=http://127.0.0.1:1 --address= --port=5432 --accept-hosts=. --www=/srv/db --www-prefix=/db/';
    await outputOf(lab.containerEngine, "it listens on port 5432", [
      ...["exec", "--detach", server],
      ...["sh", "-c", serve, token],
    ]);
    const format = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.GlobalIPv6Address}}{{end}}";
    const addresses = await outputOf(lab.containerEngine, "its addresses", ["inspect", "--format", format, server]);
    const address = addresses.split(/\s+/).find((each) => each !== "" && ipFamilyOf(each) === lab.family) ?? "";
    await lab.service("external-database", { type: "ExternalName", externalName: alias });
    await lab.service("external-nobody", { type: "ExternalName", externalName: `no-${alias}` });
    const read = async (host: string, timeout: number) => {
      const { outcome, body } = await request(lab.pod("client-1"), `http://${host}/db/token`, timeout);
      return { outcome, body: body.trim() };
    };
    const byAddress = await lab.until(
      "the database to answer at its address",
      () => read(hostPort(address, 5432), lab.timeouts.attempt),
      ({ outcome }) => outcome === "answered",
    );
    const byTarget = await lab.until(
      "and at its own name",
      () => read(`${alias}:5432`, lab.timeouts.answer),
      ({ outcome }) => outcome === "answered",
    );
    const ask = (service: string) => read(`${service}.${lab.namespace}:5432`, lab.timeouts.answer);
    return {
      ...{ token, byAddress, byTarget },
      answer: await lab.eventually(
        () => ask("external-database"),
        ({ body }) => body === token,
        lab.timeouts.claimed + lab.timeouts.propagation,
      ),
      nobody: await ask("external-nobody"),
    };
  },
  judge: ({ token, byAddress, byTarget, answer, nobody }) => {
    positiveControl(byAddress.body === token, "a pod reads from the external database by its address");
    positiveControl(byTarget.body === token, "and by its own name, which the cluster's DNS finds out for it");
    positiveControl(nobody.outcome !== "answered", "where the name does not exist nothing answers");
    expect(answer.body, "what a pod reads from the external database, by the Service's name").toBe(token);
  },
  control: live("the Service is mapped to another name", (lab) =>
    storeOtherwise(
      lab,
      { kind: "Service", name: "external-database" },
      "JSONPatch{op: 'replace', path: '/spec/externalName', value: 'another.example.test'}",
    ),
  ),
});
