import { expect } from "vitest";
import { iptablesRule } from "../helpers/claim/changes.ts";
import { claim } from "../helpers/claim/claim.ts";
import { live } from "../helpers/claim/control.ts";
import { follow } from "../helpers/claim/follow.ts";
import { positiveControl } from "../helpers/claim/verdict.ts";
import { translationsOf } from "../helpers/path/hops.ts";
import { hostPort, meet } from "../helpers/probe/http.ts";

claim("packets-can-be-watched", {
  slow: true,
  observe: async (lab) => {
    const nodes = { near: lab.worker(0).name, far: lab.worker(1).name };
    // One that asks itself by a Service has to have a client and a server.
    const containers = [
      { name: "client", image: lab.image("probe"), command: ["sleep", "infinity"] },
      { name: "server", image: lab.image("agnhost"), args: ["netexec", "--http-port=8080", "--udp-port=8081"] },
    ];
    const [own, near, far] = await Promise.all([
      lab.start(lab.serverPod("both", { app: "both" }, { nodeName: nodes.near, containers })),
      lab.start(lab.serverPod("near", {}, { nodeName: nodes.near })),
      lab.start(lab.serverPod("far", { app: "far" }, { nodeName: nodes.far })),
    ]);
    const serviceOf = async (app: string) => {
      const { spec } = await lab.service(`${app}-watched`, {
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
    const watch = (title: string, name: string, server: typeof own, target = { address: server.address, port: 8080 }) =>
      follow(
        lab,
        {
          ...{ title, protocol: "tcp", target },
          client: { name: "both", address: own.address },
          servers: { name, addresses: [server.address], port: 8080 },
        },
        () => meet(own, hostPort(target.address, target.port), lab.timeouts.answer),
      );
    const paths = await Promise.all([
      watch("pod to pod on the same node", "near", near),
      watch("pod to pod on another node", "far", far),
      watch("pod to ClusterIP", "far", far, byService),
      watch("pod to itself by a Service", "both", own, toItself),
    ]);
    return { nodes, paths };
  },
  judge: ({ nodes: { near, far }, paths }) => {
    for (const { title, answer } of paths) positiveControl(answer.outcome === "answered", `${title}: it is answered`);
    expect(
      paths.map(
        ({ title, there }) => `${title}: ${there.map(({ node, direction }) => `${node} ${direction}`).join(", ")}`,
      ),
      "where the packet was seen",
    ).toEqual([
      `pod to pod on the same node: ${near} in, ${near} out`,
      `pod to pod on another node: ${near} in, ${near} out, ${far} in, ${far} out`,
      `pod to ClusterIP: ${near} in, ${near} out, ${far} in, ${far} out`,
      `pod to itself by a Service: ${near} in, ${near} out`,
    ]);
    expect(
      paths[1]?.there.map(({ ttl }) => ttl),
      "TTL from the client's link to the server's on another node",
    ).toEqual([64, 63, 63, 62]);
    expect(
      paths.flatMap(({ title, there }) => translationsOf(there).map((what) => `${title}: ${what}`)),
      "what was translated on the way",
    ).toEqual([
      `pod to ClusterIP: ${near}: destination`,
      `pod to itself by a Service: ${near}: source and destination`,
    ]);
  },
  control: live(
    "the client's node masquerades what the client sends",
    async (lab) => {
      const flow = ["-s", lab.pod("client-1").address, "-d", lab.pod("far-server").address];
      await iptablesRule(lab, lab.worker(0), "nat", "POSTROUTING", ...flow, "-j", "MASQUERADE");
    },
    { alone: true },
  ),
});
