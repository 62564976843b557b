import { expect } from "vitest";
import { rules } from "../../helpers/changes/iptables.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import { live } from "../../helpers/lab/spec.ts";
import { hostOf } from "../../helpers/probe/http.ts";
import { firstAddress } from "../../helpers/probe/ip.ts";
import { outputOf } from "../../helpers/probe/peer.ts";
import { claim } from "./article.ts";

claim("api-server-has-a-service", {
  observe: async (lab) => {
    const { clusterIP, spec } = await lab.services.get("kubernetes", { namespace: "default" });
    return { clusterIP, ports: (spec.ports ?? []).map(({ port }) => port), ranges: lab.world.serviceSubnets };
  },
  judge: ({ clusterIP, ports, ranges }) => {
    positiveControl(ranges.length > 0, "the Service range is known");
    expect(
      ranges.map(firstAddress),
      "the first address of each Service range, and the cluster IP of kubernetes",
    ).toContain(clusterIP);
    expect(ports, "its ports").toContain(443);
  },
  control: {
    name: "the Service has another address (the API server makes it again as it was, whoever changes it)",
    alter: (seen) => ({ ...seen, clusterIP: `${seen.clusterIP}0` }),
  },
});

const ca = "/tmp/cluster-ca.crt";
const host = "kubernetes.default.svc";

/** Returns how a pod is answered at the API server's Service, once it has checked the certificate for the Service's name. */
async function askedForItsVersion(lab: Lab, name: string, authority: string, address: string) {
  const pod = lab.pod(name);
  await outputOf(pod, "the cluster's authority", ["sh", "-c", 'printf %s "$1" > "$0"', ca, authority]);
  const resolve = ["--resolve", `${host}:443:${hostOf(address)}`];
  const command = ["--silent", "--show-error", "--noproxy", "*", "--max-time", String(lab.timeouts.answer / 1000)];
  const { exitCode, stdout, stderr } = await lab.eventually(
    () =>
      pod.run(`${name} → https://${host}`, ["curl", ...command, "--cacert", ca, ...resolve, `https://${host}/version`]),
    (ended) => ended.exitCode === 0,
  );
  return { pod: name, exitCode, stdout, stderr: stderr.trim() };
}

claim("pods-reach-the-api-server", {
  observe: async (lab) => {
    const { clusterIP } = await lab.services.get("kubernetes", { namespace: "default" });
    const { data } = await lab.api.get("the cluster's authority", "ConfigMap", "kube-root-ca.crt");
    const pods = ["client-1", "client-2", "client-elsewhere"];
    const answers = await Promise.all(
      pods.map((name) => askedForItsVersion(lab, name, data?.["ca.crt"] ?? "", clusterIP)),
    );
    return { address: clusterIP, answers };
  },
  judge: ({ address, answers }) => {
    for (const { pod, exitCode, stdout, stderr } of answers) {
      expect(exitCode, `curl's exit code for https://${host} at ${address}, asked from ${pod}: ${stderr}`).toBe(0);
      expect(stdout, `what the API server says to ${pod}`).toContain('"gitVersion"');
    }
  },
  control: live(
    "the node leads what a pod sends there to its kubelet, whose certificate is another",
    async (lab) => {
      const { clusterIP } = await lab.services.get("kubernetes", { namespace: "default" });
      const node = lab.worker(0);
      await rules(lab, node).redirect({ from: lab.pod("client-1").address, to: clusterIP, port: 443 }, node.on(10250));
    },
    { alone: true },
  ),
});

claim("endpoints-of-the-api-server", {
  observe: async (lab) => {
    const namespace = "default";
    const endpoints = await lab.api.get("the Endpoints object kubernetes", "Endpoints", "kubernetes", namespace);
    const subsets = endpoints.subsets ?? [];
    const type = lab.family === "ipv6" ? "IPv6" : "IPv4";
    const slices = (await lab.services.slicesOf("kubernetes", namespace)).filter(
      ({ addressType }) => addressType === type,
    );
    return {
      servers: lab.nodes
        .filter(({ role }) => role === "control-plane")
        .map(({ address }) => address)
        .toSorted(),
      endpoints: {
        addresses: inOrder(
          subsets.flatMap(({ addresses, notReadyAddresses }) =>
            [...(addresses ?? []), ...(notReadyAddresses ?? [])].map(({ ip }) => ip),
          ),
        ),
        ports: inOrder(subsets.flatMap(({ ports }) => (ports ?? []).map(({ port }) => String(port)))),
      },
      slices: {
        addresses: inOrder(slices.flatMap(({ endpoints: found }) => (found ?? []).flatMap((each) => each.addresses))),
        ports: inOrder(slices.flatMap(({ ports }) => (ports ?? []).map(({ port }) => String(port)))),
      },
    };
  },
  judge: ({ servers, endpoints, slices }) => {
    positiveControl(servers.length > 0, "the nodes on which API servers run are known");
    expect(endpoints.addresses, "addresses in the Endpoints object").toEqual(servers);
    expect(endpoints.ports.length, "ports in the Endpoints object").toBeGreaterThan(0);
    expect(slices.addresses, "addresses in the EndpointSlices").toEqual(endpoints.addresses);
    expect(slices.ports, "ports in the EndpointSlices").toEqual(endpoints.ports);
  },
  control: live("another EndpointSlice of the Service has another address, which is not ready", async (lab) => {
    const ipv6 = lab.family === "ipv6";
    await lab.api.create("another EndpointSlice", {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: {
        name: "another-api-server",
        namespace: "default",
        labels: { "kubernetes.io/service-name": "kubernetes" },
      },
      addressType: ipv6 ? "IPv6" : "IPv4",
      endpoints: [{ addresses: [ipv6 ? "2001:db8::1" : "192.0.2.1"], conditions: { ready: false } }],
      ports: [{ name: "https", port: 6443, protocol: "TCP" }],
    });
  }),
});

function inOrder(values: readonly string[]): string[] {
  return [...new Set(values)].toSorted();
}
