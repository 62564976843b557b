import { connect, createServer } from "node:net";
import type { V1Pod, V1ReplicaSet, V1Service } from "@kubernetes/client-node";
import ipaddr from "ipaddr.js";
import { expect } from "vitest";
import { printed, printedCommand, printedObject } from "../helpers/claim/article.ts";
import { iptablesRule, moveFile, refuse, storeOtherwise, wrapProgram } from "../helpers/claim/changes.ts";
import { claim } from "../helpers/claim/claim.ts";
import { live } from "../helpers/claim/control.ts";
import type { Lab } from "../helpers/claim/lab.ts";
import { NeedsFeature, positiveControl } from "../helpers/claim/verdict.ts";
import { articleNamespace, walk } from "../helpers/claim/walkthrough.ts";
import { hostPort, request } from "../helpers/probe/http.ts";
import { lastAddresses } from "../helpers/probe/ip.ts";
import { outputOf } from "../helpers/probe/peer.ts";

/** What nginx greets with, whichever version serves it. */
const welcome = "Welcome to nginx!";

/** Lines and columns of what kubectl or docker printed. */
function rowsOf(text: string): string[][] {
  return text
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => line.trim().split(/ {2,}/));
}

/** The article's lab is typed in one namespace, so that one change is tried after another. */
const lane = "the article's lab";
const webApp = { kind: "Deployment", name: "web-app" } as const;
const kept = { operations: ["CREATE", "UPDATE"] } as const;
/** A Service of the article's lab; others have its names too. */
const labService = (name: string) => ({ kind: "Service", name, namespace: articleNamespace }) as const;

const refused = live(
  "the API server refuses what is applied",
  async (lab) => {
    await refuse(lab, webApp, "not here");
    await refuse(lab, labService("web-clusterip"), "not here");
    await refuse(lab, labService("web-nodeport"), "not here");
  },
  { lane },
);

const twoReplicas = live(
  "the Deployment asks for two pods",
  (lab) => storeOtherwise(lab, { ...webApp, ...kept }, "JSONPatch{op: 'add', path: '/spec/replicas', value: 2}"),
  { lane },
);

const strayPod = live(
  "a pod that is not the Deployment's has the label too",
  async (lab) => {
    const pod = lab.clientPod("stray", {}, articleNamespace);
    await lab.start({ ...pod, metadata: { ...pod.metadata, labels: { app: "web" } } });
  },
  { lane },
);

const otherPorts = live(
  "the Services get other ports than the manifests say",
  async (lab) => {
    const value = "JSONPatch{op: 'replace', path: '/spec/ports/0/port', value: 81}";
    await storeOtherwise(lab, labService("web-clusterip"), value);
    await storeOtherwise(lab, labService("web-nodeport"), value);
  },
  { lane },
);

const otherServer = live(
  "the Deployment's pods run another server than nginx",
  (lab) =>
    storeOtherwise(
      lab,
      { ...webApp, ...kept },
      `JSONPatch{op: 'replace', path: '/spec/template/spec/containers/0/image', value: '${lab.image("agnhost")}'}`,
      "JSONPatch{op: 'add', path: '/spec/template/spec/containers/0/args', value: ['netexec', '--http-port=80', '--udp-port=-1']}",
    ),
  { lane },
);

const published = live(
  "the node port of the control plane is published on the host's localhost",
  async (lab) => {
    const [address = ""] = lab.controlPlane.addresses;
    const server = createServer((client) => {
      const node = connect(30_080, address);
      client.pipe(node).pipe(client);
      for (const socket of [client, node]) socket.on("error", () => [client, node].map((each) => each.destroy()));
    });
    lab.afterwards(() => new Promise((closed) => server.close(() => closed())));
    await new Promise<void>((listening, failed) => {
      server.once("error", failed).listen(30_080, "127.0.0.1", () => listening());
    });
  },
  { lane },
);

// Step 1: a web application

claim("deployment-is-in-apps-v1", {
  observe: async (lab) => {
    const deployment = printedObject("182-202", lab.namespace);
    const { resources } = await lab.get<{ resources: { name: string; kind: string }[] }>(
      "resources of apps/v1",
      "/apis/apps/v1",
    );
    return {
      accepted: (await lab.tryCreate("would the printed Deployment be accepted", deployment, { dryRun: true })).code,
      listed: resources.some(({ name, kind }) => name === "deployments" && kind === "Deployment"),
      older: (
        await lab.tryCreate(
          "the same in extensions/v1beta1",
          { ...deployment, apiVersion: "extensions/v1beta1" },
          { dryRun: true },
        )
      ).code,
    };
  },
  judge: ({ accepted, listed, older }) => {
    positiveControl(older === 404, "a group and version that does not serve it is refused");
    expect(listed, "deployments among the resources of apps/v1").toBe(true);
    expect(accepted, "the answer to the printed Deployment").toBe(201);
  },
  control: refused,
});

claim("deployment-finds-its-pods-by-labels", {
  slow: true,
  observe: async (lab) => {
    const namespace = await lab.ownNamespace("by-labels");
    const labels = { app: "web" };
    const deployment = lab.serverDeployment("web-app", 2, labels, {}, namespace);
    await lab.create("a Deployment", deployment);
    const pods = await lab.readyPods(2, labels, namespace);
    const replicaSets = await lab.get<{ items: V1ReplicaSet[] }>(
      "its ReplicaSet",
      `/apis/apps/v1/namespaces/${namespace}/replicasets`,
    );
    const template = { metadata: { labels: { app: "x" } } };
    const mismatch = await lab.tryCreate(
      "one whose template has another label",
      {
        ...deployment,
        metadata: { name: "mismatch", namespace },
        spec: { ...(deployment["spec"] as object), template },
      },
      { dryRun: true },
    );
    const changed = await lab.patch("change the selector", deployment, {
      spec: { selector: { matchLabels: { app: "x" } } },
    });
    const [first] = pods;
    await lab.patch(
      "take the label off one pod",
      { apiVersion: "v1", kind: "Pod", metadata: { name: first?.metadata?.name ?? "", namespace } },
      { metadata: { labels: { app: null } } },
    );
    const after = await lab.readyPods(2, labels, namespace);
    return {
      owners: pods.map(({ metadata }) => metadata?.ownerReferences?.[0]?.name),
      replicaSet: replicaSets.items.map(({ metadata }) => ({
        name: metadata?.name,
        owner: metadata?.ownerReferences?.[0]?.name,
      })),
      mismatch: { code: mismatch.code, message: (mismatch.body as { message?: string }).message },
      changed: changed.code,
      before: pods.map(({ metadata }) => metadata?.name),
      after: after.map(({ metadata }) => metadata?.name),
    };
  },
  judge: ({ owners, replicaSet, mismatch, changed, before, after }) => {
    expect(
      replicaSet.map(({ owner }) => owner),
      "owners of the ReplicaSets",
    ).toEqual(["web-app"]);
    expect(new Set(owners), "owners of the pods").toEqual(new Set([replicaSet[0]?.name]));
    expect(mismatch.code, `a selector that does not fit the template: ${mismatch.message}`).toBe(422);
    expect(changed, "changing the selector later").toBe(422);
    expect(
      after.filter((name) => !before.includes(name)).length,
      "pods made anew for one whose label was taken off",
    ).toBe(1);
  },
  control: live(
    "a template is given the labels that the selector asks for",
    (lab) =>
      storeOtherwise(
        lab,
        { kind: "Deployment", name: "mismatch" },
        "JSONPatch{op: 'add', path: '/spec/template/metadata/labels', value: object.spec.selector.matchLabels}",
      ),
    { lane },
  ),
});

claim("nginx-1-21-serves", {
  observe: async (lab) => {
    const { clusterIP } = (await walk(lab, "applyClusterIp"), await clusterIPs(lab));
    const headers = await outputOf(lab.pod("client-1"), "what serves the pages", [
      "curl",
      "--silent",
      "--head",
      "--max-time",
      "5",
      `http://${clusterIP}/`,
    ]);
    return { image: lab.image("nginx"), server: /^server: (.+)$/im.exec(headers)?.[1]?.trim() ?? "" };
  },
  judge: ({ image, server }) => {
    positiveControl(server.startsWith("nginx"), "an nginx answers");
    if (!image.endsWith("nginx:1.21"))
      throw new NeedsFeature(
        `an image registry that has nginx:1.21: here ${image} stands in for it, and says ${server}`,
      );
    expect(server, "what the server says it is").toMatch(/^nginx\/1\.21\./);
  },
});

async function clusterIPs(lab: Parameters<typeof walk>[0]): Promise<{ clusterIP: string }> {
  const { spec } = await lab.get<V1Service>(
    "web-clusterip",
    `/api/v1/namespaces/${articleNamespace}/services/web-clusterip`,
  );
  return { clusterIP: spec?.clusterIP ?? "" };
}

claim("container-port-is-the-pods-port", {
  slow: true,
  observe: async (lab) => {
    const { namespace } = lab;
    const server = (name: string, containerPort: number) => {
      const container = { name: "nginx", image: lab.image("nginx"), ports: [{ containerPort }] };
      return lab.start(lab.serverPod(name, {}, { containers: [container] }, namespace));
    };
    const [declared = { status: {} }] =
      (await walk(lab, "deploy"), await lab.readyPods(3, { app: "web" }, articleNamespace));
    const ask = (address: string, port: number) =>
      request(lab.pod("client-1"), `http://${hostPort(address, port)}/`, lab.timeouts.silence);
    const answer = (address: string) =>
      lab.until(
        "nginx to answer",
        () => ask(address, 80),
        ({ outcome }) => outcome === "answered",
      );
    // The first thing: the article's lab goes on, and may delete that pod.
    const declaredAnswer = await answer(declared.status?.podIP ?? "");
    const wrong = await server("wrong", 81);
    return {
      declared: declaredAnswer,
      none: await answer(lab.pod("pair").address),
      wrong80: await answer(wrong.address),
      wrong81: await ask(wrong.address, 81),
    };
  },
  judge: ({ declared, none, wrong80, wrong81 }) => {
    positiveControl(wrong81.outcome === "refused", "a port that is declared and on which nothing listens refuses");
    expect(declared.body, "the page at port 80").toContain(welcome);
    // It documents; it opens nothing.
    expect([none.outcome, wrong80.outcome], "port 80 of nginx without the line and with another number in it").toEqual([
      "answered",
      "answered",
    ]);
  },
  control: otherServer,
});

claim("apply-creates-the-deployment", {
  observe: (lab) => walk(lab, "deploy"),
  judge: ({ applied, again }) => {
    expect(applied.exitCode, `exit code of ${applied.typed}: ${applied.stderr}`).toBe(0);
    expect(applied.stdout.trim(), "what it said").toBe("deployment.apps/web-app created");
    expect(again.stdout.trim(), "what it said the second time").toBe("deployment.apps/web-app unchanged");
  },
  control: refused,
});

claim("three-pods-run", {
  observe: (lab) => walk(lab, "listPods"),
  judge: ({ listed }) => {
    const [, ...rows] = rowsOf(listed.stdout);
    expect(rows.length, `lines below the header of ${listed.typed}`).toBe(3);
    for (const [name, ready, status] of rows)
      expect([ready, status], `READY and STATUS of ${name}`).toEqual(["1/1", "Running"]);
  },
  control: twoReplicas,
});

claim("label-query-shows-the-deployments-pods", {
  observe: (lab) => walk(lab, "listPods"),
  judge: ({ listed, pods }) => {
    const [, ...rows] = rowsOf(listed.stdout);
    positiveControl(pods.length > 0, "web-app's ReplicaSet has pods");
    expect(new Set(rows.map(([name]) => name)), "names that the query lists").toEqual(
      new Set(pods.map(({ name }) => name)),
    );
    expect(rows.length, "lines").toBe(pods.length);
  },
  control: strayPod,
});

claim("sample-of-get-pods", {
  observe: (lab) => walk(lab, "listPods"),
  judge: ({ listed, pods }) => {
    const [header, ...rows] = rowsOf(listed.stdout);
    expect(header, "columns").toEqual(rowsOf(printed("216"))[0]);
    const hash = pods[0]?.hash;
    const notStarted = pods.flatMap((pod) => pod.notStarted ?? []);
    positiveControl(notStarted.length === 0, `the runtime starts each container at once (${notStarted.join()})`);
    for (const [name, ready, status, restarts] of rows) {
      expect(name, "a name: Deployment, hash of the template, five letters").toMatch(
        new RegExp(`^web-app-${hash}-[bcdfghjklmnpqrstvwxz2456789]{5}$`),
      );
      expect([ready, status, restarts], `READY, STATUS and RESTARTS of ${name}`).toEqual(
        rowsOf(printed("217"))[0]?.slice(1, 4),
      );
    }
    expect(
      rowsOf(printed("217-219")).map(([name]) => name?.split("-").slice(0, 3).join("-")),
      "the sample's names: one hash",
    ).toEqual(Array.from({ length: 3 }, () => "web-app-6d8d8c4f7d"));
  },
  control: strayPod,
});

// Step 2: a ClusterIP Service

claim("apply-creates-the-clusterip-service", {
  observe: (lab) => walk(lab, "applyClusterIp"),
  judge: ({ applied, endpoints }) => {
    expect(applied.exitCode, `exit code of ${applied.typed}: ${applied.stderr}`).toBe(0);
    expect(applied.stdout.trim(), "what it said").toBe("service/web-clusterip created");
    expect(endpoints.length, "addresses in its EndpointSlices").toBe(3);
  },
  control: refused,
});

claim("sample-of-get-svc", {
  observe: (lab) => walk(lab, "getClusterIp"),
  judge: ({ stdout, typed }) => {
    const [header, row] = rowsOf(stdout);
    expect(header, `columns of ${typed}`).toEqual(rowsOf(printed("249"))[0]);
    const sample = rowsOf(printed("250"))[0];
    const without = (cells: readonly string[] | undefined) => cells?.filter((_, index) => index !== 2 && index !== 5);
    expect(without(row), "NAME, TYPE, EXTERNAL-IP and PORT(S)").toEqual(without(sample));
  },
  control: otherPorts,
});

claim("sample-cluster-ips-are-possible", {
  observe: async (lab) => {
    const samples = ["250", "293"].map((line) => rowsOf(printed(line))[0]?.[2] ?? "");
    const tried = async (clusterIP: string) => {
      const answer = await lab.tryCreate(
        `a Service with the clusterIP ${clusterIP}`,
        lab.serviceObject("sampled", { clusterIP, ports: [{ port: 80 }] }),
        { dryRun: true },
      );
      return { clusterIP, code: answer.code, isAnAddress: ipaddr.isValid(clusterIP) };
    };
    const subnet = lab.world.serviceSubnets[0] ?? "";
    return {
      samples: await Promise.all(samples.map(tried)),
      subnet,
      possible: await tried(lastAddresses(subnet, 77).split("-")[0] ?? ""),
    };
  },
  judge: ({ samples, subnet, possible }) => {
    positiveControl(possible.code === 201 && possible.isAnAddress, `an address of ${subnet} is accepted`);
    for (const { clusterIP, code, isAnAddress } of samples) {
      expect(
        isAnAddress ? "an IP address" : "no IP address",
        `what ${clusterIP} is (the API server answers ${code} to a Service with it)`,
      ).toBe("an IP address");
      expect(code, `a Service with the clusterIP ${clusterIP}`).toBe(201);
    }
  },
  control: {
    name: "the samples are addresses of the Service subnet",
    alter: (observation) => ({
      ...observation,
      samples: [observation.possible],
    }),
  },
});

claim("busybox-without-a-tag", {
  observe: async (lab) => {
    const ran = await lab.outsider.run("line 255 of the article, without a terminal", [
      "sh",
      "-c",
      `cd && ${printedCommand(255).replace(" --rm -it", "").replace("temp", "temp-literally")}`,
    ]);
    const object = { apiVersion: "v1", kind: "Pod", metadata: { name: "temp-literally", namespace: articleNamespace } };
    lab.afterwards(() => lab.requestDeletion("the pod", object));
    const path = `/api/v1/namespaces/${articleNamespace}/pods/temp-literally`;
    const pod = await lab.until(
      "its image to be pulled",
      () => lab.get<V1Pod>("the pod", path),
      ({ status }) => (status?.containerStatuses?.[0]?.imageID ?? "") !== "",
      lab.timeouts.podsReady,
    );
    return { exitCode: ran.exitCode, image: pod.status?.containerStatuses?.[0]?.image };
  },
  judge: ({ exitCode, image }) => {
    expect(exitCode, "exit code of kubectl run").toBe(0);
    expect(image, "the image that the pod runs").toContain("busybox");
  },
});

claim("temporary-pod-is-temporary", {
  observe: async (lab) => {
    const { exitCode, transcript } = await walk(lab, "temporaryPod");
    // Its shell may have been started once more by then, and has its whole grace period to end.
    const left = await lab.eventually(
      () => lab.outsider.run("is the pod still there", ["kubectl", "get", "pod", "temp"]),
      ({ stderr }) => stderr.includes("NotFound"),
      lab.timeouts.deletion + lab.timeouts.claimed,
    );
    return { exitCode, transcript, left: left.stderr.trim() };
  },
  judge: ({ exitCode, transcript, left }) => {
    expect(exitCode, `exit code of kubectl run, which ended with: ${transcript.trim().split("\n").at(-1)}`).toBe(0);
    expect(transcript, "what kubectl said in the end").toMatch(/pod "temp" deleted/);
    expect(left, "kubectl get pod temp afterwards").toContain("NotFound");
  },
  control: live(
    "a finalizer holds the temporary pod",
    async (lab) => {
      const temporary = { apiVersion: "v1", kind: "Pod", metadata: { name: "temp", namespace: articleNamespace } };
      const letGo = () => lab.patch("let it go", temporary, { metadata: { finalizers: null } });
      lab.afterwards(async () => void (await lab.until("it to be gone", letGo, ({ code }) => code === 404)));
      await storeOtherwise(
        lab,
        { kind: "Pod", name: "temp" },
        "JSONPatch{op: 'add', path: '/metadata/finalizers', value: ['kind-network-conformance.example/hold']}",
      );
    },
    { lane },
  ),
});

/** Has the temporary pod's own file of hosts lead a name to an address (hostAliases). */
async function nameInTemporaryPod(lab: Lab, name: string, address: string): Promise<void> {
  await storeOtherwise(
    lab,
    { kind: "Pod", name: "temp" },
    `JSONPatch{op: 'add', path: '/spec/hostAliases', value: [{'ip': dyn('${address}'), 'hostnames': dyn(['${name}'])}]}`,
  );
}

claim("welcome-page-by-name", {
  observe: (lab) => walk(lab, "temporaryPod"),
  judge: ({ outputs: [byName, , byAddress] }) => {
    positiveControl(byAddress?.includes(welcome) === true, "the same page comes from the clusterIP");
    expect(byName, `what ${printedCommand(258)} printed in the temporary pod`).toContain(welcome);
  },
  control: live(
    "the temporary pod has another address for the Service's name",
    (lab) => nameInTemporaryPod(lab, "web-clusterip", "127.0.0.1"),
    { lane },
  ),
});

claim("welcome-page-by-the-printed-ip", {
  observe: (lab) => walk(lab, "temporaryPod"),
  judge: ({ outputs: [, byPrintedAddress, byAddress], clusterIP }) => {
    positiveControl(
      byAddress?.includes(welcome) === true,
      `the page comes from the Service's real clusterIP ${clusterIP}`,
    );
    expect(byPrintedAddress?.trim(), `what ${printedCommand(260)} printed in the temporary pod`).toContain(welcome);
  },
  control: live(
    "the temporary pod has the Service's address under the printed one, as if that were a name",
    async (lab) => {
      // In the band that the API server leaves to those who choose (KEP-3070), so that nobody was given it.
      const [subnet = ""] = lab.world.serviceSubnets;
      const address = subnet.replace(/\.\d+\/\d+$/, ".123");
      const [, printedAddress = ""] = /(\S+)$/.exec(printedCommand(260)) ?? [];
      await storeOtherwise(
        lab,
        labService("web-clusterip"),
        `JSONPatch{op: 'add', path: '/spec/clusterIP', value: '${address}'}`,
      );
      await nameInTemporaryPod(lab, printedAddress, address);
    },
    { lane },
  ),
});

// Step 3: a NodePort Service

claim("apply-creates-the-nodeport-service", {
  observe: (lab) => walk(lab, "applyNodePort"),
  judge: ({ exitCode, stdout, stderr, typed }) => {
    expect(exitCode, `exit code of ${typed}: ${stderr}`).toBe(0);
    expect(stdout.trim(), "what it said").toBe("service/web-nodeport created");
  },
  control: refused,
});

claim("sample-of-get-svc-nodeport", {
  observe: (lab) => walk(lab, "getNodePort"),
  judge: ({ stdout, typed }) => {
    const [header, row] = rowsOf(stdout);
    expect(header, `columns of ${typed}`).toEqual(rowsOf(printed("292"))[0]);
    expect(row?.[4], "PORT(S)").toBe(rowsOf(printed("293"))[0]?.[4]);
    expect(row?.[1], "TYPE").toBe("NodePort");
  },
  control: otherPorts,
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
  control: live("a further container carries kind's label for this cluster", async (lab) => {
    await lab.container("it sleeps", "--label", `io.x-k8s.kind.cluster=${lab.world.cluster}`);
  }),
});

claim("control-plane-is-named-after-the-cluster", {
  observe: async (lab) => {
    await walk(lab, "listContainers");
    return { cluster: lab.world.cluster, controlPlane: lab.controlPlane.name };
  },
  judge: ({ cluster, controlPlane }) => {
    // The article's cluster has kind's default name, kind.
    expect(controlPlane, `the control plane's container of the cluster ${cluster}`).toBe(
      printed("303")
        .match(/kind-(control-plane)/)?.[0]
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
  observe: async (lab) => ({ listed: await walk(lab, "listContainers"), node: lab.controlPlane }),
  judge: ({ listed, node }) => {
    const [header, ...rows] = rowsOf(listed.stdout);
    const row = rows.find((cells) => cells.at(-1) === node.name);
    positiveControl(row !== undefined, `the list shows ${node.name}`);
    expect(row.join(" "), `the row of ${node.name}, under the columns ${header?.join(", ")}`).toContain(
      node.addresses[0],
    );
  },
  control: {
    name: "the list has the address behind the name (its columns are the engine's)",
    alter: ({ listed, node }) => ({
      listed: { ...listed, stdout: listed.stdout.replaceAll(" Up ", ` ${node.addresses[0]} Up `) },
      node,
    }),
  },
});

claim("sample-of-container-ls", {
  observe: async (lab) => ({ listed: await walk(lab, "listContainers"), node: lab.controlPlane.name }),
  judge: ({ listed, node }) => {
    const [header, ...rows] = rowsOf(listed.stdout);
    expect(header, "columns").toEqual(rowsOf(printed("306"))[0]);
    const row = rows.find((cells) => cells.at(-1) === node) ?? [];
    expect(row[2], "COMMAND").toBe(rowsOf(printed("307"))[0]?.[2]);
    expect(row.at(-2), "PORTS").toMatch(/^(?:127\.0\.0\.1|\[?::1\]?):\d+->6443\/tcp$/);
  },
  control: {
    name: "the node's container publishes nothing (what is published stays so)",
    alter: ({ listed, node }) => ({
      listed: { ...listed, stdout: listed.stdout.replaceAll(/127\.0\.0\.1:\d+->/g, "") },
      node,
    }),
  },
});

claim("sample-image-is-current", {
  observe: async (lab) => ({
    printed: /kindest\/node:v(\S+)/.exec(printed("307"))?.[1] ?? "",
    kubernetes: lab.world.kubernetes,
    kind: lab.world.kind,
    listed: (await walk(lab, "listContainers")).stdout,
  }),
  judge: ({ printed: sample, kubernetes, kind }) => {
    expect(
      `v${sample}`,
      `the Kubernetes version of the node that the sample shows; a cluster of kind ${kind} has`,
    ).toBe(kubernetes);
  },
  control: {
    name: "the sample has the cluster's version",
    alter: (observation) => ({
      ...observation,
      printed: observation.kubernetes.replace("v", ""),
    }),
  },
});

claim("one-container-per-node", {
  observe: async (lab) => ({
    listed: await walk(lab, "listContainers"),
    nodes: lab.world.nodes.map(({ name, role }) => ({ name, role })),
  }),
  judge: ({ listed, nodes }) => {
    const rows = rowsOf(listed.stdout);
    const shown = nodes.map(({ name, role }) => ({ name, role, row: rows.find((cells) => cells.at(-1) === name) }));
    expect(
      shown.filter(({ row }) => row === undefined).map(({ name }) => name),
      "nodes without a line",
    ).toEqual([]);
    expect(
      shown.filter(({ row }) => row?.some((cell) => cell.includes("->"))).map(({ role }) => role),
      "nodes with an entry under PORTS",
    ).toEqual(["control-plane"]);
  },
  control: {
    name: "one more node, without a container",
    alter: (observation) => ({
      ...observation,
      nodes: [...observation.nodes, { name: "machine", role: "worker" as const }],
    }),
  },
});

claim("nodeport-on-localhost-of-the-host", {
  observe: async (lab) => ({
    onTheNode: (await walk(lab, "curlNode")).answers,
    onLocalhost: await walk(lab, "curlLocalhost"),
  }),
  judge: ({ onTheNode, onLocalhost }) => {
    positiveControl(
      onTheNode.every(({ outcome }) => outcome === "answered"),
      "the host is answered at the nodes' own addresses and port 30080",
    );
    expect(onLocalhost.outcome, "http://localhost:30080, asked on the host").toBe("answered");
  },
  control: published,
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
  control: {
    name: "a node port is published too (only a new container can)",
    alter: ({ ports }) => ({
      ports: [...ports, { node: "another", published: ["30080/tcp -> 0.0.0.0:30080"] }],
    }),
  },
});

claim("node-ip-answers-on-linux", {
  observe: (lab) => walk(lab, "curlNode"),
  judge: ({ answers, closed, apiServer }) => {
    positiveControl(closed.outcome !== "answered", "the port beside it does not answer");
    positiveControl(apiServer.outcome === "answered", "the API server answers at the node's address");
    for (const { to, body } of answers) expect(body, `${to}, asked on the host`).toContain(welcome);
  },
  control: otherServer,
});

claim("inspect-template-shows-node-ip", {
  observe: async (lab) => ({ inspected: await walk(lab, "inspectNode"), node: lab.controlPlane }),
  judge: ({ inspected, node }) => {
    expect(inspected.stdout.trim(), `what the command printed for ${node.name} ${inspected.stderr}`).toBe(
      node.addresses[0],
    );
  },
  control: {
    name: "the node is in two networks (a node that changes networks is lost)",
    alter: ({ inspected, node }) => ({
      inspected: { ...inspected, stdout: `${inspected.stdout.trim()}172.17.0.9\n` },
      node,
    }),
  },
});

// Step 4: a simulated LoadBalancer

claim("port-forward-answers-on-localhost", {
  slow: true,
  observe: (lab) => walk(lab, "portForward"),
  judge: ({ before, page, ended }) => {
    positiveControl(
      before.outcome === "refused" && ended.outcome === "refused",
      "before and after the port-forward the port refuses",
    );
    expect(page.body, "http://localhost:8080 on the machine that runs kubectl").toContain(welcome);
  },
  control: otherServer,
});

claim("port-forward-serves-a-browser", {
  slow: true,
  observe: (lab) => walk(lab, "portForward"),
  judge: ({ page, listening, fromAnotherMachine }) => {
    positiveControl(listening.length > 0, "kubectl listens on port 8080");
    expect(page.status, "HTTP status of the page").toBe(200);
    expect(/<title>(.*)<\/title>/.exec(page.body)?.[1], "its title").toBe(welcome);
    // Only there: no other machine's browser gets it.
    expect(listening.toSorted(), "addresses that kubectl listens on").toEqual(["127.0.0.1:8080", "[::1]:8080"]);
    expect(fromAnotherMachine.outcome, `${fromAnotherMachine.to}, asked from another machine`).toBe("refused");
  },
  control: otherServer,
});

claim("port-forward-simulates-a-loadbalancer", {
  slow: true,
  observe: (lab) => walk(lab, "portForward"),
  judge: ({ counts, serving, afterwards, page }) => {
    const asked = Object.values(counts).reduce((sum, count) => sum + count, 0);
    positiveControl(page.outcome === "answered" && asked === 30, "30 requests were answered");
    positiveControl((counts[serving] ?? 0) > 0, "the pod that was deleted had served some");
    expect(
      Object.keys(counts).filter((pod) => (counts[pod] ?? 0) > 0).length,
      `pods, of ${Object.keys(counts).length}, that served 30 requests by the port-forward (${afterwards.outcome} once that one was gone)`,
    ).toBeGreaterThan(1);
  },
  control: live(
    "a port-forward leads to the Service's clusterIP instead of to a pod",
    async (lab) => {
      const [node = ""] = lab.worker(0).addresses;
      const own = ["proto", "99"];
      lab.afterwards(async () => void (await lab.outsider.run("forget the route", ["ip", "route", "flush", ...own])));
      await wrapProgram(lab, lab.outsider, "kubectl", (aside) => [
        `[ "$1" = port-forward ] || exec ${aside} "$@"`,
        `address=$(${aside} get service web-clusterip --output 'jsonpath={.spec.clusterIP}') || exit`,
        `ip route replace "$address/32" via ${node} ${own.join(" ")} || exit`,
        "exec socat TCP-LISTEN:8080,bind=127.0.0.1,fork,reuseaddr TCP:$address:80",
      ]);
    },
    { lane },
  ),
});

// Watching packets

claim("docker-exec-opens-a-shell", {
  slow: true,
  observe: async (lab) => ({ shell: await walk(lab, "enterNode"), node: lab.controlPlane.name }),
  judge: ({ shell, node }) => {
    expect(shell.exitCode, `exit code of ${shell.typed} ${shell.stderr}`).toBe(0);
    expect(shell.stdout.split("\n")[0], "what hostname prints in it").toBe(node);
  },
  control: live(
    "the node has no bash",
    async (lab) => {
      const node = lab.node(lab.controlPlane);
      const bash = (await outputOf(node, "where bash is", ["sh", "-c", "readlink -f $(which bash)"])).trim();
      await moveFile(lab, node, bash, `${bash}-aside`);
    },
    { alone: true, lane },
  ),
});

claim("apt-installs-tcpdump", {
  slow: true,
  observe: (lab) => walk(lab, "installTcpdump"),
  judge: ({ installed }) => {
    expect(installed.exitCode, `exit code of ${printedCommand(345)}`).toBe(0);
  },
});

claim("tcpdump-command-line-is-valid", {
  slow: true,
  observe: (lab) => walk(lab, "capture"),
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
  observe: (lab) => walk(lab, "capture"),
  judge: ({ node, seen }) => {
    const byAddress = seen.find(({ name }) => name.startsWith("the node's address"));
    positiveControl(byAddress?.outcomes.every((outcome) => outcome === "answered") === true, "the node port answers");
    positiveControl((byAddress?.withNodePort ?? 0) > 0, "a capture with port 30080 shows the requests");
    expect(
      byAddress?.port80.filter(({ to, toPort }) => to === node && toPort === 80),
      `packets from the client to the node in a capture with port 80, beside ${byAddress?.withNodePort} with port 30080`,
    ).not.toEqual([]);
  },
  control: {
    name: "the node port is 80 (it is none of the range)",
    alter: (observation) => ({
      ...observation,
      seen: observation.seen.map((each) => ({
        ...each,
        port80: [{ from: "172.17.0.1", to: observation.node, toPort: 80 }],
      })),
    }),
  },
});

claim("localhost-in-the-node-reaches-the-nodeport", {
  slow: true,
  observe: async (lab) => {
    const capture = await walk(lab, "capture");
    const none = await request(lab.node(lab.controlPlane), "http://localhost:30081", lab.timeouts.silence);
    const { spec } = await lab.get<V1Service>(
      "web-nodeport",
      `/api/v1/namespaces/${articleNamespace}/services/web-nodeport`,
    );
    return { capture, none, nodePort: spec?.ports?.[0]?.nodePort, sample: printed("355") };
  },
  judge: ({ capture: { seen }, none }) => {
    const inTheNode = seen.find(({ name }) => name.startsWith("localhost, asked in the node"));
    positiveControl(none.outcome === "refused", "a port beside it refuses in the node");
    expect(inTheNode?.outcomes, "http://localhost:30080, asked five times inside the control plane").toEqual(
      Array.from({ length: 5 }, () => "answered"),
    );
    expect(inTheNode?.asPrinted.length, "packets that the article's tcpdump printed meanwhile").toBeGreaterThan(0);
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
  observe: (lab) => walk(lab, "capture"),
  judge: ({ seen }) => {
    const onTheHost = seen.find(({ name }) => name.startsWith("localhost, asked on the host"));
    positiveControl(
      seen.some((each) => each !== onTheHost && each.asPrinted.length > 0),
      "asked in another way, the article's tcpdump prints packets",
    );
    expect(
      onTheHost?.asPrinted.length,
      `packets that the article's tcpdump printed while the host asked for http://localhost:30080, which was ${onTheHost?.outcomes[0]}`,
    ).toBeGreaterThan(0);
  },
  control: published,
});

// What kube-proxy wrote

claim("rules-of-a-clusterip-service", {
  slow: true,
  observe: (lab) => walk(lab, "greps"),
  judge: (nodes) => {
    for (const { node, lines } of nodes) {
      const some = (pattern: RegExp) => lines.filter((line) => pattern.test(line));
      expect(
        some(/-A KUBE-SERVICES .* cluster IP" .*-j KUBE-SVC-/).length,
        `rules of ${node} that lead to the Service`,
      ).toBe(1);
      expect(some(/-A KUBE-SVC-.*-j KUBE-SEP-/).length, `rules of ${node} that choose one of three pods`).toBe(3);
      expect(some(/--probability/).length, "of which so many by chance").toBe(2);
      expect(some(/-A KUBE-SEP-.*-j DNAT/).length, `rules of ${node} that put the pod's address in`).toBe(3);
      expect(lines.length, `lines of the grep on ${node}: 2 and 3 for each of 3 pods`).toBe(11);
    }
  },
  control: twoReplicas,
});
