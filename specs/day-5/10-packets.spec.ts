import { expect } from "vitest";
import { forbidPortForward } from "../../helpers/changes/admission.ts";
import { iptablesRule } from "../../helpers/changes/iptables.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { follow, followPortForward } from "../../helpers/lab/follow.ts";
import { live } from "../../helpers/lab/spec.ts";
import { wayOf } from "../../helpers/path/hops.ts";
import { hostPort, meet } from "../../helpers/probe/http.ts";
import { claim } from "./article.ts";

claim("packets-can-be-watched", {
  slow: true,
  observe: async (lab) => {
    const nodes = { near: lab.worker(0).name, far: lab.worker(1).name, controlPlane: lab.controlPlane.name };
    // One that asks itself by a Service has to have a client and a server.
    const containers = [lab.objects.clientContainer, lab.objects.serverContainer];
    const [own, near, far] = await Promise.all([
      lab.pods.start(lab.objects.serverPod("both", { app: "both" }, { nodeName: nodes.near, containers })),
      lab.pods.start(lab.objects.serverPod("near", {}, { nodeName: nodes.near })),
      lab.pods.start(lab.objects.serverPod("far", { app: "far" }, { nodeName: nodes.far })),
    ]);
    const serviceOf = async (app: string) => {
      const { spec } = await lab.services.create(`${app}-watched`, {
        selector: { app },
        ports: [{ port: 80, targetPort: 8080 }],
      });
      const address = spec?.clusterIP ?? "";
      await lab.until(
        "the Service to answer",
        () => meet(own, hostPort(address, 80), lab.timeouts.attempt),
        ({ outcome }) => outcome === "answered",
      );
      return { address, port: 80 };
    };
    const [byService, toItself] = await Promise.all([serviceOf("far"), serviceOf("both")]);
    // Below those that the kernel chooses from (net.ipv4.ip_local_port_range): two connections from one port, of which a
    // Service brings the second to the first one's pod, would be one to conntrack, which gives the second another port.
    let localPort = 20_000;
    const watch = (
      title: string,
      name: string,
      server: typeof own,
      target = { address: server.address, port: 8080 },
    ) => {
      const port = localPort++;
      return follow(
        lab,
        {
          ...{ title, protocol: "tcp", target },
          client: { name: "both", address: own.address },
          servers: { name, addresses: [server.address], port: 8080 },
        },
        () => meet(own, hostPort(target.address, target.port), lab.timeouts.answer, port),
      );
    };
    // One after the other, where both come to one pod.
    const direct = await Promise.all([
      watch("pod to pod on the same node", "near", near),
      watch("pod to pod on another node", "far", far),
    ]);
    const byServices = await Promise.all([
      watch("pod to ClusterIP", "far", far, byService),
      watch("pod to itself by a Service", "both", own, toItself),
    ]);
    const paths = [...direct, ...byServices];
    const controlPlanes = lab.nodes.filter(({ role }) => role === "control-plane");
    return {
      nodes,
      paths,
      // Several have a load balancer before them, and it chooses which of them hands the request on.
      ...(controlPlanes.length === 1 ? { forwarded: await followPortForward(lab, "both") } : {}),
    };
  },
  judge: ({ nodes: { near, far, controlPlane }, paths, forwarded }) => {
    for (const { title, answer } of paths) positiveControl(answer.outcome === "answered", `${title}: it is answered`);
    const across = (out: string) => `${near} in, ${near} ${out}, ${far} in, ${far} out`;
    const [onTheNode, elsewhere, byService, toItself] = paths.map(({ there }) => wayOf(there));
    expect(onTheNode, paths[0]?.title).toBe(`${near} in, ${near} out`);
    expect(elsewhere, paths[1]?.title).toBe(across("out"));
    expect(byService, paths[2]?.title).toBe(across("out with another destination"));
    expect(toItself, paths[3]?.title).toBe(`${near} in, ${near} out with another source and destination`);
    if (forwarded !== undefined)
      expect(wayOf(forwarded.hops), "port-forward").toBe(
        `${controlPlane} in, ${controlPlane} out, ${near} in, lo of both in`,
      );
  },
  control: live(
    "the client's node gives what its pods send another source, and the API server forwards no ports",
    async (lab) => {
      const node = lab.worker(0);
      const flow = ["-s", node.podCIDRs[0] ?? "", "-p", "tcp", "--dport", "8080"];
      const rule = (...words: readonly string[]) => iptablesRule(lab, node, "nat", "POSTROUTING", ...flow, ...words);
      await rule("-j", "MASQUERADE");
      // What kube-proxy has masqueraded, since it comes back to the pod that sent it, gets the other of the node's addresses.
      await rule("-m", "mark", "--mark", "0x4000/0x4000", "-j", "SNAT", "--to-source", node.addresses[0] ?? "");
      await forbidPortForward(lab, "both");
    },
    { alone: true },
  ),
});
