import { expect } from "vitest";
import { claim } from "../helpers/claim/claim.ts";
import { positiveControl } from "../helpers/claim/verdict.ts";
import { hostPort } from "../helpers/probe/http.ts";
import { outputOf } from "../helpers/probe/peer.ts";

claim("nodeport-on-localhost-of-the-host", {
  observe: async (lab) => ({
    onTheNode: await lab.fromHost(`http://${hostPort(lab.controlPlane.addresses[0] ?? "", 30_080)}/hostname`),
    onLocalhost: await lab.fromHost("http://localhost:30080/hostname"),
  }),
  judge: ({ onTheNode, onLocalhost }) => {
    positiveControl(onTheNode.outcome === "answered", "the host is answered at the node's own address and port 30080");
    expect(onLocalhost.outcome, "http://localhost:30080, asked on the host").toBe("answered");
  },
});

claim("kind-nodes-are-containers", {
  observe: async (lab) => {
    const listed = await outputOf(lab.containerEngine, "the containers with kind's label for this cluster", [
      "ps",
      "--filter",
      `label=io.x-k8s.kind.cluster=${lab.world.cluster}`,
      "--format",
      "{{.Names}}",
    ]);
    return { nodes: lab.world.nodes.map(({ name }) => name), containers: listed.split("\n").filter(Boolean) };
  },
  judge: ({ nodes, containers }) => {
    expect(new Set(containers), "containers of the cluster").toEqual(new Set(nodes));
  },
});

claim("container-list-shows-node-ip", {
  observe: async (lab) => {
    const table = await outputOf(lab.containerEngine, "the article's command", ["container", "ls"]);
    const lines = table.split("\n").filter(Boolean);
    return {
      header: lines[0]?.split(/ {2,}/) ?? [],
      node: lab.controlPlane,
      row: lines.find((line) => line.includes(lab.controlPlane.name)) ?? null,
    };
  },
  judge: ({ header, node, row }) => {
    positiveControl(row !== null, `the list shows ${node.name}`);
    expect(row, `the row of ${node.name}, under the columns ${header.join(", ")}`).toContain(node.addresses[0]);
  },
});

claim("only-the-api-server-is-published", {
  observe: async (lab) => {
    const ports = await Promise.all(
      lab.world.nodes.map(async ({ name }) => ({
        node: name,
        published: (await outputOf(lab.containerEngine, `published ports of ${name}`, ["port", name]))
          .split("\n")
          .filter(Boolean),
      })),
    );
    return { ports };
  },
  judge: ({ ports }) => {
    const published = ports.flatMap((entry) => entry.published);
    positiveControl(
      published.some((line) => line.startsWith("6443/tcp")),
      "the API server's port is published",
    );
    const nodePorts = published
      .map((line) => Number.parseInt(line, 10))
      .filter((port) => port >= 30_000 && port <= 32_767);
    expect(nodePorts, `node ports that are published to the host; published is ${published.join(", ")}`).not.toEqual(
      [],
    );
  },
});

claim("node-ip-answers-on-linux", {
  observe: async (lab) => ({
    answers: await Promise.all(
      lab.world.nodes.map(({ addresses }) => lab.fromHost(`http://${hostPort(addresses[0] ?? "", 30_080)}/hostname`)),
    ),
    closed: await lab.fromHost(`http://${hostPort(lab.controlPlane.addresses[0] ?? "", 30_081)}/hostname`),
  }),
  judge: ({ answers, closed }) => {
    positiveControl(closed.outcome !== "answered", "the port beside it does not answer");
    for (const { to, outcome } of answers) expect(outcome, `${to}, asked on the host`).toBe("answered");
  },
});

claim("inspect-template-shows-node-ip", {
  observe: async (lab) => {
    const template = "{{.NetworkSettings.Networks.kind.IPAddress}}";
    const printed = await outputOf(lab.containerEngine, "the article's command, with the container's own name", [
      "container",
      "inspect",
      lab.controlPlane.name,
      "-f",
      template,
    ]);
    return { printed: printed.trim(), node: lab.controlPlane };
  },
  judge: ({ printed, node }) => {
    expect(printed, `what the command printed for ${node.name}`).toBe(node.addresses[0]);
  },
});
