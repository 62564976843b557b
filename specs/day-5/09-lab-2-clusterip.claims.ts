import type { V1Pod } from "@kubernetes/client-node";
import ipaddr from "ipaddr.js";
import { expect } from "vitest";
import { rowsOf } from "../../helpers/article/printed.ts";
import { mutate, storeOtherwise } from "../../helpers/changes/admission.ts";
import { patch } from "../../helpers/changes/json-patch.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { namespaceLabel } from "../../helpers/lab/cast.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import { live } from "../../helpers/lab/spec.ts";
import { lastAddresses } from "../../helpers/probe/ip.ts";
import { titleOf } from "../../helpers/walkthrough/walkthrough.ts";
import { claim, printed } from "./article.ts";
import { labService, lane, otherPorts, refused, welcome } from "./lab-changes.ts";
import { articleNamespace, walk } from "./walkthrough.ts";

claim("apply-creates-the-clusterip-service", {
  observe: (lab) => walk(lab, "create the ClusterIP Service"),
  judge: ({ exitCode, stdout, stderr, typed }) => {
    expect(exitCode, `exit code of ${typed}: ${stderr}`).toBe(0);
    expect(stdout.trim(), "what it said").toBe("service/web-clusterip created");
  },
  control: refused,
});

claim("sample-of-get-svc", {
  observe: (lab) => walk(lab, "look at the ClusterIP Service"),
  judge: ({ stdout, typed }) => {
    const [header, row] = rowsOf(stdout);
    const { rows, compared } = printed.step("look at the ClusterIP Service").sample();
    expect(header, `columns of ${typed}`).toEqual(rows[0]);
    expect(compared(row), "NAME, TYPE, EXTERNAL-IP and PORT(S)").toEqual(compared(rows[1]));
  },
  control: otherPorts,
});

function isIn(address: string, subnet: string): boolean {
  if (!ipaddr.isValid(address) || !ipaddr.isValidCIDR(subnet)) return false;
  const [parsed, range] = [ipaddr.parse(address), ipaddr.parseCIDR(subnet)];
  return parsed.kind() === range[0].kind() && parsed.match(range);
}

claim("sample-cluster-ips-are-possible", {
  observe: async (lab) => {
    const samples = ["look at the ClusterIP Service", "look at the NodePort Service"].map((step) =>
      printed.step(step).sample().cell("CLUSTER-IP"),
    );
    const tried = async (clusterIP: string) => {
      const answer = await lab.api.tryCreate(
        `a Service with the clusterIP ${clusterIP}`,
        lab.objects.service("sampled", { clusterIP, ports: [{ port: 80 }] }),
        { dryRun: true },
      );
      const { message = "" } = answer.body as { message?: string };
      return { clusterIP, code: answer.code, message, isAnAddress: ipaddr.isValid(clusterIP) };
    };
    const subnet = lab.world.serviceSubnets[0] ?? "";
    return {
      samples: await Promise.all(samples.map(tried)),
      subnet,
      possible: await tried(lastAddresses(subnet, 77).split("-")[0] ?? ""),
    };
  },
  judge: ({ samples, subnet, possible }) => {
    // A Service of others may have it, and with a second range for Services only the other may be looked at.
    positiveControl(
      possible.isAnAddress && !possible.message.includes("must be a valid IP"),
      `an address of ${subnet} is not refused for being none`,
    );
    for (const { clusterIP, code, message, isAnAddress } of samples)
      expect(
        isAnAddress || code === 201 ? "possible" : "no IP address, and refused",
        `what ${clusterIP} is as the clusterIP of a Service (HTTP ${code} ${message})`,
      ).toBe("possible");
  },
  corrected: ({ subnet, possible }, words) => {
    positiveControl(
      possible.isAnAddress && !possible.message.includes("must be a valid IP"),
      `an address of ${subnet} is not refused for being none`,
    );
    const addresses = words.split(" and ");
    for (const address of addresses)
      expect(
        isIn(address, subnet) ? "possible" : "none of its addresses",
        `${address}, in a cluster whose Services have ${subnet}`,
      ).toBe("possible");
  },
  control: {
    name: "the samples are addresses of the Service subnet",
    alter: (observation) => ({
      ...observation,
      samples: [observation.possible],
    }),
  },
});

claim("busybox-without-a-tag", {
  observe: async (lab) => {
    const step = printed.step("ask in a temporary pod");
    const literally = `temp-literally --labels=${namespaceLabel}=lab`;
    const ran = await lab.outsider.run(`${titleOf(step)}, without a terminal`, [
      "sh",
      "-c",
      `cd && ${step.text.replace(" --rm -it", "").replace("temp", literally)}`,
    ]);
    if (ran.exitCode !== 0) return { exitCode: ran.exitCode };
    const object = { apiVersion: "v1", kind: "Pod", metadata: { name: "temp-literally", namespace: articleNamespace } };
    lab.afterwards(() => lab.api.delete("the pod", object));
    const path = `/api/v1/namespaces/${articleNamespace}/pods/temp-literally`;
    const pod = await lab.until(
      "its image to be pulled",
      () => lab.api.read<V1Pod>("the pod", path),
      ({ status }) => (status?.containerStatuses?.[0]?.imageID ?? "") !== "",
      lab.timeouts.podsReady,
    );
    return { exitCode: ran.exitCode, image: pod.status?.containerStatuses?.[0]?.image };
  },
  judge: ({ exitCode, image }) => {
    expect(exitCode, "exit code of kubectl run").toBe(0);
    expect(image, "the image that the pod runs").toContain("busybox");
  },
  control: live(
    "the pod gets another image",
    (lab) =>
      mutate.pod(
        lab,
        "temp-literally",
        patch.replace("/spec/containers/0/image", lab.objects.image("probe")),
        patch.replace("/spec/containers/0/imagePullPolicy", "IfNotPresent"),
      ),
    { lane },
  ),
});

claim("temporary-pod-is-temporary", {
  observe: async (lab) => {
    const { exitCode, transcript } = await walk(lab, "ask in a temporary pod");
    await shortenGrace(lab, "temp");
    const left = await lab.eventually(
      () => lab.outsider.run("is the pod still there", ["kubectl", "get", "pod", "temp"]),
      ({ stderr }) => stderr.includes("NotFound"),
      lab.timeouts.deletion,
    );
    return { exitCode, transcript, left: left.stderr.trim() };
  },
  judge: ({ exitCode, transcript, left }) => {
    expect(exitCode, `exit code of kubectl run, which ended with: ${transcript.trim().split("\n").at(-1)}`).toBe(0);
    expect(transcript, "what kubectl said in the end").toMatch(/pod "temp" deleted/);
    expect(left, "kubectl get pod temp afterwards").toContain("NotFound");
  },
  control: live(
    "a finalizer holds the temporary pod",
    async (lab) => {
      const temporary = { apiVersion: "v1", kind: "Pod", metadata: { name: "temp", namespace: articleNamespace } };
      const letGo = () => lab.api.patch("let it go", temporary, { metadata: { finalizers: null } });
      lab.afterwards(async () => void (await lab.until("it to be gone", letGo, ({ code }) => code === 404)));
      await mutate.pod(lab, "temp", patch.add("/metadata/finalizers", ["kind-network-conformance.example/hold"]));
    },
    { lane },
  ),
});

/**
 * Has a pod that somebody has had deleted end within a second. Its shell may have been started once more by then, and would be killed
 * only after its grace period of half a minute. A pod that nobody has had deleted stays.
 */
async function shortenGrace(lab: Lab, name: string): Promise<void> {
  const path = `/api/v1/namespaces/${articleNamespace}/pods/${name}`;
  const { body } = await lab.api.request(`is ${name} to end`, "GET", path);
  const { metadata } = body as V1Pod;
  if (metadata?.deletionTimestamp === undefined) return;
  await lab.api.request("its grace period is a second", "DELETE", path, { body: { gracePeriodSeconds: 1 } });
}

/** The step that asks the Service by its name and by the address that is printed. */
const temporary = printed.step("ask in a temporary pod");

/** Has the temporary pod's own file of hosts lead a name to an address (hostAliases). */
async function nameInTemporaryPod(lab: Lab, name: string, address: string): Promise<void> {
  await mutate.pod(lab, "temp", patch.add("/spec/hostAliases", [{ ip: address, hostnames: [name] }]));
}

claim("welcome-page-by-name", {
  observe: (lab) => walk(lab, "ask in a temporary pod"),
  judge: ({ outputs: [byName, , byAddress] }) => {
    positiveControl(byAddress?.includes(welcome) === true, "the same page comes from the clusterIP");
    expect(byName, `what ${temporary.further("by name").text} printed in the temporary pod`).toContain(welcome);
  },
  control: live(
    "the temporary pod has another address for the Service's name",
    (lab) => nameInTemporaryPod(lab, "web-clusterip", "127.0.0.1"),
    { lane },
  ),
});

claim("welcome-page-by-the-printed-ip", {
  observe: (lab) => walk(lab, "ask in a temporary pod"),
  judge: ({ outputs: [, byPrintedAddress, byAddress], clusterIP }) => {
    positiveControl(
      byAddress?.includes(welcome) === true,
      `the page comes from the Service's real clusterIP ${clusterIP}`,
    );
    expect(
      byPrintedAddress?.trim(),
      `what ${temporary.further("by the printed address").text} printed in the temporary pod`,
    ).toContain(welcome);
  },
  corrected: ({ outputs: [, , byAddress], clusterIP }) =>
    expect(byAddress?.trim(), `what wget -O- printed with ${clusterIP}, which the output has as CLUSTER-IP`).toContain(
      welcome,
    ),
  control: live(
    "the temporary pod has the Service's address under the printed one, as if that were a name",
    async (lab) => {
      // In the band that the API server leaves to those who choose (KEP-3070), so that nobody was given it.
      const [subnet = ""] = lab.world.serviceSubnets;
      const address = subnet.replace(/\.\d+\/\d+$/, ".123");
      const [, printedAddress = ""] = /(\S+)$/.exec(temporary.further("by the printed address").text) ?? [];
      await storeOtherwise(lab, labService("web-clusterip"), patch.add("/spec/clusterIP", address));
      await nameInTemporaryPod(lab, printedAddress, address);
    },
    { lane },
  ),
});
