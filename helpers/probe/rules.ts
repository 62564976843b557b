import { outputOf, type Peer } from "./peer.ts";

/**
 * Returns the rules of a node that name a Service, whichever proxy mode wrote them.
 *
 * @param service as kube-proxy's comments have it: `namespace/name`
 * @throws ProbeFailed where the node does not show its rules
 */
export async function rulesNaming(node: Peer, service: string): Promise<string[]> {
  const rules = await outputOf(node, "all rules of the node", [
    "sh",
    "-c",
    "iptables-save; ip6tables-save; nft list ruleset",
  ]);
  // Of web-nodeport's rules none names web.
  const whole = new RegExp(`${service}(?![-a-z0-9])`);
  return rules.split("\n").filter((line) => whole.test(line));
}
