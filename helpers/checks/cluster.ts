import type { V1Pod } from "@kubernetes/client-node";
import { expect } from "vitest";
import { z } from "zod";
import { positiveControl } from "../claim/verdict.ts";
import { withoutServiceLinks } from "../lab/admission.ts";
import type { Lab } from "../lab/lab.ts";
import { live } from "../lab/spec.ts";
import { contains, hostPrefix } from "../probe/ip.ts";
import { ProbeFailed } from "../probe/peer.ts";
import { rulesNaming } from "../probe/rules.ts";
import { readyMade, ServiceName } from "./define.ts";
import { makeObjects, Objects, pace, storePatched } from "./objects.ts";

export const environmentVariables = readyMade({
  says: "A container that starts after a Service was made has these environment variables.",
  turnedBy: "the pod is not told of Services by variables (enableServiceLinks: false)",
  parameters: z.strictObject({
    service: ServiceName,
    variables: z
      .record(z.string(), z.union([z.string(), z.strictObject({ "cluster-ip": z.literal(true) })]))
      .refine((variables) => Object.keys(variables).length > 0, "must name a variable")
      .describe("name and value; `{ cluster-ip: true }`: the cluster IP of the Service"),
    pod: z.string().default("told-by-variables").describe("the name of the pod that is started"),
    objects: Objects,
  }),
  example: { service: "web", variables: { WEB_SERVICE_HOST: { "cluster-ip": true }, WEB_SERVICE_PORT: "80" } },
  make: ({ service, variables, pod, objects }) => ({
    slow: true,
    observe: async (lab) => {
      await makeObjects(lab, objects);
      const { spec } = await lab.services.get(service);
      const found = await variablesOfNewPod(lab, pod, service);
      return {
        clusterIP: spec?.clusterIP,
        told: found["KUBERNETES_SERVICE_HOST"] ?? null,
        variables: Object.fromEntries(Object.keys(variables).map((name) => [name, found[name] ?? null])),
      };
    },
    judge: ({ clusterIP, told, variables: found }) => {
      positiveControl(told !== null, "the container has the variables of the Service kubernetes");
      for (const [name, value] of Object.entries(variables))
        expect(found[name], `${name} in a container that started after the Service ${service}`).toBe(
          typeof value === "string" ? value : clusterIP,
        );
    },
    control: live("the pod is not told of Services by variables", (lab) => withoutServiceLinks(lab, pod)),
  }),
});

/**
 * Returns the environment of a new pod's container. Its kubelet hears of a Service a moment after the API server: another pod's
 * container there is started again until that is told of it.
 */
async function variablesOfNewPod(lab: Lab, name: string, service: string): Promise<Record<string, string>> {
  const variable = `${service.toUpperCase().replaceAll("-", "_")}_SERVICE_HOST`;
  await ended(lab, `${name}-hears`, ["sh", "-c", `test -n "$${variable}"`]);
  await ended(lab, name, ["env"]);
  const log = await lab.api.read<string>(
    `what ${name} printed`,
    `/api/v1/namespaces/${lab.namespace}/pods/${name}/log`,
  );
  const lines = log.split("\n").filter((line) => line.includes("="));
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
}

/** Starts a pod on the first worker, whose container is started again until it ends well. @throws ProbeFailed if it does not */
async function ended(lab: Lab, name: string, command: readonly string[]): Promise<void> {
  const containers = [{ ...lab.objects.clientContainer, command }];
  await lab.api.create(
    `the pod ${name}`,
    lab.objects.clientPod(name, { nodeName: lab.worker(0).name, restartPolicy: "OnFailure", containers }),
  );
  const { status } = await lab.eventually(
    () => lab.api.read<V1Pod>(`the pod ${name}`, `/api/v1/namespaces/${lab.namespace}/pods/${name}`),
    (pod) => pod.status?.phase === "Succeeded",
    lab.timeouts.podsReady,
  );
  if (status?.phase !== "Succeeded")
    throw new ProbeFailed(`the pod ${name} did not end well: ${JSON.stringify(status)}`);
}

export const rulesOnEveryNode = readyMade({
  says: "Every node has rules that name a Service.",
  turnedBy: "kube-proxy is told to leave the Service to another program (service.kubernetes.io/service-proxy-name)",
  parameters: z
    .strictObject({
      service: ServiceName.describe("one of `objects.services`, so that the control can change it"),
      objects: Objects,
    })
    .refine(({ service, objects }) => service in objects.services, {
      error: "must be one of objects.services: the control has it stored otherwise",
      path: ["service"],
    }),
  example: {
    service: "ruled",
    objects: { services: { ruled: { selector: { app: "server" }, ports: [{ port: 80, targetPort: 8080 }] } } },
  },
  make: ({ service, objects }) => ({
    ...pace(objects),
    observe: async (lab) => {
      await makeObjects(lab, objects);
      const rulesOf = (name: string) =>
        Promise.all(lab.nodes.map(async (node) => (await rulesNaming(node, name)).length));
      const rules = await lab.eventually(
        () => rulesOf(`${lab.namespace}/${service}`),
        (counts) => counts.every((count) => count > 0),
      );
      const others = await rulesOf("default/kubernetes");
      return {
        nodes: lab.nodes.map(({ name }, index) => ({
          ...{ node: name, rules: rules[index] ?? 0, ofAnotherService: others[index] ?? 0 },
        })),
      };
    },
    judge: ({ nodes }) => {
      positiveControl(
        nodes.every(({ ofAnotherService }) => ofAnotherService > 0),
        "every node shows rules of the Service kubernetes",
      );
      for (const { node, rules } of nodes)
        expect(rules, `rules of ${node} that name the Service ${service}`).toBeGreaterThan(0);
    },
    control: live("kube-proxy is told to leave the Service to another program", (lab) =>
      storePatched(lab, "Service", service, [
        { op: "add", path: "/metadata/labels", value: { "service.kubernetes.io/service-proxy-name": "another" } },
      ]),
    ),
  }),
});

export const addressIsIn = readyMade({
  says: "The cluster IP of a Service, or the address of a pod, is in a range of the cluster.",
  turnedBy: "the Service is stored without a cluster IP, or the pod with its node's network (or without it)",
  parameters: z
    .strictObject({
      service: z.string().optional().describe("one of `objects.services`, by its cluster IP"),
      pod: z.string().optional().describe("one of `objects.pods`"),
      range: z
        .enum(["services", "pods", "node", "its-node"])
        .describe(
          "the cluster's Service subnets, its pod subnets, the subnet of the pod's own node, or `its-node`: that node's own addresses",
        ),
      objects: Objects,
    })
    .refine(({ service, pod }) => (service === undefined) !== (pod === undefined), {
      error: "needs either service or pod",
    })
    .refine(({ service, pod, objects }) => (service ?? "") in objects.services || (pod ?? "") in objects.pods, {
      error: "must be one of objects: the control has it stored otherwise",
    })
    .refine(({ service, range }) => (service !== undefined) === (range === "services"), {
      error: "services for a Service, pods or node for a pod",
      path: ["range"],
    }),
  example: { pod: "in-range", range: "node", objects: { pods: { "in-range": {} } } },
  make: ({ service, pod, range, objects }) => ({
    ...pace(objects),
    observe: async (lab) => {
      const made = await makeObjects(lab, objects);
      if (service !== undefined) {
        const { spec } = await lab.services.get(service);
        return { address: spec?.clusterIP ?? "", ranges: lab.world.serviceSubnets };
      }
      const address = made.addressOf(pod ?? "");
      if (range === "pods") return { address, ranges: lab.world.podSubnets };
      const { spec } = await lab.api.read<V1Pod>(`the pod ${pod}`, `/api/v1/namespaces/${lab.namespace}/pods/${pod}`);
      const node = lab.nodes.find(({ name }) => name === spec?.nodeName);
      return { address, ranges: (range === "node" ? node?.podCIDRs : node?.addresses.map(hostPrefix)) ?? [] };
    },
    judge: ({ address, ranges }) => {
      positiveControl(ranges.length > 0, "the range is known");
      const inside = address !== "" && address !== "None" && contains(ranges, address);
      expect(inside, `${address || "no address"}, of ${service ?? pod}, is in ${ranges.join(" or ")}`).toBe(true);
    },
    control:
      service === undefined
        ? live(`the pod has its node's network${range === "its-node" ? " no more" : ""}`, (lab) =>
            storePatched(lab, "Pod", pod ?? "", [
              { op: "add", path: "/spec/hostNetwork", value: range !== "its-node" },
              { op: "add", path: "/spec/nodeName", value: lab.worker(1).name },
            ]),
          )
        : live("the Service is stored without a cluster IP", (lab) =>
            storePatched(lab, "Service", service, [{ op: "add", path: "/spec/clusterIP", value: "None" }]),
          ),
  }),
});
