import { ownCni, type World } from "../claim/world.ts";
import { type Cell, configOf } from "../cluster/cells.ts";
import { UserError } from "../host/errors.ts";

type Compared = Pick<World, "kubernetes" | "kind" | "proxyMode" | "ipFamilies" | "cni" | "nodes">;

const families = { ipv4: "ipv4", ipv6: "ipv6", dual: "ipv4+ipv6" } as const;

/**
 * Compares a cluster as it shows itself with the cell that it was made for: what was found there would be told of another
 * world otherwise.
 *
 * @throws UserError naming all that differs
 */
export function compareWithCell(cell: Cell, world: Compared): void {
  const workers = (nodes: readonly { readonly role: string }[]) =>
    String(nodes.filter(({ role }) => role === "worker").length);
  const compared: readonly (readonly [what: string, found: string, wanted: string])[] = [
    ["Kubernetes", world.kubernetes, cell.kubernetes],
    ["kind", world.kind, cell.kind],
    ["IP families", world.ipFamilies.toSorted().join("+"), families[cell.ipFamily ?? "ipv4"]],
    ["CNI plugin", world.cni, cell.cni ?? ownCni],
    ["workers", workers(world.nodes), workers(configOf(cell).nodes)],
    ...world.nodes.flatMap(({ name, kubelet, proxyMode }) => [
      [`${name}'s kubelet`, kubelet, cell.kubernetes] as const,
      [`${name}'s kube-proxy`, proxyMode, cell.proxyMode ?? "iptables"] as const,
    ]),
  ];
  const differing = compared.filter(([, found, wanted]) => found !== wanted);
  if (differing.length > 0)
    throw new UserError(
      `the cluster is not the cell ${cell.id}: ${differing.map(([what, found, wanted]) => `${what} is ${found} and not ${wanted}`).join("; ")}`,
      "name its own cell in KNC_CELL, or none",
    );
}
