import { expect } from "vitest";
import { rowsOf } from "../../helpers/article/printed.ts";
import { refuse, storeOtherwise } from "../../helpers/changes/admission.ts";
import { patch } from "../../helpers/changes/json-patch.ts";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import { live } from "../../helpers/lab/spec.ts";
import { claim } from "./article.ts";
import { walk } from "./walkthrough.ts";

/** The lab is typed in one namespace, so that one change is tried after another. */
const lane = "the lab";

/** What nginx greets with, whichever version serves it. */
const welcome = "Welcome to nginx!";

const deployment = ({ otherNamespace: namespace }: Lab) => ({ kind: "Deployment", name: "web", namespace }) as const;

const strayPod = live(
  "a pod that is not the Deployment's has the label too, and serves the same page",
  async (lab) => {
    const containers = [{ name: "nginx", image: lab.objects.image("nginx") }];
    await lab.pods.start(lab.objects.serverPod("stray", { app: "web" }, { containers }, lab.otherNamespace));
  },
  { lane },
);

claim("create-deployment-makes-two-pods", {
  slow: true,
  observe: (lab) => walk(lab, "create the Deployment"),
  judge: ({ created, replicas, ready }) => {
    expect(created.exitCode, `exit code of ${created.typed}: ${created.stderr}`).toBe(0);
    expect(created.stdout.trim(), "what it said").toBe("deployment.apps/web created");
    expect([replicas, ready], "pods that the Deployment asks for, and those that are ready").toEqual([2, 2]);
  },
  control: live(
    "the Deployment asks for one pod",
    (lab) =>
      storeOtherwise(lab, { ...deployment(lab), operations: ["CREATE", "UPDATE"] }, patch.add("/spec/replicas", 1)),
    { lane },
  ),
});

claim("expose-makes-a-service-in-front", {
  slow: true,
  observe: (lab) => walk(lab, "expose it"),
  judge: ({ exposed, service }) => {
    expect(exposed.exitCode, `exit code of ${exposed.typed}: ${exposed.stderr}`).toBe(0);
    expect(exposed.stdout.trim(), "what it said").toBe("service/web exposed");
    expect(service?.type, "the type of the Service").toBe("ClusterIP");
    expect(service?.selector, "labels that it selects").toEqual({ app: "web" });
    expect(
      service?.ports?.map(({ port }) => port),
      "its ports",
    ).toEqual([80]);
  },
  control: live(
    "the API server refuses the Service",
    (lab) => refuse(lab, { ...deployment(lab), kind: "Service" }, "not here"),
    { lane },
  ),
});

claim("both-pods-are-endpoints", {
  slow: true,
  observe: (lab) => walk(lab, "list the endpoints"),
  judge: ({ listed, addresses }) => {
    positiveControl(addresses.length === 2 && !addresses.includes(""), "the Deployment has two pods");
    expect(listed.exitCode, `exit code of ${listed.typed}: ${listed.stderr}`).toBe(0);
    const [header = [], ...rows] = rowsOf(listed.stdout);
    expect(rows.length, "EndpointSlices that it listed").toBe(1);
    const cell = rows[0]?.[header.indexOf("ENDPOINTS")] ?? "";
    expect(cell.split(",").toSorted(), "addresses in the column ENDPOINTS").toEqual(addresses.toSorted());
  },
  control: strayPod,
});

claim("ask-prints-the-welcome-page", {
  slow: true,
  observe: (lab) => walk(lab, "ask by name"),
  judge: ({ asked }) => {
    expect(asked.stdout, `what ${asked.typed} printed`).toContain(welcome);
    expect(asked.exitCode, `its exit code: ${asked.stderr}`).toBe(0);
  },
  control: live(
    "the Deployment's pods run another server than nginx",
    (lab) =>
      storeOtherwise(
        lab,
        { ...deployment(lab), operations: ["CREATE", "UPDATE"] },
        patch.replace("/spec/template/spec/containers/0/image", lab.objects.image("agnhost")),
        patch.add("/spec/template/spec/containers/0/args", ["netexec", "--http-port=80", "--udp-port=-1"]),
      ),
    { lane },
  ),
});

claim("asking-pod-is-deleted", {
  slow: true,
  observe: (lab) => walk(lab, "ask by name"),
  judge: ({ asked, left }) => {
    expect(asked.stdout + asked.stderr, "what kubectl said in the end").toMatch(/pod "ask" deleted/);
    expect(left, "kubectl get pod ask afterwards").toContain("NotFound");
  },
  control: live(
    "a finalizer holds the pod",
    async (lab) => {
      const pod = { apiVersion: "v1", kind: "Pod", metadata: { name: "ask", namespace: lab.otherNamespace } };
      const letGo = () => lab.api.patch("let it go", pod, { metadata: { finalizers: null } });
      lab.afterwards(async () => void (await lab.until("it to be gone", letGo, ({ code }) => code === 404)));
      await storeOtherwise(
        lab,
        { kind: "Pod", name: "ask", namespace: lab.otherNamespace },
        patch.add("/metadata/finalizers", ["kind-network-conformance.example/hold"]),
      );
    },
    { lane },
  ),
});

claim("no-pods-no-endpoints", {
  slow: true,
  observe: (lab) => walk(lab, "scale to none"),
  judge: ({ scaled, pods, endpoints }) => {
    expect(scaled.exitCode, `exit code of ${scaled.typed}: ${scaled.stderr}`).toBe(0);
    expect(scaled.stdout.trim(), "what it said").toBe("deployment.apps/web scaled");
    positiveControl(pods === 0, "the pods of the Deployment were deleted");
    expect(endpoints, "addresses that are left in the EndpointSlices of the Service").toEqual([]);
  },
  control: strayPod,
});

claim("then-the-question-is-refused", {
  slow: true,
  observe: async (lab) => ({
    before: (await walk(lab, "ask by name")).asked,
    after: (await walk(lab, "ask once more")).asked,
  }),
  judge: ({ before, after }) => {
    positiveControl(before.stdout.includes(welcome), "with pods the same question is answered");
    expect(after.exitCode, `exit code of ${after.typed}`).not.toBe(0);
    expect(after.stdout + after.stderr, "what it printed").toMatch(/connection refused/i);
  },
  control: strayPod,
});
