import { createServer } from "node:http";
import type { V1Pod, V1Service } from "@kubernetes/client-node";
import ipaddr from "ipaddr.js";
import { expect } from "vitest";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { refuse, storeOtherwise } from "../../helpers/lab/admission.ts";
import { namespaceLabel } from "../../helpers/lab/cast.ts";
import { moveFile, wrapProgram } from "../../helpers/lab/changes.ts";
import { listPath } from "../../helpers/lab/cluster-api.ts";
import { iptablesRule } from "../../helpers/lab/iptables.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import { live } from "../../helpers/lab/spec.ts";
import { hostPort, request } from "../../helpers/probe/http.ts";
import { lastAddresses } from "../../helpers/probe/ip.ts";
import { outputOf } from "../../helpers/probe/peer.ts";
import { iptablesNaming } from "../../helpers/probe/rules.ts";
import { claim, printed, printedCommand, printedObject } from "./article.ts";
import { articleNamespace, walk } from "./walkthrough.ts";

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
    const pod = lab.objects.clientPod("stray", {}, articleNamespace);
    await lab.pods.start({ ...pod, metadata: { ...pod.metadata, labels: { app: "web", [namespaceLabel]: "lab" } } });
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
      `JSONPatch{op: 'replace', path: '/spec/template/spec/containers/0/image', value: '${lab.objects.image("agnhost")}'}`,
      "JSONPatch{op: 'add', path: '/spec/template/spec/containers/0/args', value: ['netexec', '--http-port=80', '--udp-port=-1']}",
    ),
  { lane },
);

/** Leads the host's localhost:30080 to the control plane, as a port mapping does; what is beside the node reaches it wherever the host is. */
async function publish(lab: Lab): Promise<void> {
  const [address = ""] = lab.controlPlane.addresses;
  const asked = (path = "") =>
    request(lab.outsider, `http://${hostPort(address, 30_080)}${path}`, lab.timeouts.attempt);
  const server = createServer((incoming, answer) => {
    asked(incoming.url).then(
      ({ status, body }) => (status === undefined ? answer.destroy() : answer.writeHead(status).end(body)),
      () => answer.destroy(),
    );
  });
  lab.afterwards(() => new Promise((closed) => server.close(() => closed())));
  await new Promise<void>((listening, failed) => {
    server.once("error", failed).listen(30_080, "127.0.0.1", () => listening());
  });
}

/** Has the node's tcpdump take the node port too: all that is seen on eth0 where the node has the pods itself. */
async function watchNodePort(lab: Lab): Promise<void> {
  await wrapProgram(lab, lab.controlPlane, "tcpdump", (aside) => [`exec ${aside} "$@" or port 30080`]);
}

const published = live("the node port of the control plane is published on the host's localhost", publish, { lane });

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
    const value = `value: '${lab.controlPlane.name}'`;
    await storeOtherwise(
      lab,
      { ...webApp, ...kept },
      `JSONPatch{op: 'add', path: '/spec/template/spec/nodeName', ${value}}`,
    );
  },
  { lane },
);

// Step 1: a web application

claim("deployment-is-in-apps-v1", {
  observe: async (lab) => {
    const deployment = printedObject("182-202", lab.namespace);
    const { resources } = await lab.api.read<{ resources: { name: string; kind: string }[] }>(
      "resources of apps/v1",
      "/apis/apps/v1",
    );
    return {
      accepted: (await lab.api.tryCreate("would the printed Deployment be accepted", deployment, { dryRun: true }))
        .code,
      listed: resources.some(({ name, kind }) => name === "deployments" && kind === "Deployment"),
      older: (
        await lab.api.tryCreate(
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
    await lab.api.create("a Deployment", lab.objects.serverDeployment("web-app", 2, labels, {}, namespace));
    const before = await lab.pods.severalReady(2, labels, namespace);
    const withTemplate = (name: string, ofTheTemplate: Readonly<Record<string, string>>) => {
      const deployment = lab.objects.serverDeployment(name, 2, labels, {}, namespace);
      const spec = deployment["spec"] as { template: { spec: unknown } };
      const template = { ...spec.template, metadata: { labels: ofTheTemplate } };
      return lab.api.tryCreate(
        `one whose template has ${JSON.stringify(ofTheTemplate)}`,
        { ...deployment, spec: { ...spec, template } },
        { dryRun: true },
      );
    };
    const match = await withTemplate("match", labels);
    const mismatch = await withTemplate("mismatch", { app: "x" });
    const [first] = before;
    await lab.api.patch(
      "take the label off one pod",
      { apiVersion: "v1", kind: "Pod", metadata: { name: first?.metadata?.name ?? "", namespace } },
      { metadata: { labels: { app: null } } },
    );
    const after = await lab.eventually(
      () => lab.api.read<{ items: V1Pod[] }>("pods with the label", listPath("Pod", { namespace, labels })),
      ({ items }) => items.length === 2,
    );
    const namesOf = (pods: readonly V1Pod[]) => pods.map(({ metadata }) => metadata?.name ?? "");
    return {
      match: match.code,
      mismatch: { code: mismatch.code, message: (mismatch.body as { message?: string }).message },
      before: namesOf(before),
      after: namesOf(after.items),
    };
  },
  judge: ({ match, mismatch, before, after }) => {
    positiveControl(match === 201, "the same with a template that has the selector's labels is accepted");
    positiveControl(before.length === 2, "the Deployment runs two pods");
    expect(mismatch.code, `a template without the selector's labels (${mismatch.message ?? "accepted"})`).toBe(422);
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
        "JSONPatch{op: 'add', path: '/spec/template/metadata/labels/app', value: 'web'}",
      ),
    { lane },
  ),
});

claim("nginx-1-21-serves", {
  observe: async (lab) => {
    await walk(lab, "applyClusterIp");
    const { spec } = await lab.api.read<V1Service>(
      "web-clusterip",
      `/api/v1/namespaces/${articleNamespace}/services/web-clusterip`,
    );
    const url = `http://${hostPort(spec?.clusterIP ?? "", 80)}/`;
    return outputOf(lab.pod("client-1"), "what serves the pages", [
      "curl",
      "--silent",
      "--head",
      "--max-time",
      "5",
      url,
    ]);
  },
  judge: (headers) => {
    positiveControl(/^HTTP\/\S+ 200/.test(headers), "the Service serves a page");
    expect(/^server: (.+)$/im.exec(headers)?.[1]?.trim(), "what the server says it is").toMatch(/^nginx\/1\.21\./);
  },
  control: otherServer,
});

claim("container-port-is-the-pods-port", {
  slow: true,
  observe: async (lab) => {
    const { namespace } = lab;
    const server = (name: string, containerPort: number) => {
      const container = { name: "nginx", image: lab.objects.image("nginx"), ports: [{ containerPort }] };
      return lab.pods.start(lab.objects.serverPod(name, {}, { containers: [container] }, namespace));
    };
    const [declared = { status: {} }] =
      (await walk(lab, "deploy"), await lab.pods.severalReady(3, { app: "web" }, articleNamespace));
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
  judge: ({ exitCode, stdout, stderr, typed }) => {
    expect(exitCode, `exit code of ${typed}: ${stderr}`).toBe(0);
    expect(stdout.trim(), "what it said").toBe("deployment.apps/web-app created");
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
    const samples = rowsOf(printed("217-219"));
    const [sampleHash] = new Set(samples.map(([name]) => name?.split("-")[2]));
    // What Kubernetes makes names of (apimachinery, util/rand).
    const letters = "[bcdfghjklmnpqrstvwxz2456789]";
    const named = (hash: string | undefined) => new RegExp(`^web-app-${hash}-${letters}{5}$`);
    for (const [name] of samples)
      expect(name, "a name in the sample: Deployment, one hash of the template, five letters").toMatch(
        named(sampleHash),
      );
    for (const [name, ready, status] of rows) {
      expect(name, "a name: Deployment, hash of the template, five letters").toMatch(named(pods[0]?.hash));
      expect([ready, status], `READY and STATUS of ${name}`).toEqual(samples[0]?.slice(1, 3));
    }
  },
  control: strayPod,
});

// Step 2: a ClusterIP Service

claim("apply-creates-the-clusterip-service", {
  observe: (lab) => walk(lab, "applyClusterIp"),
  judge: ({ exitCode, stdout, stderr, typed }) => {
    expect(exitCode, `exit code of ${typed}: ${stderr}`).toBe(0);
    expect(stdout.trim(), "what it said").toBe("service/web-clusterip created");
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
      const answer = await lab.api.tryCreate(
        `a Service with the clusterIP ${clusterIP}`,
        lab.objects.service("sampled", { clusterIP, ports: [{ port: 80 }] }),
        { dryRun: true },
      );
      const { message = "" } = answer.body as { message?: string };
      return { clusterIP, code: answer.code, message, isAnAddress: ipaddr.isValid(clusterIP) };
    };
    const subnet = lab.world.serviceSubnets[0] ?? "";
    return {
      samples: await Promise.all(samples.map(tried)),
      subnet,
      possible: await tried(lastAddresses(subnet, 77).split("-")[0] ?? ""),
    };
  },
  judge: ({ samples, subnet, possible }) => {
    // A Service of others may have it, and with a second range for Services only the other may be looked at.
    positiveControl(
      possible.isAnAddress && !possible.message.includes("must be a valid IP"),
      `an address of ${subnet} is not refused for being none`,
    );
    for (const { clusterIP, code, message, isAnAddress } of samples)
      expect(
        isAnAddress || code === 201 ? "possible" : "no IP address, and refused",
        `what ${clusterIP} is as the clusterIP of a Service (HTTP ${code} ${message})`,
      ).toBe("possible");
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
    const literally = `temp-literally --labels=${namespaceLabel}=lab`;
    const ran = await lab.outsider.run("line 255 of the article, without a terminal", [
      "sh",
      "-c",
      `cd && ${printedCommand(255).replace(" --rm -it", "").replace("temp", literally)}`,
    ]);
    if (ran.exitCode !== 0) return { exitCode: ran.exitCode };
    const object = { apiVersion: "v1", kind: "Pod", metadata: { name: "temp-literally", namespace: articleNamespace } };
    lab.afterwards(() => lab.api.delete("the pod", object));
    const path = `/api/v1/namespaces/${articleNamespace}/pods/temp-literally`;
    const pod = await lab.until(
      "its image to be pulled",
      () => lab.api.read<V1Pod>("the pod", path),
      ({ status }) => (status?.containerStatuses?.[0]?.imageID ?? "") !== "",
      lab.timeouts.podsReady,
    );
    return { exitCode: ran.exitCode, image: pod.status?.containerStatuses?.[0]?.image };
  },
  judge: ({ exitCode, image }) => {
    expect(exitCode, "exit code of kubectl run").toBe(0);
    expect(image, "the image that the pod runs").toContain("busybox");
  },
  control: live(
    "the pod gets another image",
    (lab) =>
      storeOtherwise(
        lab,
        { kind: "Pod", name: "temp-literally" },
        `JSONPatch{op: 'replace', path: '/spec/containers/0/image', value: '${lab.objects.image("probe")}'}`,
        "JSONPatch{op: 'replace', path: '/spec/containers/0/imagePullPolicy', value: 'IfNotPresent'}",
      ),
    { lane },
  ),
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
      const letGo = () => lab.api.patch("let it go", temporary, { metadata: { finalizers: null } });
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
  observe: async (lab) => {
    const listed = await walk(lab, "listContainers");
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
  observe: async (lab) => ({ listed: await walk(lab, "listContainers"), node: lab.controlPlane.name }),
  judge: ({ listed, node }) => {
    const [header, ...rows] = rowsOf(listed.stdout);
    expect(header, "columns").toEqual(rowsOf(printed("306"))[0]);
    const row = rows.find((cells) => cells.at(-1) === node) ?? [];
    expect(row[2], "COMMAND").toBe(rowsOf(printed("307"))[0]?.[2]);
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
    const rows = rowsOf((await walk(lab, "listContainers")).stdout);
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
    listed: await walk(lab, "listContainers"),
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
    onTheNode: await walk(lab, "askNodes"),
    onLocalhost: await walk(lab, "curlLocalhost"),
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
  control: {
    name: "a node port is published too (only a new container can)",
    alter: ({ ports, range }) => ({
      ports: [...ports, { node: "another", published: [`${range[0]}/tcp -> 0.0.0.0:30080`] }],
      range,
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
    expect(node.addresses, `addresses of ${node.name}, of which the command printed one ${inspected.stderr}`).toContain(
      inspected.stdout.trim(),
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
  judge: ({ before, page }) => {
    positiveControl(before.outcome === "refused", "before the port-forward the port refuses");
    expect(page.status, "HTTP status of the page").toBe(200);
    expect(/<title>(.*)<\/title>/.exec(page.body)?.[1], "its title").toBe(welcome);
  },
  control: otherServer,
});

claim("port-forward-simulates-a-loadbalancer", {
  slow: true,
  observe: (lab) => walk(lab, "portForward"),
  judge: ({ counts, serving, afterwards, page }) => {
    const pods = Object.keys(counts);
    const asked = Object.values(counts).reduce((sum, count) => sum + count, 0);
    positiveControl(page.outcome === "answered" && asked === 30, "30 requests were answered");
    positiveControl(serving !== "", "the pod that was deleted had served some");
    expect(
      pods.length > 1 || afterwards.outcome === "answered" ? "balanced" : "not balanced",
      `30 requests by the port-forward were served by ${pods.join(", ")}, and it was ${afterwards.outcome} once ${serving} was gone: the load is`,
    ).toBe("balanced");
  },
  control: live(
    "a port-forward leads to a proxy that asks the Service anew each time, instead of to a pod of the Service's",
    async (lab) => {
      const service = `web-clusterip.${articleNamespace}.svc.${lab.world.dnsDomain}`;
      // Named by a variable, so that nginx looks it up with each request: the Service is not there yet.
      const script = `
        server=$(sed -n 's/^nameserver //p' /etc/resolv.conf | head -n 1)
        case $server in *:*) server="[$server]" ;; esac
        echo 'user root; events {} http { server { listen 8080; listen [::]:8080; set $service ${service};
          resolver '"$server"' valid=1s; location / { proxy_pass http://$service; } } }' >/etc/nginx/proxy.conf
        exec nginx -c /etc/nginx/proxy.conf -g 'daemon off;'`;
      const container = { name: "proxy", image: lab.objects.image("nginx"), command: ["sh", "-c", script] };
      await lab.pods.start(lab.objects.serverPod("proxy", {}, { containers: [container] }));
      await wrapProgram(lab, lab.outsider, "kubectl", (aside) => [
        `[ "$1" = port-forward ] || exec ${aside} "$@"`,
        `exec ${aside} port-forward --namespace ${lab.namespace} pod/proxy 8080:8080`,
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
    const { before, installed, works } = await walk(lab, "installTcpdump");
    return { before, exitCode: installed.exitCode, said: installed.stdout, works };
  },
  judge: ({ exitCode, said, works }) => {
    expect(exitCode, `exit code of ${printedCommand(345)}`).toBe(0);
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
  judge: ({ seen }) => {
    const byAddress = seen.find(({ name }) => name.startsWith("the node's address"));
    positiveControl((byAddress?.answered ?? 0) > 0, "the node port answers");
    positiveControl((byAddress?.withNodePort ?? 0) > 0, "a capture with port 30080 shows the requests");
    expect(
      byAddress?.asPrinted.length,
      `packets of the requests that the article's tcpdump printed, beside ${byAddress?.withNodePort} in a capture with port 30080`,
    ).toBeGreaterThan(0);
  },
  control: podsOnTheNode,
});

claim("localhost-in-the-node-reaches-the-nodeport", {
  slow: true,
  observe: async (lab) => {
    const answers = await walk(lab, "askNodes");
    return { atItsAddress: answers[0], ...(await walk(lab, "curlInNode")) };
  },
  judge: ({ atItsAddress, none, asked }) => {
    positiveControl(atItsAddress?.outcome === "answered", "the node port answers at the node's address");
    positiveControl(none.outcome === "refused", "a port on which nobody listens refuses in the node");
    expect(asked.body, `http://localhost:30080, asked inside the control plane, was ${asked.outcome}`).toContain(
      welcome,
    );
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
      seen.some(({ name, withNodePort }) => name !== onTheHost?.name && withNodePort > 0),
      "asked at the node's address, a capture with port 30080 shows packets",
    );
    expect(
      onTheHost?.asPrinted.length,
      `packets that the article's tcpdump printed while the host asked 20 times for http://localhost:30080, which answered ${onTheHost?.answered} times`,
    ).toBeGreaterThan(0);
  },
  control: publishedAndWatched,
});

// What kube-proxy wrote

claim("rules-of-a-clusterip-service", {
  slow: true,
  observe: (lab) => walk(lab, "greps"),
  judge: (nodes) => {
    positiveControl(nodes.length > 0, "the grep was typed");
    for (const { node, lines } of nodes)
      expect(
        iptablesNaming(lines.join("\n"), `${articleNamespace}/web-clusterip`).length,
        `rules of ${node} for the Service: a series is more than one`,
      ).toBeGreaterThan(1);
  },
  // Then there is one rule, which refuses.
  control: live(
    "the Service selects a label that no pod has",
    (lab) =>
      storeOtherwise(
        lab,
        labService("web-clusterip"),
        "JSONPatch{op: 'add', path: '/spec/selector', value: {'app': 'nobody'}}",
      ),
    { lane },
  ),
});
