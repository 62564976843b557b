import { expect } from "vitest";
import { mutate } from "../../helpers/changes/admission.ts";
import { patch } from "../../helpers/changes/json-patch.ts";
import { answerWithAddress } from "../../helpers/changes/nodes.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { uncached } from "../../helpers/lab/ask.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import { live } from "../../helpers/lab/spec.ts";
import { lookUp } from "../../helpers/probe/dns.ts";
import type { Peer } from "../../helpers/probe/peer.ts";
import { claim } from "./article.ts";

claim("headless-srv-leads-to-single-pods", {
  observe: async (lab) => {
    const ports = [{ name: "http", port: 80, targetPort: 8080 }];
    await lab.services.create("single-pods", { clusterIP: "None", selector: { app: "server" }, ports });
    const client = lab.pod("client-1");
    const suffix = `${lab.namespace}.svc.${lab.world.dnsDomain}`;
    const upToSvc = `_http._tcp.single-pods.${lab.namespace}.svc`;
    const ways = [
      { name: `_http._tcp.single-pods.${suffix}`, over: "udp", search: false },
      { name: `_http._tcp.single-pods.${suffix}`, over: "tcp", search: false },
      { name: upToSvc, over: "udp", search: true },
      { name: upToSvc, over: "tcp", search: true },
    ] as const;
    const records = await lab.eventually(
      () => Promise.all(ways.map(({ name, ...way }) => recordsOf(client, name, way))),
      (found) => found.every((each) => each.length === 2),
      uncached(lab),
    );
    const names = [...new Set(records.flat().map(({ target }) => target))].toSorted();
    return {
      pods: [lab.pod("server-1").address, lab.pod("server-2").address],
      answers: ways.map(({ name, over }, index) => ({ name, over, records: records[index] ?? [] })),
      targets: await Promise.all(
        names.map(async (name) => {
          // One of several DNS servers may know it before the others.
          const ask = () => addressesOf(lab, client, name);
          return { name, addresses: await lab.eventually(ask, (found) => found.length > 0, uncached(lab)) };
        }),
      ),
      nobody: (await lookUp(client, `_other._tcp.single-pods.${suffix}`, "SRV")).status,
    };
  },
  judge: ({ pods, answers, targets, nobody }) => {
    positiveControl(nobody === "NXDOMAIN", "a port that the Service does not name has no record");
    for (const { name, over, records } of answers) {
      const way = `${name}, asked by ${over.toUpperCase()}`;
      expect(records.length, `SRV records of ${way}`).toBe(pods.length);
      for (const { port, target } of records) expect(port, `the port that ${way} tells for ${target}`).toBe(8080);
      expect(
        records.flatMap(({ target }) => targets.find((each) => each.name === target)?.addresses ?? []).toSorted(),
        `addresses to which the SRV records of ${way} lead`,
      ).toEqual(pods.toSorted());
    }
    for (const { name, addresses } of targets) expect(addresses.length, `pods that have the name ${name}`).toBe(1);
  },
  control: live(
    "CoreDNS answers with another address than a pod has by whose name the headless Service knows it",
    (lab) => answerWithAddress(lab, "[^.]+[.]single-pods"),
    { alone: true },
  ),
});

/** Returns port and name of each SRV record (RFC 2782: priority, weight, port, target). */
async function recordsOf(client: Peer, name: string, way: Parameters<typeof lookUp>[3]) {
  const { records } = await lookUp(client, name, "SRV", way);
  return records
    .filter(({ type }) => type === "SRV")
    .map(({ data }) => {
      const [, , port, target = ""] = data.split(" ");
      return { port: Number(port), target };
    });
}

async function addressesOf(lab: Lab, client: Peer, name: string): Promise<string[]> {
  const { records } = await lookUp(client, name, lab.addressRecord);
  return records.filter(({ type }) => type === lab.addressRecord).map(({ data }) => data);
}

claim("pod-finds-its-own-names", {
  slow: true,
  observe: async (lab) => {
    const labels = { app: "finds-itself" };
    const spec = { hostname: "self", subdomain: "finds-itself", containers: [lab.objects.clientContainer] };
    const pod = await lab.pods.start(lab.objects.serverPod("finds-itself", labels, spec));
    const full = `self.finds-itself.${lab.namespace}.svc.${lab.world.dnsDomain}`;
    const own = async () => ({ full: await addressFound(pod, full), hostname: await addressFound(pod, "self") });
    const withoutService = await own();
    await lab.services.create("finds-itself", { clusterIP: "None", selector: labels, ports: [{ port: 80 }] });
    await lab.eventually(
      () => addressesOf(lab, lab.pod("client-1"), full),
      (found) => found.length > 0,
      uncached(lab),
    );
    return {
      addresses: pod.addresses,
      withoutService,
      withService: await own(),
      // In full, so that no search domain of the machine's is asked for.
      nobody: await addressFound(pod, `nobody-has-this-name.${lab.namespace}.svc.${lab.world.dnsDomain}.`),
    };
  },
  judge: ({ addresses, withoutService, withService, nobody }) => {
    positiveControl(nobody === null, "a name that nobody has is not found");
    expect(addresses, "addresses of the pod, with that of its full name").toContain(withoutService.full);
    expect(addresses, "addresses of the pod, with that of its hostname").toContain(withoutService.hostname);
    expect(addresses, "the same for its full name once the headless Service is there").toContain(withService.full);
    expect(addresses, "the same for its hostname then").toContain(withService.hostname);
  },
  control: live("the pod is on its node's network, whose file it has", (lab) =>
    mutate.pod(lab, "finds-itself", patch.add("/spec/hostNetwork", true)),
  ),
});

/** Returns the address at which a program finds a name, by the system's own resolver as `getent hosts` does, or null. */
async function addressFound(peer: Peer, name: string): Promise<string | null> {
  const { stdout } = await peer.run(`where is ${name}`, ["ping", "-n", "-c", "1", "-W", "1", name]);
  return /^PING .*?\(([\da-f.:]+)\)/m.exec(stdout)?.[1] ?? null;
}
