import { expect } from "vitest";
import { mutate, storeOtherwise } from "../../helpers/changes/admission.ts";
import { patch } from "../../helpers/changes/json-patch.ts";
import { wrapProgram } from "../../helpers/changes/nodes.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { whoAnswers } from "../../helpers/lab/ask.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import { leadsTo } from "../../helpers/lab/objects.ts";
import { nameOf } from "../../helpers/lab/pods.ts";
import { live } from "../../helpers/lab/spec.ts";
import { type KubernetesObject, refusalOf } from "../../helpers/probe/api.ts";
import { hostPort } from "../../helpers/probe/http.ts";
import { addressAt, contains } from "../../helpers/probe/ip.ts";
import { outputOf } from "../../helpers/probe/peer.ts";
import { claim } from "./article.ts";

const networking = "/apis/networking.k8s.io/v1";

interface IpAddress {
  readonly spec?: {
    readonly parentRef?: { readonly resource: string; readonly namespace: string; readonly name: string };
  };
}

claim("cluster-ip-is-an-ipaddress", {
  observe: async (lab) => {
    const service = await lab.services.create("has-ipaddress", leadsTo({ app: "server" }));
    const addresses = service.spec.clusterIPs ?? [];
    const look = (address: string) => lab.api.request("the IPAddress", "GET", `${networking}/ipaddresses/${address}`);
    const found = await Promise.all(
      addresses.map(async (address) => {
        const { code, body } = await look(address);
        return { address, code, parent: (body as IpAddress).spec?.parentRef ?? null };
      }),
    );
    await lab.api.delete("delete the Service", lab.objects.service(service.name, {}));
    const left = await lab.eventually(
      async () => Promise.all(addresses.map(async (address) => (await look(address)).code)),
      (codes) => codes.every((code) => code === 404),
    );
    return { parent: { resource: "services", namespace: service.namespace, name: service.name }, found, left };
  },
  judge: ({ parent, found, left }) => {
    positiveControl(found.length > 0, "the Service has a cluster IP");
    for (const { address, code, parent: named } of found) {
      expect(code, `the HTTP status for the IPAddress ${address}`).toBe(200);
      expect(named, `whom the IPAddress ${address} names`).toEqual(parent);
    }
    for (const code of left) expect(code, "the HTTP status for its IPAddress, once the Service is deleted").toBe(404);
  },
  control: live("the cluster IP of the Service is written down as another's", async (lab) => {
    const address = addressAt(lab.ofFamily(lab.world.serviceSubnets), 55);
    await mutate.service(lab, "has-ipaddress", patch.add("/spec/clusterIP", address));
    await storeOtherwise(
      lab,
      { kind: "IPAddress", name: address },
      patch.add("/spec/parentRef", { resource: "services", namespace: lab.namespace, name: "another" }),
    );
  }),
});

/** The range that a claim adds, and the one that a control does. */
const [further, another] = ["further", "not-kubernetes"];

interface Range extends KubernetesObject {
  readonly spec: { readonly cidrs: readonly string[] };
}

function serviceCidr(name: string, cidr: string): Range {
  return { apiVersion: "networking.k8s.io/v1", kind: "ServiceCIDR", metadata: { name }, spec: { cidrs: [cidr] } };
}

/** Asks for a Service with that cluster IP. */
async function ask(lab: Lab, name: string, clusterIP: string) {
  const service = lab.objects.service(name, { clusterIP, ...leadsTo({ app: "server" }) });
  const answer = await lab.api.tryCreate(`a Service that asks for ${clusterIP}`, service);
  return { code: answer.code, message: refusalOf(answer) };
}

claim("service-range-is-a-servicecidr", {
  observe: async (lab) => {
    const get = (title: string, path: string) => lab.api.request(title, "GET", `${networking}/servicecidrs${path}`);
    const one = await get("the ServiceCIDR kubernetes", "/kubernetes");
    const { spec, metadata } = one.body as Partial<Range>;
    const { body: status } = await get("the same at status", "/kubernetes/status");
    const { kind, apiVersion, metadata: same } = status as Partial<Range>;
    const watched = await get("a watch of them", "?watch=true&timeoutSeconds=1");
    const { clusterIP } = await lab.services.create("in-the-range", leadsTo({ app: "server" }));
    const { items = [] } = (await get("all ServiceCIDRs", "")).body as { items?: Range[] };
    // Others' ranges may be there, that of the claim below too, and give addresses to anybody; but not what the control adds.
    const beside = items
      .filter((range) => !["kubernetes", another].includes(nameOf(range)))
      .flatMap((range) => range.spec.cidrs);
    return {
      code: one.code,
      cidrs: spec?.cidrs ?? [],
      made: lab.world.serviceSubnets,
      status: { kind: `${apiVersion} ${kind}`, same: metadata !== undefined && same?.["uid"] === metadata["uid"] },
      listed: items.map(nameOf),
      watched: watched.code,
      clusterIP,
      beside,
    };
  },
  judge: ({ code, cidrs, made, status, listed, watched, clusterIP, beside }) => {
    expect(code, "the HTTP status for the ServiceCIDR kubernetes").toBe(200);
    expect(cidrs, "the range in it, and the one with which the cluster was made").toEqual(made);
    expect(status, "the same at status").toEqual({ kind: "networking.k8s.io/v1 ServiceCIDR", same: true });
    expect(listed, "ServiceCIDRs in the list").toContain("kubernetes");
    expect(watched, "the HTTP status for a watch of them").toBe(200);
    expect(
      contains([...cidrs, ...beside], clusterIP),
      `${clusterIP}, the cluster IP of a new Service, is in ${cidrs.join(" or ")}`,
    ).toBe(true);
  },
  control: live(
    "the Service is given an address of another range",
    async (lab) => {
      const { cidr, address } = beyond(lab, 16);
      await lab.api.create("another range", serviceCidr(another, cidr));
      await lab.until(
        "the API server to give addresses of the range",
        () => ask(lab, "of-another-range", address),
        ({ code }) => code === 201,
      );
      await lab.api.delete("leave the address", lab.objects.service("of-another-range", {}));
      await mutate.service(lab, "in-the-range", patch.add("/spec/clusterIP", address));
    },
    // Any Service may be given an address of it.
    { alone: true },
  ),
});

/**
 * Returns a range for documentation (RFC 5737, RFC 3849) that is as small as can be, with the addresses in it that a Service may
 * be given: of IPv4 neither the first nor the last.
 */
function beyond(lab: Lab, offset: number): { cidr: string; address: string; others: string[] } {
  if (lab.family === "ipv6")
    return { cidr: `2001:db8:cb00::${offset}/127`, address: `2001:db8:cb00::${offset + 1}`, others: [] };
  const at = (index: number) => `203.0.113.${offset + index}`;
  return { cidr: `${at(0)}/29`, address: at(1), others: [2, 3, 4, 5, 6].map(at) };
}

claim("further-servicecidr-adds-addresses", {
  slow: true,
  observe: async (lab) => {
    const { cidr, address, others } = beyond(lab, 8);
    const before = await ask(lab, "before-the-range", address);
    // Nobody else's Service is to be given an address of it.
    const reserved = [address, ...others].map((name) => ({
      ...{ apiVersion: "networking.k8s.io/v1", kind: "IPAddress", metadata: { name } },
      spec: { parentRef: { group: "example.test", resource: "reservations", name: "reserved" } },
    }));
    for (const each of reserved) await lab.api.tryCreate("reserve an address", each);
    const range = await lab.api.tryCreate("a further range", serviceCidr(further, cidr));
    const added = { code: range.code, message: refusalOf(range) };
    if (added.code !== 201) return { before, added, given: null, answers: [] };
    await lab.eventually(
      () => ask(lab, "in-the-further-range", address),
      ({ message }) => message.includes("already allocated"),
    );
    let given = { code: 0, message: "", address };
    for (const each of reserved) {
      await lab.api.delete("give an address up", each);
      given = { ...(await ask(lab, "in-the-further-range", each.metadata.name)), address: each.metadata.name };
      // Somebody else's Service may have been quicker.
      if (!given.message.includes("already allocated")) break;
    }
    const clients = given.code === 201 ? [lab.pod("client-1"), lab.pod("client-2")] : [];
    const answers = await Promise.all(clients.map((client) => whoAnswers(lab, client, hostPort(given.address, 80))));
    return { before, added, given, answers };
  },
  judge: ({ before, added, given, answers }) => {
    positiveControl(before.code === 422, "the address is given to no Service before the range is there");
    expect(added.code, `the HTTP status for the ServiceCIDR: ${added.code} ${added.message}`).toBe(201);
    expect(given?.code, `the HTTP status for a Service that asks for its address: ${given?.message}`).toBe(201);
    expect(answers.length, "clients that asked there").toBe(2);
    for (const { from, to, outcome, pod } of answers) {
      expect(outcome, `http://${to}, asked from ${from}`).toBe("answered");
      expect(["server-1", "server-2"], `who answers at ${to}`).toContain(pod);
    }
  },
  control: live("the ServiceCIDR is stored with another range", (lab) =>
    storeOtherwise(
      lab,
      { kind: "ServiceCIDR", name: further },
      patch.add("/spec/cidrs", [lab.family === "ipv6" ? "2001:db8:cb01::/127" : "198.51.100.8/32"]),
    ),
  ),
});

claim("leading-zeros-may-be-octal", {
  observe: async (lab) => {
    const read = async (address: string) =>
      (await outputOf(lab.pod("client-1"), `what is ${address}`, ["ipcalc", "-n", `${address}/32`])).trim();
    return { plain: await read("10.0.0.5"), zero: await read("010.0.0.5") };
  },
  judge: ({ plain, zero }) => {
    positiveControl(plain === "NETWORK=10.0.0.5", "ipcalc reads 10.0.0.5 as it stands");
    expect(zero, "what ipcalc reads 010.0.0.5 as").toBe("NETWORK=8.0.0.5");
  },
  control: live("ipcalc leaves out leading zeros", (lab) =>
    wrapProgram(lab, lab.pod("client-1"), "ipcalc", () => ['exec busybox ipcalc "$1" "${2#0}"']),
  ),
});
