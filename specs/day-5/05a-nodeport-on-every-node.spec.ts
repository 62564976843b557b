import { expect } from "vitest";
import { refuse, storeOtherwise } from "../../helpers/changes/admission.ts";
import { rules } from "../../helpers/changes/iptables.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { whoAnswers } from "../../helpers/lab/ask.ts";
import { leadsTo } from "../../helpers/lab/objects.ts";
import { live } from "../../helpers/lab/spec.ts";
import { refusalOf } from "../../helpers/probe/api.ts";
import { meet } from "../../helpers/probe/http.ts";
import { claim } from "./article.ts";
import { articleRange, isInRange, isTaken, portsWith, rangeOf, tryPort } from "./node-ports.ts";

const closedOnOneNode = live(
  "one node drops what comes for the node port from outside",
  async (lab) => {
    const { nodePort } = lab.service("web-nodeport");
    await rules(lab, lab.worker(0)).drop({ from: lab.outsider.address, port: nodePort });
  },
  { alone: true },
);

claim("nodeport-on-every-node", {
  observe: async (lab) => {
    const service = await lab.services.get("web-nodeport");
    const nodesWithEndpoint = new Set([lab.worker(0).name, lab.worker(1).name]);
    return {
      port: service.nodePort,
      nodes: await Promise.all(
        lab.nodes.map(async (node) => ({
          node: node.name,
          hasEndpoint: nodesWithEndpoint.has(node.name),
          answer: await whoAnswers(lab, lab.outsider, service.at(node)),
        })),
      ),
    };
  },
  judge: ({ port, nodes }) => {
    positiveControl(
      nodes.some(({ hasEndpoint }) => !hasEndpoint),
      "a node without a pod of the Service is among them",
    );
    for (const { node, answer } of nodes) expect(answer.outcome, `port ${port} of ${node}`).toBe("answered");
  },
  control: closedOnOneNode,
});

claim("nodeport-is-static", {
  slow: true,
  observe: async (lab) => {
    const namespace = await lab.ownNamespace("static");
    const labels = { app: "static" };
    const object = lab.objects.service("static", { type: "NodePort", ...leadsTo(labels) }, namespace);
    const { nodePort } = await lab.services.createFrom("a NodePort Service", object);
    const pod = lab.objects.serverPod("first", labels, {}, namespace);
    await lab.pods.start(pod);
    const node = lab.worker(1);
    const ask = (who: string) =>
      lab.eventually(
        () => meet(lab.outsider, node.on(nodePort), lab.timeouts.attempt),
        (answer) => answer.pod === who,
      );
    const answers = [await ask("first")];
    await lab.pods.start(lab.objects.serverPod("second", labels, {}, namespace));
    await lab.api.delete("the first pod", pod);
    answers.push(await ask("second"));
    const other = { app: "another" };
    await lab.pods.start(lab.objects.serverPod("third", other, {}, namespace));
    await lab.api.patch("select other pods", object, { spec: { selector: other } });
    answers.push(await ask("third"));
    const { nodePort: stored } = await lab.services.get("static", { title: "the Service", namespace });
    const rival = lab.objects.service("rival", { type: "NodePort", ports: portsWith(nodePort) }, namespace);
    const answer = await lab.api.tryCreate("another Service that asks for the port", rival);
    return {
      ...{ nodePort, stored },
      answers: answers.map(({ pod }) => pod),
      rival: { code: answer.code, message: refusalOf(answer) },
    };
  },
  judge: ({ nodePort, stored, answers, rival }) => {
    expect(stored, "the node port after all that").toBe(nodePort);
    expect(answers, "who answered at it, before and after each change").toEqual(["first", "second", "third"]);
    expect(isTaken(rival), `node port ${nodePort} kept from others (HTTP ${rival.code} ${rival.message})`).toBe(true);
  },
  control: live("the Service is given another node port when its selector changes", (lab) =>
    storeOtherwise(
      lab,
      { kind: "Service", name: "static", operations: ["CREATE", "UPDATE"] },
      // What is created is left as it is.
      `JSONPatch{
        op: 'add',
        path: oldObject == null ? '/spec/ports/0/targetPort' : '/spec/ports/0/nodePort',
        value: oldObject == null ? 8080 : 30061
      }`,
    ),
  ),
});

claim("nodeport-default-range", {
  observe: async (lab) => {
    // Each port of a Service is given a node port of its own.
    const ports = Array.from({ length: 30 }, (_, index) => ({
      name: `any-${index}`,
      port: 80 + index,
      targetPort: 8080,
    }));
    const { nodePorts } = await lab.services.create("any-ports", {
      type: "NodePort",
      selector: { app: "server" },
      ports,
    });
    return {
      allotted: nodePorts.toSorted((a, b) => a - b),
      ends: await Promise.all([articleRange.first, articleRange.last].map((port) => tryPort(lab, port))),
    };
  },
  judge: ({ allotted, ends }) => {
    positiveControl(allotted.length === 30, "all ports are given a node port");
    for (const port of allotted)
      expect(
        port >= articleRange.first && port <= articleRange.last,
        `allotted port ${port} inside ${articleRange.first}–${articleRange.last}`,
      ).toBe(true);
    for (const { nodePort, code, message } of ends) {
      const inRange = isInRange({ code, message });
      expect(inRange, `port ${nodePort}, an end of the range, may be asked for (HTTP ${code} ${message})`).toBe(true);
    }
  },
  control: live("the API server refuses the first port of the range", (lab) =>
    refuse(lab, { kind: "Service", name: `port-${articleRange.first}` }, "not this port"),
  ),
});

claim("nodeport-reachable-from-outside", {
  observe: async (lab) => {
    const service = await lab.services.get("web-nodeport");
    const node = lab.worker(0);
    const [lowest, highest] = rangeOf(lab);
    // Not of the range, so that nobody is given it; a range may leave none.
    const outside = [lowest - 1, highest + 1].find((other) => other > 0 && other < 65_536);
    return {
      closed: outside === undefined ? null : await meet(lab.outsider, node.on(outside), lab.timeouts.silence),
      answer: await whoAnswers(lab, lab.outsider, service.at(node)),
    };
  },
  judge: ({ closed, answer }) => {
    positiveControl(closed?.outcome !== "answered", "a port that no Service has does not answer");
    expect(answer.outcome, `${answer.to}, asked from outside the cluster`).toBe("answered");
  },
  control: closedOnOneNode,
});
