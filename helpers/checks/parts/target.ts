import { z } from "zod";
import type { Lab } from "../../lab/lab.ts";
import { hostPort } from "../../probe/http.ts";
import { NodeName, nodeNamed, Port } from "./define.ts";
import type { Made } from "./objects.ts";

/** Where a client asks. */
export const Target = z
  .strictObject({
    name: z.string().optional().describe("a name, as the client would type it"),
    service: z.string().optional().describe("the cluster IP of this Service"),
    pod: z.string().optional().describe("the address of this pod"),
    node: NodeName.optional().describe("the address of this node"),
    "node-port-of": z.string().optional().describe("with `node`: the node port of this Service"),
    port: Port.optional().describe("80 by default; 8080 of a pod"),
  })
  .refine(({ name, service, pod, node }) => [name, service, pod, node].filter(Boolean).length === 1, {
    error: "must have one of name, service, pod and node",
  })
  .refine((target) => target["node-port-of"] === undefined || target.node !== undefined, {
    error: "node-port-of needs a node",
  })
  .refine(
    ({ node, port, ...target }) => node === undefined || [port, target["node-port-of"]].filter(Boolean).length === 1,
    {
      error: "a node needs either port or node-port-of",
    },
  )
  .describe("one of `name`, `service`, `pod` (each with `port`), or `node` with `port` or `node-port-of`");
export type Target = z.infer<typeof Target>;

/** Returns the port on which a target is asked, or undefined if the cluster chooses it. */
export function portOf(target: Target): number | undefined {
  return target["node-port-of"] === undefined ? (target.port ?? (target.pod === undefined ? 80 : 8080)) : undefined;
}

/** Returns a target in the words of a message. */
export function inWords(target: Target): string {
  if (target["node-port-of"] !== undefined) return `the node port of ${target["node-port-of"]} on ${target.node}`;
  const where =
    target.name ?? (target.service === undefined ? (target.pod ?? target.node) : `the cluster IP of ${target.service}`);
  return `port ${portOf(target)} of ${where}`;
}

/** Returns host and port as a URL has them, or null if the Service has no such address or port. */
export async function locate(lab: Lab, made: Made, target: Target): Promise<string | null> {
  const { name, service, pod, node } = target;
  const port = portOf(target) ?? 0;
  if (name !== undefined) return `${name}:${port}`;
  if (pod !== undefined) return hostPort(made.addressOf(pod), port);
  if (service !== undefined) {
    const { spec } = await lab.services.get(service);
    const address = spec?.clusterIP ?? "";
    return address === "" || address === "None" ? null : hostPort(address, port);
  }
  const [address = ""] = nodeNamed(lab, node ?? "worker-1").addresses;
  const nodePortOf = target["node-port-of"];
  if (nodePortOf === undefined) return hostPort(address, port);
  const { spec } = await lab.services.get(nodePortOf);
  const nodePort = spec?.ports?.[0]?.nodePort;
  return nodePort === undefined ? null : hostPort(address, nodePort);
}

/** Returns the cluster IP of a Service of the cast's namespace, or of another, as `kube-system/kube-dns`. */
export async function clusterIpOf(lab: Lab, service: string): Promise<string> {
  const [name = "", namespace] = service.split("/").toReversed();
  return (await lab.services.get(name, namespace === undefined ? {} : { namespace })).clusterIP;
}
