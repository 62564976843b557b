import { expect } from "vitest";
import { rowsOf } from "../../helpers/article/printed.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { live } from "../../helpers/lab/spec.ts";
import { outputOf } from "../../helpers/probe/peer.ts";
import { claim, printed } from "./article.ts";
import { lane, otherPorts, otherServer, publish, refused, welcome } from "./lab-changes.ts";
import { walk } from "./walkthrough.ts";

const published = live("the node port of the control plane is published on the host's localhost", publish, { lane });

claim("apply-creates-the-nodeport-service", {
  observe: (lab) => walk(lab, "create the NodePort Service"),
  judge: ({ exitCode, stdout, stderr, typed }) => {
    expect(exitCode, `exit code of ${typed}: ${stderr}`).toBe(0);
    expect(stdout.trim(), "what it said").toBe("service/web-nodeport created");
  },
  control: refused,
});

claim("sample-of-get-svc-nodeport", {
  observe: (lab) => walk(lab, "look at the NodePort Service"),
  judge: ({ stdout, typed }) => {
    const [header, row] = rowsOf(stdout);
    const { rows, compare, compared, cell } = printed.step("look at the NodePort Service").sample();
    expect(header, `columns of ${typed}`).toEqual(rows[0]);
    const seen = compared(row);
    for (const [index, column] of compare.entries()) expect(seen[index], column).toBe(cell(column));
  },
  control: otherPorts,
});

claim("kind-nodes-are-containers", {
  observe: async (lab) => {
    const listed = await outputOf(lab.engine, "the containers with kind's label for this cluster", [
      "ps",
      "--filter",
      `label=io.x-k8s.kind.cluster=${lab.world.cluster}`,
      "--format",
      "{{.Names}}",
    ]);
    return { nodes: lab.nodes.map(({ name }) => name), containers: listed.split("\n").filter(Boolean) };
  },
  judge: ({ nodes, containers }) => {
    positiveControl(nodes.length > 0, "the cluster has nodes");
    // Several control planes have a load balancer, which is a container too.
    expect(
      nodes.filter((node) => !containers.includes(node)),
      "nodes without a container of their name",
    ).toEqual([]);
  },
  control: {
    name: "a node runs on a machine of its own (kind makes containers only)",
    alter: ({ nodes, containers }) => ({ nodes: [...nodes, "machine"], containers }),
  },
});

claim("control-plane-is-named-after-the-cluster", {
  observe: async (lab) => {
    await walk(lab, "list the containers");
    return { cluster: lab.world.cluster, controlPlane: lab.controlPlane.name };
  },
  judge: ({ cluster, controlPlane }) => {
    // The article's cluster has kind's default name, kind.
    expect(controlPlane, `the control plane's container of the cluster ${cluster}`).toBe(
      printed
        .sample("name of the control plane")
        .text.match(/kind-(control-plane)/)?.[0]
        ?.replace(/^kind/, cluster),
    );
  },
  control: {
    name: "its container has another name (kind names it once)",
    alter: (observation) => ({
      ...observation,
      controlPlane: "control-plane",
    }),
  },
});

claim("container-list-shows-node-ip", {
  observe: async (lab) => {
    const listed = await walk(lab, "list the containers");
    const names = rowsOf(listed.stdout).map((cells) => cells.at(-1) ?? "");
    const found = names.find((name) => name === lab.controlPlane.name) ?? "";
    const addresses = await lab.engine.run("addresses of the container of that name", [
      ...["container", "inspect", found, "--format"],
      "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.GlobalIPv6Address}} {{end}}",
    ]);
    return { names, addresses: addresses.stdout.split(/\s+/), node: lab.controlPlane };
  },
  judge: ({ names, addresses, node }) => {
    expect(names, "names in the list").toContain(node.name);
    expect(addresses, `addresses of the container ${node.name}`).toContain(node.addresses[0]);
  },
  control: {
    name: "the list lacks the node's container (what runs is listed)",
    alter: ({ names, ...others }) => ({ ...others, names: names.filter((name) => name !== others.node.name) }),
  },
});

claim("sample-of-container-ls", {
  observe: async (lab) => ({ listed: await walk(lab, "list the containers"), node: lab.controlPlane.name }),
  judge: ({ listed, node }) => {
    const [header, ...rows] = rowsOf(listed.stdout);
    const sample = printed.step("list the containers").sample();
    expect(header, "columns").toEqual(sample.rows[0]);
    const row = rows.find((cells) => cells.at(-1) === node) ?? [];
    const seen = sample.compared(row);
    for (const [index, column] of sample.compare.entries()) expect(seen[index], column).toBe(sample.cell(column));
    // Of which address is a setting of the cluster's, and others may be published beside it.
    expect(row.at(-2), "PORTS").toMatch(/:\d+->6443\/tcp/);
  },
  control: {
    name: "the node's container publishes nothing (what is published stays so)",
    alter: ({ listed, node }) => ({
      listed: { ...listed, stdout: listed.stdout.replaceAll("->6443/tcp", "") },
      node,
    }),
  },
});

claim("sample-image-is-current", {
  observe: async (lab) => {
    const rows = rowsOf((await walk(lab, "list the containers")).stdout);
    return {
      image: rows.find((cells) => cells.at(-1) === lab.controlPlane.name)?.[1] ?? "",
      kubernetes: lab.world.kubernetes,
    };
  },
  judge: ({ image, kubernetes }) => {
    positiveControl(image !== "", "the list shows the control plane's image");
    // An image of one's own may have another tag; then it says nothing of a version.
    const [, version = kubernetes] = /:(v\d+\.\d+\.\d+)/.exec(image) ?? [];
    expect(version, `the version that the image ${image} is named after`).toBe(kubernetes);
  },
  control: {
    name: "the image is that of the sample, or of a version that is none (a node runs what its image has)",
    alter: ({ kubernetes }) => ({
      image: `kindest/node:${kubernetes === "v1.24.0" ? "v1.0.0" : "v1.24.0"}`,
      kubernetes,
    }),
  },
});

claim("one-container-per-node", {
  observe: async (lab) => ({
    listed: await walk(lab, "list the containers"),
    nodes: lab.nodes.map(({ name }) => name),
  }),
  judge: ({ listed, nodes }) => {
    const names = rowsOf(listed.stdout).map((cells) => cells.at(-1));
    for (const node of nodes) expect(names.filter((name) => name === node).length, `lines of ${node}`).toBe(1);
  },
  control: {
    name: "one more node, without a container",
    alter: ({ listed, nodes }) => ({ listed, nodes: [...nodes, "machine"] }),
  },
});

claim("nodeport-on-localhost-of-the-host", {
  observe: async (lab) => ({
    onTheNode: await walk(lab, "ask the nodes from beside them"),
    onLocalhost: await walk(lab, "ask localhost on the host"),
  }),
  judge: ({ onTheNode, onLocalhost: { asked, servedBy } }) => {
    positiveControl(
      onTheNode.every(({ outcome }) => outcome === "answered"),
      "beside the nodes one is answered at their own addresses and port 30080",
    );
    const byAnother = asked.outcome === "answered" && servedBy.length === 0;
    expect(byAnother ? "answered by another program" : asked.outcome, "http://localhost:30080, asked on the host").toBe(
      "answered",
    );
  },
  corrected: ({ onTheNode, onLocalhost: { asked, servedBy } }) => {
    positiveControl(onTheNode.length > 0, "the nodes were asked");
    for (const { to, outcome } of onTheNode) expect(outcome, `${to}, asked beside the nodes`).toBe("answered");
    const leadsThere = asked.outcome === "answered" && servedBy.length > 0;
    expect(
      leadsThere ? "answered by the Service" : "not led to the Service",
      "http://localhost:30080, asked on the host",
    ).toBe("not led to the Service");
  },
  control: published,
});

claim("only-the-api-server-is-published", {
  observe: async (lab) => {
    const ports = await Promise.all(
      lab.nodes.map(async ({ name }) => ({
        node: name,
        published: (await outputOf(lab.engine, `published ports of ${name}`, ["port", name]))
          .split("\n")
          .filter(Boolean),
      })),
    );
    return { ports, range: lab.world.nodePortRange.split("-").map(Number) };
  },
  judge: ({ ports, range: [first = 0, last = 0] }) => {
    const published = ports.flatMap((entry) => entry.published);
    positiveControl(
      published.some((line) => line.startsWith("6443/tcp")),
      "the API server's port is published",
    );
    const nodePorts = published
      .map((line) => Number.parseInt(line, 10))
      .filter((port) => port >= first && port <= last && port !== 6443);
    expect(nodePorts, `node ports that are published to the host; published is ${published.join(", ")}`).not.toEqual(
      [],
    );
  },
  corrected: ({ ports, range: [first = 0, last = 0] }) => {
    const published = ports.flatMap((entry) => entry.published);
    positiveControl(
      published.some((line) => line.startsWith("6443/tcp")),
      "the API server's port is published",
    );
    const nodePorts = published.filter((line) => {
      const port = Number.parseInt(line, 10);
      return port >= first && port <= last && port !== 6443;
    });
    expect(nodePorts, "node ports that are published to the host").toEqual([]);
  },
  control: {
    name: "a node port is published too (only a new container can)",
    alter: ({ ports, range }) => ({
      ports: [...ports, { node: "another", published: [`${range[0]}/tcp -> 0.0.0.0:30080`] }],
      range,
    }),
  },
});

claim("node-ip-answers-on-linux", {
  observe: (lab) => walk(lab, "ask the nodes on the host"),
  judge: ({ answers, closed, apiServer }) => {
    positiveControl(closed.outcome !== "answered", "the port beside it does not answer");
    positiveControl(apiServer.outcome === "answered", "the API server answers at the node's address");
    for (const { to, body } of answers) expect(body, `${to}, asked on the host`).toContain(welcome);
  },
  control: otherServer,
});

claim("inspect-template-shows-node-ip", {
  observe: async (lab) => {
    const inspected = await walk(lab, "inspect the node");
    const node = lab.controlPlane;
    if (lab.family === "ipv4") return { inspected, node };
    const template = "{{.NetworkSettings.Networks.kind.GlobalIPv6Address}}";
    const inspect = ["container", "inspect", node.name, "-f", template];
    const byOtherField = (await outputOf(lab.engine, "the same with the field for IPv6", inspect)).trim();
    return { inspected, node, byOtherField };
  },
  judge: ({ inspected, node }) => {
    expect(node.addresses, `addresses of ${node.name}, of which the command printed one ${inspected.stderr}`).toContain(
      inspected.stdout.trim(),
    );
  },
  corrected: ({ node, byOtherField }) => {
    positiveControl(byOtherField !== undefined, "the command was typed with GlobalIPv6Address");
    expect(node.addresses, `addresses of ${node.name}, of which the command printed one`).toContain(byOtherField);
  },
  control: {
    name: "the node is in two networks (a node that changes networks is lost)",
    alter: ({ inspected, ...rest }) => ({
      ...rest,
      inspected: { ...inspected, stdout: `${inspected.stdout.trim()}172.17.0.9\n` },
    }),
  },
});
