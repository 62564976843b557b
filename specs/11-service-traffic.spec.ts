import { randomBytes } from "node:crypto";
import type { V1DaemonSet } from "@kubernetes/client-node";
import { expect } from "vitest";
import { configure, iptablesRule, stopProcess, storeOtherwise, wrapProgram } from "../helpers/claim/changes.ts";
import { claim } from "../helpers/claim/claim.ts";
import { live } from "../helpers/claim/control.ts";
import { follow } from "../helpers/claim/follow.ts";
import type { Lab } from "../helpers/claim/lab.ts";
import { Inconclusive, NeedsFeature, positiveControl } from "../helpers/claim/verdict.ts";
import { wayOf } from "../helpers/path/hops.ts";
import { distribution, hostPort, meet, meetOften } from "../helpers/probe/http.ts";
import { sourceTowards } from "../helpers/probe/links.ts";
import { outputOf } from "../helpers/probe/peer.ts";
import { rulesNaming } from "../helpers/probe/rules.ts";
import type { WorldNode } from "../helpers/world/world.ts";

/** The rules of a node that name a Service of the cast's namespace, as the article greps them. */
async function rulesOf(lab: Lab, service: string): Promise<string[]> {
  const rules = await outputOf(lab.node(lab.worker(0)), "the rules of a node", ["iptables-save"]);
  return rules.split("\n").filter((line) => line.includes(`${lab.namespace}/${service}`));
}

claim("kube-proxy-implements-services", {
  observe: async (lab) => {
    const path = "/apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy";
    // Another check has the one of a node replaced.
    const { status } = await lab.eventually(
      () => lab.get<V1DaemonSet>("the DaemonSet kube-proxy", path),
      (daemonSet) => daemonSet.status?.numberReady === lab.world.nodes.length,
    );
    const tables = await Promise.all(
      lab.world.nodes.map(async (node) => {
        const rules = await rulesNaming(lab.node(node), `${lab.namespace}/web`);
        return { node: node.name, rulesForTheService: rules.length };
      }),
    );
    return { ready: status?.numberReady ?? 0, nodes: lab.world.nodes.length, tables };
  },
  judge: ({ ready, nodes, tables }) => {
    expect(ready, "nodes on which kube-proxy is ready").toBe(nodes);
    for (const { node, rulesForTheService } of tables)
      expect(rulesForTheService, `rules of ${node} that name the Service`).toBeGreaterThan(0);
  },
  control: live(
    "kube-proxy stands still on a node, and what it wrote for the Service is gone there",
    async (lab) => {
      const node = lab.node(lab.worker(1));
      const rules = `/tmp/rules-${randomBytes(3).toString("hex")}`;
      const pid = (await outputOf(node, "kube-proxy's process", ["pgrep", "-xo", "kube-proxy"])).trim();
      lab.afterwards(async () => void (await outputOf(node, "let it go on", ["kill", "-CONT", pid])));
      await stopProcess(lab, node, "stop kube-proxy", pid);
      const restore = 'iptables-restore < "$0" && rm "$0"';
      lab.afterwards(async () => void (await outputOf(node, "the rules as they were", ["sh", "-c", restore, rules])));
      const without = 'iptables-save > "$0" && grep -vE "$1([^-.a-z0-9]|$)" "$0" | iptables-restore';
      await outputOf(node, "take the Service's rules away", ["sh", "-c", without, rules, `${lab.namespace}/web`]);
    },
    { alone: true },
  ),
});

const proxyMode = ["curl", "--silent", "--fail", "http://localhost:10249/proxyMode"];

/** Waits for the answer: another check has the kube-proxy of a node replaced. */
async function proxyModeOn(lab: Lab, node: WorldNode): Promise<string> {
  const { stdout } = await lab.until(
    `kube-proxy on ${node.name} to tell its mode`,
    () => lab.node(node).run("kube-proxy's own word", proxyMode),
    ({ exitCode }) => exitCode === 0,
    lab.timeouts.podsReady,
  );
  return stdout.trim();
}

claim("kind-default-proxy-mode-is-iptables", {
  observe: async (lab) =>
    Promise.all(lab.world.nodes.map(async (node) => ({ node: node.name, mode: await proxyModeOn(lab, node) }))),
  judge: (nodes) => {
    for (const { node, mode } of nodes) expect(mode, `mode of kube-proxy on ${node}`).toBe("iptables");
  },
  control: live(
    "kube-proxy is configured for the mode nftables",
    async (lab) => {
      const everywhere = (mode: string) =>
        lab.until(
          `kube-proxy in mode ${mode} on every node`,
          () => Promise.all(lab.world.nodes.map((node) => lab.node(node).run("kube-proxy's own word", proxyMode))),
          (answers) => answers.every(({ stdout }) => stdout.trim() === mode),
          lab.timeouts.podsReady,
        );
      lab.afterwards(async () => void (await everywhere("iptables")));
      await configure(lab, "kube-proxy", "config.conf", { "k8s-app": "kube-proxy" }, (text) =>
        text.replace(/^mode: .*$/m, "mode: nftables"),
      );
      await everywhere("nftables");
    },
    { alone: true },
  ),
});

claim("iptables-save-shows-the-service", {
  observe: async (lab) => {
    const name = "shown";
    const before = await rulesOf(lab, name);
    const object = lab.serviceObject(name, { selector: { app: "server" }, ports: [{ port: 80, targetPort: 8080 }] });
    await lab.create("a ClusterIP Service", object);
    const during = await lab.eventually(
      () => rulesOf(lab, name),
      (rules) => rules.some((rule) => rule.includes("KUBE-SEP-")),
    );
    await lab.delete("the Service", object);
    const after = await lab.until(
      "its rules to be gone",
      () => rulesOf(lab, name),
      (rules) => rules.length === 0,
    );
    return { before, during, after };
  },
  judge: ({ before, during, after }) => {
    positiveControl(
      before.length === 0 && after.length === 0,
      "there are no such rules before the Service is created and after it is deleted",
    );
    expect(
      during.some((rule) => rule.includes("KUBE-SVC-") || rule.includes("KUBE-SERVICES")),
      "a rule that leads to the Service",
    ).toBe(true);
    expect(during.filter((rule) => rule.includes("DNAT")).length, "rules that lead to its pods").toBe(2);
  },
  control: live("the Service selects a label that no pod has", (lab) =>
    storeOtherwise(
      lab,
      { kind: "Service", name: "shown" },
      "JSONPatch{op: 'replace', path: '/spec/selector/app', value: 'nobody'}",
    ),
  ),
});

/** Returns how many of many connections a pod answered. */
function answeredIn(outcomes: Readonly<Record<string, number>>): number {
  const answers = Object.entries(outcomes).filter(([who]) => !who.startsWith("curl"));
  return answers.reduce((sum, [, count]) => sum + count, 0);
}

claim("kube-proxy-is-on-the-way", {
  observe: async (lab) => {
    const node = lab.node(lab.worker(0));
    const client = lab.pod("client-1");
    const { spec } = await lab.serviceOfCast("web");
    const ask = () => meetOften(client, hostPort(spec?.clusterIP ?? "", 80), 20, lab.timeouts.answer);
    const pid = (await outputOf(node, "kube-proxy's process", ["pgrep", "-xo", "kube-proxy"])).trim();
    const before = distribution(await ask());
    lab.afterwards(async () => void (await node.run("let it go on", ["kill", "-CONT", pid])));
    const state = await stopProcess(lab, node, "stop kube-proxy on the client's node", pid);
    const stopped = distribution(await ask());
    const answered = answeredIn(stopped);
    lab.note(`while kube-proxy stood still ${answered} of 20 connections were answered`, JSON.stringify(stopped));
    await outputOf(node, "let it go on", ["kill", "-CONT", pid]);
    return { before, state, stopped };
  },
  judge: ({ before, state, stopped }) => {
    positiveControl(before["server-1"] !== undefined, "the Service answers before");
    positiveControl(state.startsWith("T"), `kube-proxy is stopped: ${state}`);
    expect(
      answeredIn(stopped),
      "of 20 connections to the clusterIP, answered while kube-proxy on the client's node stood still",
    ).toBe(0);
  },
  control: live(
    "a node refuses connections to the clusterIP while its kube-proxy stands still",
    async (lab) => {
      const { spec } = await lab.serviceOfCast("web");
      const flow = `-s ${lab.pod("client-1").address} -p tcp -m conntrack --ctorigdst ${spec?.clusterIP ?? ""}`;
      const rule = (action: string) => `${lab.iptables} -w ${action} FORWARD ${flow} -j REJECT --reject-with tcp-reset`;
      await wrapProgram(lab, lab.node(lab.worker(0)), "kill", (aside) => [
        'case "$1" in',
        `-STOP) ${rule("-I")} ;;`,
        `-CONT) ${rule("-D")} 2>/dev/null ;;`,
        "esac",
        `exec ${aside} "$@"`,
      ]);
    },
    { alone: true },
  ),
});

claim("nodeport-path", {
  slow: true,
  observe: async (lab) => {
    const namespace = await lab.ownNamespace("nodeport-path");
    const nodes = { with: lab.worker(0), without: lab.worker(1) };
    const server = await lab.start(lab.serverPod("only", { app: "only" }, { nodeName: nodes.with.name }, namespace));
    const ports = [{ port: 80, targetPort: 8080 }];
    const nodePortOf = async (externalTrafficPolicy: "Cluster" | "Local") => {
      const spec = { type: "NodePort", selector: { app: "only" }, ports, externalTrafficPolicy };
      const service = await lab.service(`path-by-${externalTrafficPolicy.toLowerCase()}`, spec, namespace);
      return service.spec?.ports?.[0]?.nodePort ?? 0;
    };
    const nodePorts = { Cluster: await nodePortOf("Cluster"), Local: await nodePortOf("Local") };
    const outsider = lab.outsiderAddress;
    const addressOf = (which: keyof typeof nodes) => nodes[which].addresses[0] ?? "";
    const ask = (which: keyof typeof nodes, policy: keyof typeof nodePorts, timeout: number) =>
      meet(lab.outsider, hostPort(addressOf(which), nodePorts[policy]), timeout);
    const ways = (["without", "with"] as const).flatMap((which) =>
      (["Cluster", "Local"] as const).map((policy) => ({
        which,
        policy,
        reached: policy === "Cluster" || which === "with",
      })),
    );
    await Promise.all(
      ways.map(({ which, policy, reached }) =>
        lab.eventually(
          () => ask(which, policy, lab.timeouts.attempt),
          ({ outcome }) => (outcome === "answered") === reached,
        ),
      ),
    );
    const paths = await Promise.all(
      ways.map(({ which, policy, reached }) =>
        follow(
          lab,
          {
            title: `outsider to the NodePort of a node ${which} the pod, policy ${policy}`,
            protocol: "tcp",
            client: { name: "outsider", address: outsider, outside: true },
            target: { address: addressOf(which), port: nodePorts[policy] },
            servers: { name: "only", addresses: [server.address], port: 8080 },
            silent: !reached,
          },
          () => ask(which, policy, reached ? lab.timeouts.answer : lab.timeouts.silence),
        ),
      ),
    );
    return {
      nodes: { with: nodes.with.name, without: nodes.without.name },
      addresses: {
        outsider,
        without: addressOf("without"),
        link: await sourceTowards(lab.node(nodes.with), server.address),
      },
      paths,
    };
  },
  judge: ({ nodes, addresses, paths }) => {
    const [, , , direct] = paths;
    positiveControl(direct?.answer.pod === "only", `${direct?.title}: the pod answers`);
    const node = (which: "with" | "without") => `outsider to the NodePort of a node ${which} the pod, policy`;
    expect(
      paths.map(
        ({ title, there, answer }) => `${title}: ${wayOf(there)}; the server saw ${answer.source ?? "nothing"}`,
      ),
      "the ways of packets",
    ).toEqual([
      `${node("without")} Cluster: ${nodes.without} in, ${nodes.without} out with another source and destination, ${nodes.with} in, ${nodes.with} out; the server saw ${addresses.without}`,
      `${node("without")} Local: ${nodes.without} in; the server saw nothing`,
      `${node("with")} Cluster: ${nodes.with} in, ${nodes.with} out with another source and destination; the server saw ${addresses.link}`,
      `${node("with")} Local: ${nodes.with} in, ${nodes.with} out with another destination; the server saw ${addresses.outsider}`,
    ]);
  },
  control: live(
    "the pod's node gives what comes from outside another source, and policy Local is stored as Cluster",
    async (lab) => {
      const [node, other] = [lab.worker(0), lab.worker(1)];
      const [to = ""] = node.addresses;
      const rule = (from: string, ...mark: readonly string[]) => {
        const flow = ["-s", from, "-p", "tcp", "--dport", "8080", ...mark];
        return iptablesRule(lab, node, "nat", "POSTROUTING", ...flow, "-j", "SNAT", "--to-source", to);
      };
      await rule(lab.outsiderAddress, "-m", "mark", "--mark", "0x4000/0x4000");
      await rule(other.addresses[0] ?? "");
      const local = { kind: "Service", name: "path-by-local" } as const;
      await storeOtherwise(
        lab,
        local,
        "JSONPatch{op: 'replace', path: '/spec/externalTrafficPolicy', value: 'Cluster'}",
      );
    },
  ),
});

/** What this version's kube-proxy says when it is asked for a mode that does not exist; it checks before it does anything. */
async function modes(lab: Lab) {
  const node = lab.node(lab.worker(0));
  await outputOf(node, "kube-proxy's process, whose program is asked", ["pgrep", "-xo", "kube-proxy"]);
  const ask = async (mode: string) => {
    const {
      exitCode = null,
      stdout,
      stderr,
    } = await node.run(`kube-proxy --proxy-mode=${mode}`, [
      "sh",
      "-c",
      'exec /proc/$(pgrep -xo kube-proxy)/exe --proxy-mode="$0" --write-config-to=/dev/null',
      mode,
    ]);
    return { mode, exitCode, said: `${stdout}${stderr}` };
  };
  const tried = await Promise.all(["userspace", "iptables", "ipvs", "nftables", "kernelspace"].map(ask));
  // A gate that is deprecated says so when it is set; where it is unknown, ipvs is not deprecated by it yet.
  const gate = await node.run("the gate that governs ipvs", [
    "sh",
    "-c",
    "exec /proc/$(pgrep -xo kube-proxy)/exe --proxy-mode=ipvs --feature-gates=KubeProxyIPVS=true --write-config-to=/dev/null",
  ]);
  // It is said when kube-proxy runs in that mode, which takes IP_VS; here its program is asked for the words.
  const own = await node.run("what the program has to say of ipvs", [
    "sh",
    "-c",
    "grep -ao 'The ipvs proxier is now deprecated and may be removed in a future release' /proc/$(pgrep -xo kube-proxy)/exe",
  ]);
  const openFiles = await outputOf(node, "how many files a process of the node may have open", [
    "sh",
    "-c",
    "ulimit -Hn",
  ]);
  const help = (await node.run("kube-proxy --help", ["sh", "-c", "exec /proc/$(pgrep -xo kube-proxy)/exe --help"]))
    .stdout;
  return {
    accepted: tried.filter(({ exitCode }) => exitCode === 0).map(({ mode }) => mode),
    refusals: tried
      .filter(({ exitCode }) => exitCode !== 0)
      .map(({ mode, said }) => ({ mode, said: /must be [^"\n]*/.exec(said)?.[0] ?? said.trim().slice(-300) })),
    aboutModes: help.split("\n").find((line) => line.includes("--proxy-mode")) ?? "",
    aboutIpvs: `${gate.stderr.trim()}\n${own.stdout.trim()}`.trim(),
    openFiles: openFiles.trim(),
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
  control: {
    name: "kube-proxy takes userspace too (what it takes is in its program)",
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
  control: {
    name: "kube-proxy takes userspace too (what it takes is in its program)",
    alter: ({ accepted, ...rest }) => ({ ...rest, accepted: ["userspace", ...accepted] }),
  },
});

claim("userspace-is-slower", {
  observe: kubeProxyModes,
  judge: ({ accepted, refusals, openFiles }) => {
    positiveControl(accepted.includes("iptables"), "kube-proxy takes iptables");
    // kube-proxy asks for so many in this mode (Kubernetes 1.25, pkg/proxy/userspace); `unlimited` is no number.
    if (accepted.includes("userspace") && Number(openFiles) < 64_000)
      throw new NeedsFeature(
        `64,000 open files, for which kube-proxy asks in this mode: here it may have ${openFiles}`,
      );
    if (!accepted.includes("userspace"))
      throw new NeedsFeature(
        `a kube-proxy that still has the userspace mode: this one says ${refusals.find(({ mode }) => mode === "userspace")?.said}`,
      );
    throw new Inconclusive("userspace is there, and its speed was not measured");
  },
});

claim("iptables-is-the-default-mode", {
  observe: kubeProxyModes,
  judge: ({ refusals, aboutModes }) => {
    positiveControl(refusals.length > 0, "kube-proxy says what it takes when it refuses a mode");
    expect(aboutModes, "what kube-proxy's help says of the modes").toMatch(
      // Until 1.25 in other words.
      /'iptables' \(default|default value is 'iptables' on Linux/,
    );
  },
  control: {
    name: "kube-proxy's help names another default (it is in its program)",
    alter: ({ aboutModes, ...rest }) => ({ ...rest, aboutModes: aboutModes.replace("'iptables'", "'nftables'") }),
  },
});

claim("ipvs-suits-large-clusters", {
  observe: kubeProxyModes,
  judge: ({ accepted, aboutIpvs, aboutModes }) => {
    positiveControl(aboutModes !== "", "kube-proxy's help can be read");
    expect(accepted, "modes that kube-proxy takes").toContain("ipvs");
    const said = aboutIpvs.split("\n").map((line) => line.replace(/^(?:\[stderr\] )?[IWE]\d{4} .*?\] /, ""));
    const deprecated = [...new Set(said.filter((line) => /deprecated/i.test(line)))];
    expect(deprecated, "kube-proxy's own words against ipvs").toEqual([]);
  },
  control: {
    name: "kube-proxy says nothing against ipvs (what it says is in its program)",
    alter: (observation) => ({ ...observation, aboutIpvs: "" }),
  },
});

claim("ipvs-is-more-efficient", {
  observe: kubeProxyModes,
  judge: () => {
    throw new Inconclusive("the kernel has IPVS, and its speed was not measured");
  },
});
