import { expect } from "vitest";
import { wrapProgram } from "../../helpers/changes/nodes.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { answered } from "../../helpers/lab/ask.ts";
import { live } from "../../helpers/lab/spec.ts";
import { request } from "../../helpers/probe/http.ts";
import { outputOf, type Peer } from "../../helpers/probe/peer.ts";
import { claim } from "./article.ts";

claim("containers-share-network-namespace", {
  observe: async (lab) => {
    const namespaceOf = async (peer: Peer) =>
      (await outputOf(peer, `network namespace of ${peer.label}`, ["readlink", "/proc/self/ns/net"])).trim();
    const containers = [
      { name: "web", image: lab.objects.image("nginx") },
      { name: "client", image: lab.objects.image("probe"), command: ["sleep", "infinity"] },
    ];
    const web = await lab.pods.start(lab.objects.clientPod("together", { nodeName: lab.worker(0).name, containers }), {
      container: "web",
    });
    return {
      web: await namespaceOf(web),
      client: await namespaceOf(await lab.pods.ready("together", lab.namespace, { container: "client" })),
      otherPod: await namespaceOf(lab.pod("client-1")),
    };
  },
  judge: ({ web, client, otherPod }) => {
    positiveControl(otherPod !== client, "another pod has another network namespace");
    expect(client, "the network namespace of the pod's second container").toBe(web);
  },
  control: live("the runtime gives a pod's second container a network namespace of its own", (lab) =>
    wrapProgram(lab, lab.worker(0), "runc", (aside) => [
      `bundle=$(printf '%s ' "$@" | sed -n 's/.* create .*--bundle \\([^ ]*\\) .*/\\1/p')`,
      'config="$bundle/config.json"',
      `if [ -n "$bundle" ] && grep -q '"io.kubernetes.cri.sandbox-name": *"together"' "$config" &&`,
      `  grep -q '"io.kubernetes.cri.container-name": *"client"' "$config"; then`,
      // Without a path runc makes a new one.
      `  sed -i 's#"type": *"network", *"path": *"[^"]*"#"type":"network"#' "$config"`,
      "fi",
      `exec ${aside} "$@"`,
    ]),
  ),
});

claim("containers-reach-each-other-on-localhost", {
  observe: async (lab) => ({
    samePod: await lab.eventually(
      () => request(lab.pod("pair", { container: "client" }), "http://localhost:80/", lab.timeouts.answer),
      answered,
    ),
    otherPod: await request(lab.pod("client-1"), "http://localhost:80/", lab.timeouts.answer),
  }),
  judge: ({ samePod, otherPod }) => {
    positiveControl(otherPod.outcome === "refused", "in another pod nothing listens on localhost:80");
    expect(samePod.outcome, "the pod's other container, asked on localhost:80").toBe("answered");
    expect(samePod.body, "what it answered").toContain("Welcome to nginx!");
  },
  control: live(
    "the pod's loopback interface is down",
    async (lab) => {
      const inode = ["stat", "-L", "-c", "%i", "/proc/self/ns/net"];
      const namespace = (
        await outputOf(lab.pod("pair", { container: "client" }), "the pod's network namespace", inode)
      ).trim();
      const node = lab.worker(0);
      const inTheNamespace =
        'for ns in /run/netns/*; do [ "$(stat -L -c %i "$ns")" != "$0" ] || exec nsenter --net="$ns" "$@"; done; exit 1';
      const set = (state: "down" | "up") =>
        outputOf(node, `loopback ${state}`, ["sh", "-c", inTheNamespace, namespace, "ip", "link", "set", "lo", state]);
      lab.afterwards(async () => void (await set("up")));
      await set("down");
    },
    { alone: true },
  ),
});
