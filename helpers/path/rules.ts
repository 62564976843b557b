import type { End, Hop } from "./hops.ts";

/** A rule of netfilter that a packet met on a node. */
export interface MetRule {
  readonly family: string;
  readonly table: string;
  readonly chain: string;
  /** As iptables-save has it where iptables wrote it, comment included; as nft has it otherwise. */
  readonly rule: string;
}

interface TracedRule extends MetRule {
  readonly handle: number;
}

/** A rule that was written after nft began to listen, as kube-proxy writes some anew all the time, is told by its handle alone. */
const traced = /^trace id (\S+) (\S+) (\S+) (\S+) (?:rule (.*?) #|unknown rule) handle (\d+) \(verdict /gm;

/** Returns the rules that this packet met since it came into the node, in their order (nft(8), MONITOR). */
function rulesTraced(text: string, own: string, { from, fromPort, to, toPort }: Ends): TracedRule[] {
  // Whoever listens hears of all packets that anybody has traced.
  const ours = [`saddr ${from}`, `sport ${fromPort}`, `daddr ${to}`, `dport ${toPort}`].map((part) => ` ${part} `);
  const id = [...text.matchAll(/^trace id (\S+) inet (\S+) \S+ packet: (.*)$/gm)].find(
    ([, , table, packet]) => table === own && ours.every((part) => `${packet} `.includes(part)),
  )?.[1];
  return (
    [...text.matchAll(traced)]
      // The rules that have packets traced, anybody's, are none of the node's.
      .filter(([, traceId, , , , rule]) => traceId === id && !rule?.endsWith("meta nftrace set 1"))
      .map(([, , family = "", table = "", chain = "", rule = "", handle]) => {
        return { family, table, chain, rule: rule.trim() || `handle ${handle}`, handle: Number(handle) };
      })
  );
}

/** What a node shows of its rules. */
export interface RuleListings {
  /** What `nft --handle monitor trace` printed. */
  readonly trace: string;
  /** What `nft --json --handle list ruleset` printed: where in its chain each rule stands (libnftables-json(5)). */
  readonly ruleset: string;
  /** What `iptables-save` printed, or `ip6tables-save`, which alone knows comments: rules are in the same order there. */
  readonly iptables: string;
}

interface Ruleset {
  readonly nftables: readonly {
    readonly rule?: {
      readonly family: string;
      readonly table: string;
      readonly chain: string;
      readonly handle: number;
    };
  }[];
}

/** A packet's ends. */
type Ends = Pick<Hop, "from" | "fromPort" | "to" | "toPort">;

/**
 * Returns the rules that a packet met on a node, in their order.
 *
 * @param own the table that has it traced, which is none of the node's
 * @param packet as it came into the node
 */
export function rulesMet({ trace, ruleset, iptables }: RuleListings, own: string, packet: Ends): MetRule[] {
  const { nftables } = JSON.parse(ruleset) as Ruleset;
  const chains = Map.groupBy(
    nftables.flatMap(({ rule }) => rule ?? []),
    ({ family, table, chain }) => `${family} ${table} ${chain}`,
  );
  const saved = savedRules(iptables);
  return rulesTraced(trace, own, packet).map(({ handle, family, table, chain, rule }) => {
    const place = chains.get(`${family} ${table} ${chain}`)?.findIndex((each) => each.handle === handle) ?? -1;
    const written = family === "ip" || family === "ip6" ? saved.get(`${table} ${chain}`)?.[place] : undefined;
    return { family, table, chain, rule: written ?? rule };
  });
}

function savedRules(text: string): Map<string, string[]> {
  let table = "";
  const rules = new Map<string, string[]>();
  for (const line of text.split("\n")) {
    if (line.startsWith("*")) table = line.slice(1);
    const [, chain = "", rule = ""] = /^-A (\S+) ?(.*)$/.exec(line) ?? [];
    if (chain === "") continue;
    const name = `${table} ${chain}`;
    rules.set(name, [...(rules.get(name) ?? []), rule]);
  }
  return rules;
}

const translations = {
  source: /\b((?:MASQUERADE|SNAT|masquerade|snat)\b.*)$/,
  destination: /\b((?:DNAT|REDIRECT|dnat|redirect)\b.*)$/,
} as const;

/** Returns the rules among these that translate that end of a packet, as `<table> <chain>: <what it does>`. */
export function translatingRules(rules: readonly MetRule[], end: End): string[] {
  return rules.flatMap(({ table, chain, rule }) => {
    // A comment may speak of NAT too.
    const statement = translations[end].exec(rule.replace(/--comment "[^"]*"/, ""))?.[1];
    return statement === undefined ? [] : [`${table} ${chain}: ${statement}`];
  });
}
