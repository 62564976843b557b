import type { V1Pod } from "@kubernetes/client-node";
import { expect } from "vitest";
import { z } from "zod";
import { mutate, withoutServiceLinks } from "../../changes/admission.ts";
import { patch } from "../../changes/json-patch.ts";
import { positiveControl } from "../../claim/verdict.ts";
import type { Lab } from "../../lab/lab.ts";
import { live } from "../../lab/spec.ts";
import { contains, hostPrefix } from "../../probe/ip.ts";
import { outputOf, ProbeFailed } from "../../probe/peer.ts";
import { rulesNaming } from "../../probe/rules.ts";
import { readyMade, ServiceName } from "../parts/define.ts";
import { isMade, leftToAnother, makeObjects, notMade, Objects, pace, storePatched } from "../parts/objects.ts";
import { clusterIpOf } from "../parts/target.ts";

const Variable = z.union([
  z.string(),
  z.null(),
  z.strictObject({ "cluster-ip": z.literal(true) }),
  z.strictObject({ "cluster-ip-of": z.string() }),
]);

/** Returns what a variable is wanted to be; null: it is not there. */
async function valueOf(lab: Lab, service: string, variable: z.infer<typeof Variable>): Promise<string | null> {
  if (variable === null || typeof variable === "string") return variable;
  return clusterIpOf(lab, "cluster-ip" in variable ? service : variable["cluster-ip-of"]);
}

export const environmentVariables = readyMade({
  says: "A container that starts after a Service was made has these environment variables.",
  turnedBy:
    "the pod is not told of Services by variables (enableServiceLinks: false), or is with `service-links: false`",
  parameters: z
    .strictObject({
      service: ServiceName,
      variables: z
        .record(z.string(), Variable)
        .refine((variables) => Object.keys(variables).length > 0, "must name a variable")
        .describe(
          "name and value; `{ cluster-ip: true }`: the cluster IP of the Service; `cluster-ip-of` another; null: it is not there",
        ),
      exactly: z
        .boolean()
        .default(false)
        .describe("no other variable ends with `_SERVICE_HOST`, but that of the Service kubernetes"),
      "not-in": z
        .string()
        .optional()
        .describe("a pod of the cast, which is older than the Service and has none of them"),
      "service-links": z.boolean().default(true).describe("the pod's `enableServiceLinks`"),
      pod: z.string().default("told-by-variables").describe("the name of the pod that is started"),
      objects: Objects,
    })
    .refine(({ variables, ...given }) => given["service-links"] || Object.values(variables).includes(null), {
      error: "must have one that is not there: the control tells of it",
      path: ["variables"],
    })
    .refine(({ service, objects, ...given }) => given["not-in"] === undefined || service in objects.services, {
      error: "must be one of objects.services, so that pods of the cast are older",
      path: ["service"],
    }),
  example: { service: "web", variables: { WEB_SERVICE_HOST: { "cluster-ip": true }, WEB_SERVICE_PORT: "80" } },
  make: ({ service, variables, exactly, "not-in": notIn, "service-links": links, pod, objects }) => ({
    slow: true,
    observe: async (lab) => {
      await makeObjects(lab, objects);
      const names = Object.keys(variables);
      const wanted = await Promise.all(
        Object.entries(variables).map(async ([name, value]) => [name, await valueOf(lab, service, value)] as const),
      );
      const found = await variablesOfNewPod(lab, pod, service, { enableServiceLinks: links });
      const inEarlier =
        notIn === undefined
          ? undefined
          : variablesIn(await outputOf(lab.pod(notIn), `the environment of ${notIn}`, ["env"]));
      return {
        wanted: Object.fromEntries(wanted),
        told: found[ofKubernetes] ?? null,
        variables: Object.fromEntries(names.map((name) => [name, found[name] ?? null])),
        others: Object.keys(found).filter(
          (name) => exactly && name.endsWith("_SERVICE_HOST") && name !== ofKubernetes && !names.includes(name),
        ),
        ...(inEarlier === undefined
          ? {}
          : {
              earlier: {
                told: inEarlier[ofKubernetes] ?? null,
                variables: names.filter((name) => inEarlier[name] !== undefined),
              },
            }),
      };
    },
    judge: ({ wanted, told, variables: found, others, earlier }) => {
      positiveControl(told !== null, "the container has the variables of the Service kubernetes");
      for (const [name, value] of Object.entries(wanted))
        expect(found[name], `${name} in a container that started after the Service ${service}`).toBe(value);
      expect(others, "variables of other Services in that container").toEqual([]);
      if (earlier === undefined) return;
      positiveControl(earlier.told !== null, `the earlier pod ${notIn} has the variables of the Service kubernetes`);
      expect(earlier.variables, `variables of the Service ${service} in the earlier pod ${notIn}`).toEqual([]);
    },
    control: links
      ? live("the pod is not told of Services by variables", (lab) => withoutServiceLinks(lab, pod))
      : live("the pod is told of Services by variables", (lab) =>
          mutate.pod(lab, pod, patch.add("/spec/enableServiceLinks", true)),
        ),
  }),
});

/** By it a container of any namespace finds the API server. */
const ofKubernetes = "KUBERNETES_SERVICE_HOST";

function variablesIn(text: string): Record<string, string> {
  const lines = text.split("\n").filter((line) => line.includes("="));
  return Object.fromEntries(lines.map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)]));
}

/**
 * Returns the environment of a new pod's container. Its kubelet hears of a Service a moment after the API server: another pod's
 * container there is started again until that is told of it.
 */
async function variablesOfNewPod(
  lab: Lab,
  name: string,
  service: string,
  spec: Readonly<Record<string, unknown>>,
): Promise<Record<string, string>> {
  const variable = `${service.toUpperCase().replaceAll("-", "_")}_SERVICE_HOST`;
  await ended(lab, `${name}-hears`, ["sh", "-c", `test -n "$${variable}"`]);
  await ended(lab, name, ["env"], spec);
  const log = await lab.api.read<string>(
    `what ${name} printed`,
    `/api/v1/namespaces/${lab.namespace}/pods/${name}/log`,
  );
  return variablesIn(log);
}

/** Starts a pod on the first worker, whose container is started again until it ends well. @throws ProbeFailed if it does not */
async function ended(
  lab: Lab,
  name: string,
  command: readonly string[],
  spec: Readonly<Record<string, unknown>> = {},
): Promise<void> {
  const containers = [{ ...lab.objects.clientContainer, command }];
  await lab.api.create(
    `the pod ${name}`,
    lab.objects.clientPod(name, {
      ...{ nodeName: lab.worker(0).name, restartPolicy: "OnFailure", containers },
      ...spec,
    }),
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
    .refine(isMade, notMade),
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
    control: leftToAnother(service),
  }),
});

/** Returns the ranges that cluster IPs are of: since Kubernetes 1.33 more can be added while the cluster runs (KEP-1880). */
async function serviceRanges(lab: Lab): Promise<string[]> {
  const { body } = await lab.api.request("all ServiceCIDRs", "GET", "/apis/networking.k8s.io/v1/servicecidrs");
  const { items = [] } = body as { items?: { spec: { cidrs: string[] } }[] };
  return [...new Set([...lab.world.serviceSubnets, ...items.flatMap(({ spec }) => spec.cidrs)])];
}

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
        return { address: spec?.clusterIP ?? "", ranges: await serviceRanges(lab) };
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
