import type { Check } from "../claim/check.ts";
import { judgementOf } from "../claim/verdict.ts";
import type { Lab } from "../lab/lab.ts";
import { checks, readyMadeCheck } from "./ready-made.ts";

/** What a check could observe, and what is judged of it. */
export interface Judged {
  readonly check: string;
  readonly holds: unknown;
  readonly refuted: readonly [observation: unknown, why: string][];
  readonly inconclusive: readonly unknown[];
}

/** Returns a check with the parameters of its example, some of them given otherwise; files are looked for in the folder. */
export function example(
  name: string,
  otherwise: Readonly<Record<string, unknown>> = {},
  folder = "/nowhere",
): Check<Lab, unknown> {
  return readyMadeCheck("a-claim", { [name]: { ...(checks[name]?.example as object), ...otherwise } }, folder);
}

/** Returns the verdict of a check on an observation. */
export function verdictOf(check: Check<Lab, unknown>, observation: unknown): string {
  return judgementOf(() => check.judge(observation)).verdict;
}

export const answer = {
  ...{ from: "client-1", to: "10.96.0.9:80", outcome: "answered" },
  ...{ pod: "server-1", source: "10.244.1.2", milliseconds: 1 },
};
export const silent = { from: "client-1", to: "10.96.0.9:80", outcome: "silent", milliseconds: 4_000 };

export const known = { status: "NOERROR", records: [] };
export const unknown = { status: "NXDOMAIN", records: [] };
export const srv = {
  ...{ name: "_http._tcp.named.cast.svc.cluster.local", type: "SRV", status: "NOERROR" },
  records: [
    { name: "_http._tcp.named.cast.svc.cluster.local.", type: "SRV", data: "0 100 80 named.cast.svc.cluster.local." },
  ],
};
export const dns = { wanted: ["80 named.cast.svc.cluster.local."], answer: srv, beside: unknown };

export const variables = { WEB_SERVICE_HOST: "10.96.0.9", WEB_SERVICE_PORT: "80" };
export const told = { wanted: variables, told: "10.96.0.1", variables, others: [] };
