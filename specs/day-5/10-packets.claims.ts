import { expect } from "vitest";
import { storeOtherwise } from "../../helpers/changes/admission.ts";
import { iptablesRule } from "../../helpers/changes/iptables.ts";
import { patch } from "../../helpers/changes/json-patch.ts";
import { moveFile, wrapProgram } from "../../helpers/changes/nodes.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import { live } from "../../helpers/lab/spec.ts";
import { outputOf } from "../../helpers/probe/peer.ts";
import { claim, printed } from "./article.ts";
import { kept, lane, publish, webApp, welcome } from "./lab-changes.ts";
import { walk } from "./walkthrough.ts";

/** Has the node's tcpdump take the node port too: all that is seen on eth0 where the node has the pods itself. */
async function watchNodePort(lab: Lab): Promise<void> {
  await wrapProgram(lab, lab.controlPlane, "tcpdump", (aside) => [`exec ${aside} "$@" or port 30080`]);
}

const publishedAndWatched = live(
  "the node port of the control plane is published on the host's localhost, and where it is the only node tcpdump takes that port",
  async (lab) => {
    await publish(lab);
    if (lab.nodes.length === 1) await watchNodePort(lab);
  },
  { lane },
);

const podsOnTheNode = live(
  "the node that is asked has all pods itself, or where it is the only one tcpdump takes the node port",
  async (lab) => {
    if (lab.nodes.length === 1) return watchNodePort(lab);
    await storeOtherwise(lab, { ...webApp, ...kept }, patch.add("/spec/template/spec/nodeName", lab.controlPlane.name));
  },
  { lane },
);

claim("docker-exec-opens-a-shell", {
  slow: true,
  observe: async (lab) => ({ shell: await walk(lab, "enter the node"), node: lab.controlPlane.name }),
  judge: ({ shell, node }) => {
    expect(shell.exitCode, `exit code of ${shell.typed} ${shell.stderr}`).toBe(0);
    expect(shell.stdout.split("\n")[0], "what hostname prints in it").toBe(node);
  },
  control: live(
    "the node has no bash",
    async (lab) => {
      const node = lab.controlPlane;
      const bash = (await outputOf(node, "where bash is", ["sh", "-c", "readlink -f $(which bash)"])).trim();
      await moveFile(lab, node, bash, `${bash}-aside`);
    },
    { alone: true, lane },
  ),
});

claim("apt-installs-tcpdump", {
  slow: true,
  observe: async (lab) => {
    const { before, installed, works } = await walk(lab, "install tcpdump");
    return { before, exitCode: installed.exitCode, said: installed.stdout, works };
  },
  judge: ({ exitCode, said, works }) => {
    expect(exitCode, `exit code of ${printed.step("install tcpdump").text}`).toBe(0);
    expect(said, "what apt-get said").toMatch(/tcpdump is already the newest version|Setting up tcpdump/);
    expect(works, "tcpdump runs in the node afterwards").toBe(true);
  },
  control: {
    name: "apt-get ends well and has installed nothing (what is installed once is not installed again)",
    alter: (observation) => ({ ...observation, said: "Reading package lists...", works: false }),
  },
});

claim("tcpdump-command-line-is-valid", {
  slow: true,
  observe: (lab) => walk(lab, "capture packets"),
  judge: ({ options, seen }) => {
    positiveControl(
      /syntax error|can't parse|unknown host|illegal/i.test(options),
      `where options must come first it is refused: ${options}`,
    );
    const [first] = seen;
    expect(first?.listening, "what tcpdump said when it started").toMatch(/^listening on eth0/);
    for (const line of first?.asPrinted ?? []) expect(line, "addresses, as -n asks for").not.toMatch(/kind|localhost/);
  },
  control: {
    name: "tcpdump refuses the command line",
    alter: (observation) => ({
      ...observation,
      seen: observation.seen.map((each) => ({ ...each, listening: "tcpdump: syntax error" })),
    }),
  },
});

claim("eth0-port-80-shows-the-nodeport-traffic", {
  slow: true,
  observe: (lab) => walk(lab, "capture packets"),
  judge: ({ seen }) => {
    const byAddress = seen.find(({ name }) => name.startsWith("the node's address"));
    positiveControl((byAddress?.answered ?? 0) > 0, "the node port answers");
    positiveControl((byAddress?.withNodePort ?? 0) > 0, "a capture with port 30080 shows the requests");
    expect(
      byAddress?.asPrinted.length,
      `packets of the requests that the article's tcpdump printed, beside ${byAddress?.withNodePort} in a capture with port 30080`,
    ).toBeGreaterThan(0);
  },
  corrected: ({ seen }) => {
    const byAddress = seen.find(({ name }) => name.startsWith("the node's address"));
    positiveControl((byAddress?.answered ?? 0) > 0, "the node port answers");
    expect(byAddress?.asPrinted, "packets of the requests with port 80").toEqual([]);
    expect(byAddress?.withNodePort, "packets of the requests that a capture with port 30080 shows").toBeGreaterThan(0);
  },
  control: podsOnTheNode,
});

claim("localhost-in-the-node-reaches-the-nodeport", {
  slow: true,
  observe: async (lab) => {
    const answers = await walk(lab, "ask the nodes from beside them");
    return { atItsAddress: answers[0], ...(await walk(lab, "ask localhost in the node")) };
  },
  judge: ({ atItsAddress, none, asked }) => {
    positiveControl(atItsAddress?.outcome === "answered", "the node port answers at the node's address");
    positiveControl(none.outcome === "refused", "a port on which nobody listens refuses in the node");
    expect(asked.body, `http://localhost:30080, asked inside the control plane, was ${asked.outcome}`).toContain(
      welcome,
    );
  },
  corrected: ({ atItsAddress, asked }) => {
    expect(atItsAddress?.outcome, "the node port at the node's IP").toBe("answered");
    expect(asked.outcome, "http://localhost:30080, asked inside the control plane").toBe("refused");
  },
  control: live(
    "the rules for node ports are not for localhost on the control plane",
    (lab) =>
      iptablesRule(
        lab,
        lab.controlPlane,
        "nat",
        "OUTPUT",
        ...["-d", "127.0.0.0/8", "-p", "tcp", "--dport", "30080", "-j", "ACCEPT"],
      ),
    { lane },
  ),
});

claim("curl-in-another-terminal-shows-packets", {
  slow: true,
  observe: (lab) => walk(lab, "capture packets"),
  judge: ({ seen }) => {
    const onTheHost = seen.find(({ name }) => name.startsWith("localhost, asked on the host"));
    positiveControl(
      seen.some(({ name, withNodePort }) => name !== onTheHost?.name && withNodePort > 0),
      "asked at the node's address, a capture with port 30080 shows packets",
    );
    expect(
      onTheHost?.asPrinted.length,
      `packets that the article's tcpdump printed while the host asked 20 times for http://localhost:30080, which answered ${onTheHost?.answered} times`,
    ).toBeGreaterThan(0);
  },
  corrected: ({ seen }) => {
    const byAddress = seen.find(({ name }) => name.startsWith("the node's address"));
    positiveControl((byAddress?.answered ?? 0) > 0, "the node port answers at the node's address");
    expect(
      byAddress?.asPrinted.length,
      "packets that the article's tcpdump printed while the node port was asked 20 times at the node's address",
    ).toBeGreaterThan(0);
  },
  control: publishedAndWatched,
});
