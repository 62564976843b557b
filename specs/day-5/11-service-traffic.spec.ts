import { expect } from "vitest";
import { mutate, storeOtherwise } from "../../helpers/changes/admission.ts";
import { rules } from "../../helpers/changes/iptables.ts";
import { patch } from "../../helpers/changes/json-patch.ts";
import { stopProcess } from "../../helpers/changes/nodes.ts";
import { proxyModeUrl, runInMode } from "../../helpers/checks/traffic/kube-proxy.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { answered } from "../../helpers/lab/ask.ts";
import { follow } from "../../helpers/lab/follow.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import { leadsTo } from "../../helpers/lab/objects.ts";
import type { NodePeer } from "../../helpers/lab/peers.ts";
import { live } from "../../helpers/lab/spec.ts";
import { wayOf } from "../../helpers/path/hops.ts";
import { distribution, meet, meetOften, request } from "../../helpers/probe/http.ts";
import { outputOf, ProbeFailed } from "../../helpers/probe/peer.ts";
import { processOf } from "../../helpers/probe/processes.ts";
import { iptablesNaming, rulesNaming } from "../../helpers/probe/rules.ts";
import { missingCapability } from "../../helpers/world/capabilities.ts";
import { claim } from "./article.ts";
import { rulesElsewhere, shownElsewhere } from "./rules-elsewhere.ts";

/**
 * What a Service that was there, and one that is made meanwhile, are to a client on a node whose kube-proxy stands still; and the
 * new one once kube-proxy goes on. The control plane is the node: where there are workers, no other check waits for its rules. The
 * only node's all wait for, so that it stands still no longer than it must.
 */
async function whileKubeProxyStandsStill(lab: Lab) {
  const node = lab.controlPlane;
  const client = lab.pod("host-cp");
  const there = (await lab.services.get("web")).on(80);
  const before = await lab.eventually(() => meet(client, there, lab.timeouts.attempt), answered);
  const pid = await processOf(node, "kube-proxy");
  const goOn = () => outputOf(node, "let kube-proxy go on", ["kill", "-CONT", pid]);
  lab.afterwards(async () => void (await goOn()));
  const state = await stopProcess(lab, node, "stop kube-proxy on the client's node", pid);
  const made = (await lab.services.create("made-meanwhile", leadsTo({ app: "server" }))).on(80);
  await lab.until(
    "the Service's endpoints",
    () => lab.services.endpointsOf("made-meanwhile"),
    ({ length }) => length > 0,
  );
  const elsewhere =
    lab.worker(0).name === lab.controlPlane.name
      ? null
      : await lab.eventually(() => meet(lab.pod("client-1"), made, lab.timeouts.attempt), answered);
  const old = distribution(await meetOften(client, there, 5, lab.timeouts.answer));
  const still = await meet(client, made, lab.timeouts.silence);
  lab.note(`while kube-proxy stood still ${answeredIn(old)} of 5 connections were answered`, JSON.stringify(old));
  await goOn();
  const goesOn = await lab.eventually(() => meet(client, made, lab.timeouts.attempt), answered);
  const rules = await rulesNaming(node, `${lab.namespace}/made-meanwhile`);
  return { before, state, elsewhere, old, still, goesOn, rules: rules.length };
}

/** Returns how many of many connections a pod answered. */
function answeredIn(outcomes: Readonly<Record<string, number>>): number {
  const answers = Object.entries(outcomes).filter(([who]) => !who.startsWith("curl"));
  return answers.reduce((sum, [, count]) => sum + count, 0);
}

const kubeProxyStandsStill = (lab: Lab) =>
  lab.together("kube-proxy stands still", () => whileKubeProxyStandsStill(lab));

/** Judges that a Service leads to its pods by what kube-proxy does on the client's node, and by nothing else. */
function judgeByKubeProxy({
  before,
  state,
  elsewhere,
  still,
  goesOn,
}: Awaited<ReturnType<typeof kubeProxyStandsStill>>) {
  positiveControl(answered(before), "a Service that is there is answered before");
  positiveControl(state.startsWith("T"), `kube-proxy is stopped: ${state}`);
  positiveControl(
    elsewhere === null || answered(elsewhere),
    "on a node whose kube-proxy runs, the new Service is answered",
  );
  expect(still.outcome, "a new Service, on a node whose kube-proxy stands still").not.toBe("answered");
  expect(goesOn.outcome, "the same, once kube-proxy goes on").toBe("answered");
}

const pastKubeProxy = live(
  "a rule that is not kube-proxy's leads every clusterIP to a pod",
  async (lab) => {
    const traffic = { to: lab.ofFamily(lab.world.serviceSubnets), port: 80 };
    await rules(lab, lab.controlPlane).redirect(traffic, lab.pod("server-1").on(8080), "OUTPUT");
  },
  { alone: true },
);

claim("kube-proxy-implements-services", {
  observe: kubeProxyStandsStill,
  judge: judgeByKubeProxy,
  control: pastKubeProxy,
});

/** Waits for the answer: another check has the kube-proxy of a node replaced. */
async function proxyModeOn(lab: Lab, node: NodePeer): Promise<string> {
  const { stdout } = await lab.until(
    `kube-proxy on ${node.name} to tell its mode`,
    () =>
      node.run("kube-proxy's own word", [
        "curl",
        "--silent",
        "--fail",
        "--noproxy",
        "*",
        "--max-time",
        "5",
        proxyModeUrl,
      ]),
    ({ exitCode }) => exitCode === 0,
    lab.timeouts.podsReady,
  );
  return stdout.trim();
}

claim("kind-default-proxy-mode-is-iptables", {
  observe: async (lab) =>
    Promise.all(lab.nodes.map(async (node) => ({ node: node.name, mode: await proxyModeOn(lab, node) }))),
  judge: (nodes) => {
    for (const { node, mode } of nodes) expect(mode, `mode of kube-proxy on ${node}`).toBe("iptables");
  },
  control: live("kube-proxy is configured for the mode nftables", (lab) => runInMode(lab, "nftables", "iptables"), {
    alone: true,
  }),
});

claim("iptables-save-shows-the-service", {
  observe: async (lab) => {
    const name = `${lab.namespace}/shown`;
    const rules = async () =>
      iptablesNaming(await outputOf(lab.worker(0), "the rules of a node", ["iptables-save"]), name);
    const before = await rules();
    const object = lab.objects.service("shown", leadsTo({ app: "server" }));
    await lab.api.create("a ClusterIP Service", object);
    const during = await lab.eventually(rules, ({ length }) => length > 1);
    const { clusterIP } = await lab.services.get("shown");
    const elsewhere = during.length > 0 ? {} : { elsewhere: await rulesElsewhere(lab, lab.worker(0), name, clusterIP) };
    await lab.api.delete("the Service", object);
    const after = await lab.until("its rules to be gone", rules, ({ length }) => length === 0);
    return { before, during, after, ...elsewhere };
  },
  judge: ({ before, during, after }) => {
    positiveControl(
      before.length === 0 && after.length === 0,
      "there are no such rules before the Service is created and after it is deleted",
    );
    expect(during.length, "rules of the Service: a series is more than one").toBeGreaterThan(1);
  },
  corrected: ({ elsewhere }) => shownElsewhere(elsewhere),
  // Then there is one rule, which refuses.
  control: live("the Service selects a label that no pod has", (lab) =>
    mutate.selector(lab, "shown", { app: "nobody" }),
  ),
});

claim("kube-proxy-is-on-the-way", {
  observe: kubeProxyStandsStill,
  judge: (observation) => {
    judgeByKubeProxy(observation);
    expect(["server-1", "server-2"], "the Service's pods: who answered is one").toContain(observation.goesOn.pod);
  },
  control: pastKubeProxy,
});

claim("nodeport-path", {
  slow: true,
  observe: async (lab) => {
    const namespace = await lab.ownNamespace("nodeport-path");
    const [withPod, without] = [lab.worker(0), lab.worker(1)];
    const server = await lab.pods.start(
      lab.objects.serverPod("only", { app: "only" }, { nodeName: withPod.name }, namespace),
    );
    const service = await lab.services.create("path", { type: "NodePort", ...leadsTo({ app: "only" }) }, namespace);
    const address = lab.outsider.address;
    const hopsAreKnown = missingCapability(["routed-links"], lab.world) === undefined;
    const asked = async (node: NodePeer, which: string) => {
      const target = { address: node.address, port: service.nodePort };
      const ask = (timeout: number) => meet(lab.outsider, service.at(node), timeout);
      const answer = await lab.eventually(() => ask(lab.timeouts.attempt), answered);
      const title = `outsider to the NodePort of ${which}`;
      if (!hopsAreKnown || !answered(answer)) return { title, answer, there: [] };
      const servers = { name: "only", addresses: [server.address], port: 8080 };
      const client = { name: "outsider", address, outside: true } as const;
      // No verdict hangs on it.
      const there = await follow(lab, { title, protocol: "tcp", client, target, servers }, () =>
        ask(lab.timeouts.answer),
      ).then(
        (followed) => followed.there,
        (error: unknown) => {
          lab.note("its way could not be followed", (error as Error).message);
          return [];
        },
      );
      return { title, answer, there };
    };
    return Promise.all([
      asked(withPod, "the node with the pod"),
      ...(without.name === withPod.name ? [] : [asked(without, "a node without the pod")]),
    ]);
  },
  judge: (paths) => {
    positiveControl(paths.length > 0, "a node was asked");
    for (const { title, there, answer } of paths)
      expect(answer.pod, `who answered: ${title}, by ${wayOf(there) || "a way that was not followed"}`).toBe("only");
  },
  control: live(
    "the nodes drop what comes from outside to their node ports",
    async (lab) => {
      const traffic = { from: lab.outsider.address, port: lab.world.nodePortRange.replace("-", ":") };
      for (const node of new Set([lab.worker(0), lab.worker(1)])) await rules(lab, node).drop(traffic);
    },
    { alone: true },
  ),
});

/** Which modes this version's kube-proxy takes: it checks the name before it does anything. */
async function modes(lab: Lab) {
  const node = lab.worker(0);
  const program = `/proc/${await processOf(node, "kube-proxy")}/exe`;
  const ask = async (mode: string, ...words: readonly string[]) => {
    const command = [program, `--proxy-mode=${mode}`, ...words, "--write-config-to=/dev/null"];
    const title = `kube-proxy ${command.slice(1, -1).join(" ")}`;
    const { exitCode, stdout, stderr, timedOut } = await node.run(title, command);
    if (timedOut) throw new ProbeFailed(`${title} did not end in time`);
    return { mode, taken: exitCode === 0, said: `${stdout}${stderr}` };
  };
  const tried = await Promise.all(
    ["userspace", "iptables", "ipvs", "nftables", "kernelspace"].map((mode) => ask(mode)),
  );
  // A gate that is deprecated says so when it is set; where it is unknown, ipvs is not deprecated by it yet.
  const gate = await ask("ipvs", "--feature-gates=KubeProxyIPVS=true");
  // It is said when kube-proxy runs in that mode, which takes IP_VS; here its program is asked for the words.
  const words = "The ipvs proxier is now deprecated and may be removed in a future release";
  const own = await node.run("what the program has to say of ipvs", ["grep", "-ao", words, program]);
  return {
    accepted: tried.filter(({ taken }) => taken).map(({ mode }) => mode),
    refusals: tried
      .filter(({ taken }) => !taken)
      .map(({ mode, said }) => ({ mode, said: /must be [^"\n]*/.exec(said)?.[0] ?? said.trim().slice(-300) })),
    aboutIpvs: `${gate.said.trim()}\n${own.stdout.trim()}`.trim(),
  };
}

const kubeProxyModes = (lab: Lab) => lab.together("the modes of kube-proxy", () => modes(lab));

claim("kube-proxy-has-three-modes", {
  observe: kubeProxyModes,
  judge: ({ accepted, refusals }) => {
    positiveControl(
      accepted.includes("iptables") && refusals.some(({ mode }) => mode === "kernelspace"),
      "kube-proxy takes iptables, and refuses a mode of Windows",
    );
    expect(accepted, "modes that kube-proxy takes on Linux").toEqual(["userspace", "iptables", "ipvs"]);
  },
  corrected: ({ accepted }, words) => {
    const count = { 2: "two", 3: "three" }[accepted.length] ?? accepted.length;
    expect(
      `it has ${count} modes: ${new Intl.ListFormat("en-GB").format(accepted)}`,
      "what kube-proxy takes on Linux",
    ).toBe(words);
  },
  control: {
    name: "kube-proxy takes userspace, iptables and ipvs (what it takes is in its program)",
    alter: ({ refusals, ...rest }) => ({
      ...rest,
      accepted: ["userspace", "iptables", "ipvs"],
      refusals: refusals.filter(({ mode }) => mode === "kernelspace"),
    }),
  },
});

claim("userspace-mode-exists", {
  observe: kubeProxyModes,
  judge: ({ accepted, refusals }) => {
    positiveControl(accepted.includes("iptables"), "kube-proxy takes iptables");
    const refusal = refusals.find(({ mode }) => mode === "userspace");
    expect(accepted, `modes that kube-proxy takes; of userspace it says: ${refusal?.said}`).toContain("userspace");
  },
  corrected: ({ accepted }) => {
    positiveControl(accepted.includes("iptables"), "kube-proxy takes iptables");
    expect(accepted, "modes that kube-proxy takes").not.toContain("userspace");
  },
  control: {
    name: "kube-proxy takes userspace too (what it takes is in its program)",
    alter: ({ accepted, ...rest }) => ({ ...rest, accepted: ["userspace", ...accepted] }),
  },
});

claim("iptables-is-the-default-mode", {
  slow: true,
  observe: async (lab) => {
    const { spec } = await lab.api.get("the DaemonSet kube-proxy", "DaemonSet", "kube-proxy", "kube-system");
    const { image, command: [program = ""] = [] } = spec?.template.spec?.containers[0] ?? {};
    const { namespace } = lab;
    await lab.api.create("let pods of the namespace do what kube-proxy may", {
      apiVersion: "rbac.authorization.k8s.io/v1",
      kind: "ClusterRoleBinding",
      metadata: { name: `${namespace}-told-no-mode` },
      roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "system:node-proxier" },
      subjects: [{ apiGroup: "rbac.authorization.k8s.io", kind: "Group", name: `system:serviceaccounts:${namespace}` }],
    });
    const node = lab.worker(0);
    const everywhere = { ipv4: "0.0.0.0", ipv6: "[::]" }[lab.family];
    // In a pod's own network, where its rules are nobody's concern. Limits of connection tracking are the whole machine's.
    const command = [
      ...[program, `--hostname-override=${node.name}`, `--metrics-bind-address=${everywhere}:10249`],
      ...["--conntrack-max-per-core=0", "--conntrack-min=0"],
      ...["--conntrack-tcp-timeout-established=0s", "--conntrack-tcp-timeout-close-wait=0s"],
    ];
    const pod = await lab.pods.start(
      lab.objects.clientPod("told-no-mode", {
        nodeName: node.name,
        automountServiceAccountToken: true,
        containers: [
          {
            ...{ name: "kube-proxy", image, command },
            securityContext: { privileged: true },
            // The lock of iptables.
            volumeMounts: [{ name: "run", mountPath: "/run" }],
          },
        ],
        volumes: [{ name: "run", emptyDir: {} }],
      }),
    );
    const { body } = await lab.eventually(
      () => request(lab.pod("client-1"), `http://${pod.on(10_249)}/proxyMode`, lab.timeouts.attempt),
      ({ status }) => status === 200,
      lab.timeouts.podsReady,
    );
    const inItsNetwork = `nsenter --net=/proc/${await processOf(node, "kube-proxy", "a pod's")}/ns/net`;
    // Which of the two it writes by is for its image to decide.
    const saves = ["nft", "legacy"].map((kind) => `${inItsNetwork} ${lab.iptables}-${kind}-save`);
    const rules = await lab.eventually(
      async () =>
        iptablesNaming(
          await outputOf(node, "iptables' rules in its network", ["sh", "-c", `${saves.join("; ")}; true`]),
          "default/kubernetes",
        ),
      ({ length }) => length > 0,
    );
    return { mode: body.trim(), rules };
  },
  judge: ({ mode, rules }) => {
    positiveControl(mode !== "", "a kube-proxy that was told no mode tells which it is in");
    expect(mode, "its mode").toBe("iptables");
    expect(rules.length, "iptables rules that it wrote for the Service kubernetes").toBeGreaterThan(0);
  },
  control: live("the kube-proxy that is asked is told the mode nftables", (lab) =>
    storeOtherwise(
      lab,
      { kind: "Pod", name: "told-no-mode", namespace: lab.namespace },
      patch.add("/spec/containers/0/args", ["--proxy-mode=nftables"]),
    ),
  ),
});

claim("ipvs-suits-large-clusters", {
  observe: kubeProxyModes,
  judge: ({ accepted, refusals }) => {
    positiveControl(
      accepted.includes("iptables") && refusals.some(({ mode }) => mode === "kernelspace"),
      "kube-proxy takes iptables, and refuses a mode of Windows",
    );
    expect(accepted, "modes that kube-proxy takes").toContain("ipvs");
  },
  control: {
    name: "kube-proxy takes ipvs no more (what it takes is in its program)",
    alter: ({ accepted, ...rest }) => ({ ...rest, accepted: accepted.filter((mode) => mode !== "ipvs") }),
  },
});
