import { expect } from "vitest";
import { iptablesRule } from "../helpers/claim/changes.ts";
import { claim } from "../helpers/claim/claim.ts";
import { live } from "../helpers/claim/control.ts";
import { positiveControl } from "../helpers/claim/verdict.ts";
import { type Packet, startCapture } from "../helpers/probe/capture.ts";
import { hostPort, meet } from "../helpers/probe/http.ts";
import { outputOf } from "../helpers/probe/peer.ts";

claim("packets-can-be-watched", {
  slow: true,
  observe: async (lab) => {
    const client = lab.pod("client-1");
    const server = lab.pod("far-server");
    const routes = await outputOf(lab.pod("host-1"), "the client's end on its node", [
      "ip",
      "route",
      "get",
      client.address,
    ]);
    const veth = / dev (\S+)/.exec(routes)?.[1] ?? "";
    const farRoutes = await outputOf(lab.pod("host-2"), "the server's end on its node", [
      "ip",
      "route",
      "get",
      server.address,
    ]);
    const farVeth = / dev (\S+)/.exec(farRoutes)?.[1] ?? "";
    const points = [
      { point: "the client's veth", peer: lab.pod("host-1"), device: veth },
      { point: "eth0 of the client's node", peer: lab.pod("host-1"), device: "eth0" },
      { point: "eth0 of the server's node", peer: lab.pod("host-2"), device: "eth0" },
      { point: "the server's veth", peer: lab.pod("host-2"), device: farVeth },
    ];
    const filter = `tcp[tcpflags] == tcp-syn and src host ${client.address} and dst port 8080`;
    const captures = await Promise.all(points.map(({ peer, device }) => startCapture(peer, device, filter)));
    const seen = () => Promise.all(captures.map((capture) => capture.packets()));
    const quiet = (await seen()).flat().filter(({ to }) => to === server.address).length;
    const answer = await meet(client, hostPort(server.address, 8080), lab.timeouts.answer);
    const direct = await lab.eventually(seen, (all) =>
      all.every((packets) => packets.some(({ to }) => to === server.address)),
    );
    await Promise.all(captures.map((capture) => capture.stop()));
    // The same walk by a Service: only the client's own link sees the clusterIP.
    const { spec } = await lab.service("watched", {
      selector: { app: "server" },
      ports: [{ port: 8083, targetPort: 8080 }],
    });
    const clusterIP = spec?.clusterIP ?? "";
    await lab.until(
      "the Service to answer",
      () => meet(client, hostPort(clusterIP, 8083), lab.timeouts.attempt),
      ({ outcome }) => outcome === "answered",
    );
    const before = await startCapture(lab.pod("host-1"), veth, `tcp[tcpflags] == tcp-syn and dst port 8083`);
    const behind = await startCapture(
      lab.pod("host-1"),
      "any",
      `tcp[tcpflags] == tcp-syn and host ${clusterIP} and not src host ${client.address}`,
    );
    await meet(client, hostPort(clusterIP, 8083), lab.timeouts.answer);
    const byService = await lab.until(
      "the packet to the clusterIP",
      () => before.packets(),
      (packets) => packets.length > 0,
    );
    const strays = await behind.packets();
    await Promise.all([before.stop(), behind.stop()]);
    const first = (packets: readonly Packet[]) => packets.find(({ to }) => to === server.address) ?? null;
    return {
      quiet,
      answer,
      client: client.address,
      server: server.address,
      path: points.map(({ point }, index) => ({ point, packet: first(direct[index] ?? []) })),
      clusterIP,
      byService: byService[0] ?? null,
      strays: strays.length,
    };
  },
  judge: ({ quiet, answer, client, server, path, clusterIP, byService }) => {
    positiveControl(
      quiet === 0 && answer.outcome === "answered",
      "without a request there is no packet, and the request is answered",
    );
    for (const { point, packet } of path) {
      expect([packet?.from, packet?.to, packet?.toPort], `source, destination and port at ${point}`).toEqual([
        client,
        server,
        8080,
      ]);
    }
    expect(
      path.map(({ packet }) => packet?.ttl),
      "TTL from the client's link to the server's",
    ).toEqual([64, 63, 63, 62]);
    expect(byService?.to, "destination on the client's link, by a Service").toBe(clusterIP);
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
