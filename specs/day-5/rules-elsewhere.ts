import ipaddr from "ipaddr.js";
import { expect } from "vitest";
import { positiveControl } from "../../helpers/claim/verdict.ts";
import type { Lab } from "../../helpers/lab/lab.ts";
import type { NodePeer } from "../../helpers/lab/peers.ts";
import { outputOf } from "../../helpers/probe/peer.ts";

/** What shows a Service on a node whose iptables-save shows nothing of it. */
export interface Elsewhere {
  readonly command: string;
  /** Those of its lines that are about the Service. */
  readonly lines: readonly string[];
}

/**
 * Reads a Service's rules on a node where this cluster's kube-proxy has them, which is not where iptables-save looks.
 *
 * @param service its namespace and its name, with `/` between
 */
export async function rulesElsewhere(lab: Lab, node: NodePeer, service: string, clusterIP: string): Promise<Elsewhere> {
  const command = commandFor(lab);
  const text = await outputOf(node, `the same by ${command}`, command.split(" "));
  const wanted = command.startsWith("cat ") ? inProc(clusterIP) : service;
  return { command, lines: text.split("\n").filter((line) => line.includes(wanted)) };
}

function commandFor({ world: { proxyMode }, family }: Lab): string {
  if (proxyMode === "ipvs") return "cat /proc/net/ip_vs";
  if (proxyMode === "nftables") return `nft list table ${family === "ipv6" ? "ip6" : "ip"} kube-proxy`;
  return family === "ipv6" ? "ip6tables-save" : "iptables-save";
}

/** Returns an address as /proc/net/ip_vs has it (net/netfilter/ipvs/ip_vs_ctl.c, ip_vs_info_seq_show). */
function inProc(address: string): string {
  const hex = Buffer.from(ipaddr.parse(address).toByteArray()).toString("hex");
  return hex.length === 8 ? hex.toUpperCase() : `[${hex.match(/.{4}/g)?.join(":")}]`;
}

/** Asserts that a Service was shown there. */
export function shownElsewhere(elsewhere: Elsewhere | undefined): void {
  positiveControl(elsewhere !== undefined, "it was looked for where this cluster's kube-proxy has its rules");
  expect(elsewhere.lines.length, `lines of ${elsewhere.command} about the Service`).toBeGreaterThan(0);
}
