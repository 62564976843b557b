import { isIP } from "node:net";
import type { V1Service } from "@kubernetes/client-node";
import { expect } from "vitest";
import { answerWithAddress, editFile } from "../../helpers/changes/nodes.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { answered, uncached } from "../../helpers/lab/ask.ts";
import { namespaceLabel } from "../../helpers/lab/cast.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import { leadsTo } from "../../helpers/lab/objects.ts";
import { live } from "../../helpers/lab/spec.ts";
import { lookUp, type RecordType } from "../../helpers/probe/dns.ts";
import { type Meeting, meet } from "../../helpers/probe/http.ts";
import { ipFamilyOf, reverseName } from "../../helpers/probe/ip.ts";
import { outputOf, type Peer } from "../../helpers/probe/peer.ts";
import { claim } from "./article.ts";
import { articleNamespace } from "./walkthrough.ts";

const otherAddresses = live(
  "CoreDNS answers for some Services with another address than theirs",
  (lab) => answerWithAddress(lab, "web", "headless"),
  { alone: true },
);

claim("dns-record-for-each-service", {
  observe: async (lab) => {
    const type = lab.addressRecord;
    const client = lab.pod("client-1");
    const fullName = ({ metadata }: Pick<V1Service, "metadata">) =>
      `${metadata?.name}.${metadata?.namespace}.svc.${lab.world.dnsDomain}`;
    const services = () => lab.api.list("all Services of the cluster", "Service");
    const fresh = await lab.services.create("fresh", leadsTo({ app: "server" }));
    await lab.services.create("fresh-headless", { clusterIP: "None", ...leadsTo({ app: "server" }) });
    await lab.until(
      "endpoints of the headless Service",
      () => lab.services.endpointsOf("fresh-headless"),
      (found) => found.length > 0,
    );
    const all = await services();
    // Other checks, and the article's lab, make Services of their own meanwhile; the cast's and the cluster's stay.
    const made = await lab.api.list("namespaces that the suite made", "Namespace", {
      labels: { [namespaceLabel]: "" },
    });
    const passing = new Set([articleNamespace, ...made.map(({ metadata }) => metadata?.name)]);
    const staying = new Set([
      `${articleNamespace}/kubernetes`,
      ...["web", "web-by-route", "web-nodeport", "database", "fresh", "fresh-headless"].map(
        (name) => `${lab.namespace}/${name}`,
      ),
    ]);
    const lasting = all.filter(
      ({ metadata }) => !passing.has(metadata?.namespace) || staying.has(`${metadata?.namespace}/${metadata?.name}`),
    );
    const known = async (service: V1Service) => {
      const look = async () =>
        Promise.all(
          (await wantedFor(lab, service)).map(async (wanted) => {
            const { records } = await lookUp(client, fullName(service), wanted.type);
            return { ...wanted, found: records.filter((each) => each.type === wanted.type).map(({ data }) => data) };
          }),
        );
      return {
        name: fullName(service),
        records: await lab.eventually(look, (records) => records.every(isThere), uncached(lab)),
      };
    };
    const asked = await Promise.all(
      lasting.map(async (service) => ({ uid: service.metadata?.uid, ...(await known(service)) })),
    );
    // Whose Service is gone by now had every right to have no record.
    const left = new Set((await services()).map(({ metadata }) => metadata?.uid));
    return {
      nobody: await lookUp(client, `nobody.${lab.namespace}.svc.${lab.world.dnsDomain}`, type),
      fresh: fullName({ metadata: fresh }),
      services: asked.filter(({ uid }) => left.has(uid)).map(({ name, records }) => ({ name, records })),
    };
  },
  judge: ({ nobody, fresh, services }) => {
    positiveControl(nobody.status === "NXDOMAIN", "a name without a Service has no record, and the DNS server says so");
    positiveControl(
      services.some(({ name }) => name === fresh),
      "a Service that was made a moment ago is among them",
    );
    const without = services.flatMap(({ name, records }) =>
      records
        .filter((record) => !isThere(record))
        .map(({ type, address = "any", found }) => `${name}: ${type} ${address}, found ${found.join(" ") || "none"}`),
    );
    expect(without, "Services that DNS does not know").toEqual([]);
  },
  control: otherAddresses,
});

const addressRecords = { ipv4: "A", ipv6: "AAAA" } as const;

/** How DNS has to know a Service: by a record of that type, with that address where it is known beforehand. */
interface Wanted {
  readonly type: RecordType;
  readonly address?: string;
}

/** Returns how DNS has to know a Service; a headless one is known by its ready endpoints, and unknown where it has none. */
async function wantedFor(lab: Lab, { metadata, spec }: V1Service): Promise<Wanted[]> {
  if (spec?.type === "ExternalName") return isIP(spec.externalName ?? "") === 0 ? [{ type: "CNAME" }] : [];
  const addresses = spec?.clusterIPs ?? [];
  if (!addresses.includes("None"))
    return addresses.map((address) => ({ type: addressRecords[ipFamilyOf(address)], address }));
  const { name = "", namespace = "" } = metadata ?? {};
  const slices = await lab.services.slicesOf(name, namespace);
  const ready = slices.filter(({ endpoints }) =>
    (endpoints ?? []).some(({ conditions }) => conditions?.ready !== false),
  );
  const families = new Set(ready.map(({ addressType }) => addressType));
  return [
    ...(families.has("IPv4") ? [{ type: "A" } as const] : []),
    ...(families.has("IPv6") ? [{ type: "AAAA" } as const] : []),
  ];
}

function isThere({ address, found }: Wanted & { readonly found: readonly string[] }): boolean {
  return address === undefined ? found.length > 0 : found.join() === address;
}

claim("dns-has-srv-and-ptr-records", {
  observe: async (lab) => {
    const ports = [{ name: "http", port: 80, targetPort: 8080 }];
    const named = await lab.services.create("named-port", { selector: { app: "server" }, ports });
    await lab.services.create("headless", { clusterIP: "None", selector: { app: "server" }, ports });
    const { clusterIP } = named;
    const client = lab.pod("client-1");
    const suffix = `${lab.namespace}.svc.${lab.world.dnsDomain}`;
    const found = (name: string, type: RecordType) =>
      lab.eventually(
        () => lookUp(client, name, type),
        ({ records }) => records.length > 0,
        uncached(lab),
      );
    return {
      clusterIP,
      pods: [lab.pod("server-1").address, lab.pod("server-2").address],
      suffix,
      srv: await found(`_http._tcp.named-port.${suffix}`, "SRV"),
      unnamed: await lookUp(client, `_other._tcp.named-port.${suffix}`, "SRV"),
      ptr: await found(reverseName(clusterIP), "PTR"),
      headless: await lab.eventually(
        () => lookUp(client, `headless.${suffix}`, lab.addressRecord),
        ({ records }) => records.length === 2,
        uncached(lab),
      ),
    };
  },
  judge: ({ clusterIP, pods, suffix, srv, unnamed, ptr, headless }) => {
    positiveControl(unnamed.status === "NXDOMAIN", "a port that the Service does not name has no record");
    // Priority and weight come first (RFC 2782), and are the server's choice.
    expect(srv.records[0]?.data.split(" ").slice(2), "SRV: port and name").toEqual(["80", `named-port.${suffix}.`]);
    expect(ptr.records[0]?.data, `PTR of ${clusterIP}`).toBe(`named-port.${suffix}.`);
    expect(headless.records.map(({ data }) => data).toSorted(), "addresses of a headless Service: its pods").toEqual(
      pods.toSorted(),
    );
  },
  control: otherAddresses,
});

claim("dns-full-name", {
  observe: async (lab) => {
    const name = `web.${lab.namespace}.svc.cluster.local`;
    return {
      servers: ["server-1", "server-2"],
      sameNamespace: await whoAnswersAt(lab, lab.pod("client-1"), name),
      otherNamespace: await whoAnswersAt(lab, lab.pod("client-elsewhere"), name),
      noSuchService: await lookUp(lab.pod("client-1"), `nobody.${lab.namespace}.svc.cluster.local`, lab.addressRecord),
    };
  },
  judge: ({ servers, sameNamespace, otherNamespace, noSuchService }) => {
    positiveControl(
      noSuchService.status === "NXDOMAIN",
      "the DNS server answers, and knows no Service that is not there",
    );
    for (const { to, from, outcome, pod } of [sameNamespace, otherNamespace]) {
      expect(outcome, `http://${to}, asked from ${from}`).toBe("answered");
      expect(servers, `who answers at ${to}, one of the Service's pods`).toContain(pod);
    }
  },
  control: otherAddresses,
});

/**
 * Returns who answers at a full name: CoreDNS may hear of a new Service only once its watch has begun again. One request is given
 * as long as all: the name has fewer dots than `ndots`, so that search domains of the machine's come first, which a name server
 * outside may be slow about.
 */
async function whoAnswersAt(lab: Lab, peer: Peer, name: string): Promise<Meeting> {
  return lab.eventually(() => meet(peer, name, lab.timeouts.claimed), answered);
}

claim("pods-use-the-full-name", {
  slow: true,
  observe: async (lab) => {
    const name = `web.${lab.namespace}.svc.${lab.world.dnsDomain}`;
    const onTheHost = await lab.pods.start(
      lab.objects.clientPod("host-asks-cluster", {
        hostNetwork: true,
        dnsPolicy: "ClusterFirstWithHostNet",
        nodeName: lab.worker(0).name,
      }),
    );
    const ask = (peer: Peer) => whoAnswersAt(lab, peer, name);
    return {
      noSuchService: await lookUp(
        lab.pod("client-1"),
        `nobody.${lab.namespace}.svc.${lab.world.dnsDomain}`,
        lab.addressRecord,
      ),
      servers: ["server-1", "server-2"],
      answers: await Promise.all([
        ask(lab.pod("client-1")),
        ask(lab.pod("client-2")),
        ask(lab.pod("client-elsewhere")),
        ask(onTheHost),
      ]),
      // What a pod on the host's network asks when it is told nothing: evidence for the note.
      ofAPodOnTheHost: await outputOf(lab.pod("host-1"), "its resolver configuration", ["cat", "/etc/resolv.conf"]),
    };
  },
  judge: ({ noSuchService, servers, answers }) => {
    positiveControl(noSuchService.status === "NXDOMAIN", "DNS knows no Service that is not there");
    for (const { to, from, outcome, pod } of answers) {
      expect(outcome, `http://${to}, asked from ${from}`).toBe("answered");
      expect(servers, `who answers ${from} there, one of the Service's pods`).toContain(pod);
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
    const answerTo = (pod: string, name: string) =>
      lab.eventually(() => meet(lab.pod(pod), name, lab.timeouts.answer), answered);
    return {
      namespace: lab.namespace,
      otherNamespace: lab.otherNamespace,
      dnsDomain: lab.world.dnsDomain,
      searched: await searchOf("client-1"),
      searchedElsewhere: await searchOf("client-elsewhere"),
      servers: ["server-1", "server-2"],
      answer: await answerTo("client-1", "web"),
      // What the other pod's search list makes of the bare name; the bare name itself would go to a server outside.
      elsewhere: await lookUp(
        lab.pod("client-elsewhere"),
        `web.${lab.otherNamespace}.svc.${lab.world.dnsDomain}`,
        type,
      ),
      elsewhereQualified: await answerTo("client-elsewhere", `web.${lab.namespace}`),
    };
  },
  judge: ({
    namespace,
    otherNamespace,
    dnsDomain,
    searched,
    searchedElsewhere,
    servers,
    answer,
    elsewhere,
    elsewhereQualified,
  }) => {
    positiveControl(
      answered(elsewhereQualified),
      "a pod of another namespace is answered when it names the namespace too",
    );
    positiveControl(
      elsewhere.status === "NXDOMAIN" && !searchedElsewhere.includes(`${namespace}.svc.${dnsDomain}`),
      `a pod in ${otherNamespace} makes no name of the Service of the short one`,
    );
    expect(searched, `what a pod in ${namespace} completes names with`).toContain(`${namespace}.svc.${dnsDomain}`);
    expect(answer.outcome, `http://${answer.to}, asked from ${answer.from} in the Service's namespace`).toBe(
      "answered",
    );
    expect(servers, "who answers there, one of the Service's pods").toContain(answer.pod);
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
