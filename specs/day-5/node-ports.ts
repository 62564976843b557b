import type { Lab } from "../../helpers/lab/lab.ts";
import { webPorts } from "../../helpers/lab/objects.ts";
import { refusalOf } from "../../helpers/probe/api.ts";

/** The range of node ports that the article gives. */
export const articleRange = { first: 30_000, last: 32_767 };

/** Returns the range that this cluster has. */
export function rangeOf(lab: Lab): [first: number, last: number] {
  const [lowest = articleRange.first, highest = articleRange.last] = lab.world.nodePortRange.split("-").map(Number);
  return [lowest, highest];
}

/** Returns the port of a Service that chooses its node port. */
export function portsWith(nodePort: number) {
  return webPorts.map((port) => ({ ...port, nodePort }));
}

/** Asks for a NodePort Service with a port of its own choice; it is deleted when the check ends. */
export async function tryPort(
  lab: Lab,
  nodePort: number,
): Promise<{ nodePort: number; code: number; message: string }> {
  const spec = { type: "NodePort", selector: { app: "server" }, ports: portsWith(nodePort) };
  const service = lab.objects.service(`port-${nodePort}`, spec);
  const answer = await lab.api.tryCreate(`ask for node port ${nodePort}`, service);
  return { nodePort, code: answer.code, message: refusalOf(answer) };
}

/** Returns whether somebody has the node port that was asked for. */
export function isTaken({ message }: { readonly message: string }): boolean {
  return message.includes("already allocated");
}

/** Returns whether a node port is in the cluster's range: whoever has it already was given it. */
export function isInRange({ code, message }: { readonly code: number; readonly message: string }): boolean {
  return code === 201 || isTaken({ message });
}
