import { outputOf, type Peer } from "./peer.ts";

/**
 * Returns the rules of a node that name a Service: iptables' as iptables-save has them, and what nft's own tables hold, as JSON.
 * kube-proxy writes such in every mode but ipvs.
 *
 * @param service as kube-proxy's comments have it: `namespace/name`
 * @throws ProbeFailed where the node does not show its rules
 */
export async function rulesNaming(node: Peer, service: string): Promise<string[]> {
  const [iptables, nft] = await Promise.all([
    // A kernel may be without IPv6.
    outputOf(node, "all rules of iptables", ["sh", "-c", "iptables-save && { ip6tables-save || true; }"]),
    // Nodes' images of before kind v0.23 have no nft.
    outputOf(node, "all rules of nft", ["sh", "-c", "! command -v nft >/dev/null || nft --json list ruleset"]),
  ]);
  return [...iptablesNaming(iptables, service), ...nftNaming(nft, service)];
}

/** Of web-nodeport's rules none names web. Names of nft's chains begin with a kind and a hash. */
function whole(service: string): RegExp {
  return new RegExp(`^(?:[a-z]+-[0-9A-Z]+-)?${service}(?![-a-z0-9])`);
}

/** Returns the rules whose comment names the Service, as iptables-save(8) printed them. */
export function iptablesNaming(text: string, service: string): string[] {
  const named = whole(service);
  return text.split("\n").filter((line) => named.test(/ --comment "?([^"\s]+)/.exec(line)?.[1] ?? ""));
}

type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };

/** Returns kube-proxy's chains, rules and elements of maps that name the Service, of what `nft --json list ruleset` printed (libnftables-json(5)). */
export function nftNaming(text: string, service: string): string[] {
  if (text.trim() === "") return [];
  const named = whole(service);
  const { nftables } = JSON.parse(text) as { nftables: readonly Record<string, Record<string, Json>>[] };
  return nftables
    .flatMap((item) => Object.values(item))
    .filter(({ table, name }) => (table ?? name) === "kube-proxy")
    .flatMap(({ elem, ...rest }) => [rest, ...(Array.isArray(elem) ? (elem as Json[]) : [])])
    .filter((part) => stringsIn(part).some((value) => named.test(value)))
    .map((part) => JSON.stringify(part));
}

function stringsIn(value: Json): string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null
    ? Object.values(value as Record<string, Json>).flatMap(stringsIn)
    : [];
}
