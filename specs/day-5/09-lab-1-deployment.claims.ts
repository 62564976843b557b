import type { V1Pod } from "@kubernetes/client-node";
import { expect } from "vitest";
import { rowsOf } from "../../helpers/article/printed.ts";
import { mutate, storeOtherwise } from "../../helpers/changes/admission.ts";
import { patch } from "../../helpers/changes/json-patch.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import { namespaceLabel } from "../../helpers/lab/cast.ts";
import { listPath } from "../../helpers/lab/cluster-api.ts";
import { live } from "../../helpers/lab/spec.ts";
import { hostPort, request } from "../../helpers/probe/http.ts";
import { outputOf } from "../../helpers/probe/peer.ts";
import { claim, printed, printedObject } from "./article.ts";
import { kept, lane, otherServer, refused, webApp, welcome } from "./lab-changes.ts";
import { articleNamespace, clusterIpOf, serviceOf, walk } from "./walkthrough.ts";

const twoReplicas = live(
  "the Deployment asks for two pods",
  (lab) => storeOtherwise(lab, { ...webApp, ...kept }, patch.add("/spec/replicas", 2)),
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

claim("deployment-is-in-apps-v1", {
  observe: async (lab) => {
    const deployment = printedObject("web-app", lab.namespace);
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
      () =>
        lab.api.read<{ items: V1Pod[] }>(
          "pods with the label",
          listPath("Pod", { namespace: namespace, labels: labels }),
        ),
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
    (lab) => mutate.deployment(lab, "mismatch", patch.add("/spec/template/metadata/labels/app", "web")),
    { lane },
  ),
});

claim("nginx-1-21-serves", {
  observe: async (lab) => {
    await walk(lab, "create the ClusterIP Service");
    const url = `http://${hostPort(clusterIpOf(await serviceOf(lab, "web-clusterip")), 80)}/`;
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
      (await walk(lab, "create the Deployment"), await lab.pods.severalReady(3, { app: "web" }, articleNamespace));
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
  observe: (lab) => walk(lab, "create the Deployment"),
  judge: ({ exitCode, stdout, stderr, typed }) => {
    expect(exitCode, `exit code of ${typed}: ${stderr}`).toBe(0);
    expect(stdout.trim(), "what it said").toBe("deployment.apps/web-app created");
  },
  control: refused,
});

claim("three-pods-run", {
  observe: (lab) => walk(lab, "list the pods"),
  judge: ({ listed }) => {
    const [, ...rows] = rowsOf(listed.stdout);
    expect(rows.length, `lines below the header of ${listed.typed}`).toBe(3);
    for (const [name, ready, status] of rows)
      expect([ready, status], `READY and STATUS of ${name}`).toEqual(["1/1", "Running"]);
  },
  control: twoReplicas,
});

claim("label-query-shows-the-deployments-pods", {
  observe: (lab) => walk(lab, "list the pods"),
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
  observe: (lab) => walk(lab, "list the pods"),
  judge: ({ listed, pods }) => {
    const [header, ...rows] = rowsOf(listed.stdout);
    const sample = printed.step("list the pods").sample();
    const [columns, ...samples] = sample.rows;
    expect(header, "columns").toEqual(columns);
    const [sampleHash] = new Set(samples.map(([name]) => name?.split("-")[2]));
    // What Kubernetes makes names of (apimachinery, util/rand).
    const letters = "[bcdfghjklmnpqrstvwxz2456789]";
    const named = (hash: string | undefined) => new RegExp(`^web-app-${hash}-${letters}{5}$`);
    for (const [name] of samples)
      expect(name, "a name in the sample: Deployment, one hash of the template, five letters").toMatch(
        named(sampleHash),
      );
    for (const row of rows) {
      const [name] = row;
      expect(name, "a name: Deployment, hash of the template, five letters").toMatch(named(pods[0]?.hash));
      expect(sample.compared(row), `READY and STATUS of ${name}`).toEqual(sample.compared(samples[0]));
    }
  },
  control: strayPod,
});
