import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import type { Check } from "../claim/check.ts";
import { UserError } from "../host/errors.ts";
import type { Lab } from "../lab/lab.ts";
import { apiAccepts, apiRefuses, objectIsStoredWith } from "./cluster/api.ts";
import { serviceAsksForAddress } from "./cluster/asks-for-address.ts";
import { addressIsIn, environmentVariables, rulesOnEveryNode } from "./cluster/cluster.ts";
import { fileInPod } from "./cluster/files.ts";
import { apiOperations } from "./cluster/operations.ts";
import { endpointsFollowPods, everyPodAnswers, onlyThesePodsAnswer } from "./cluster/pods.ts";
import { nodesPrint } from "./cluster/prints.ts";
import { apiWarns } from "./cluster/warns.ts";
import type { ReadyMade } from "./parts/define.ts";
import { nameIsAnswered, portIsAnswered, portIsNotAnswered, sourceAddressIsKept } from "./traffic/answers.ts";
import { dnsRecords } from "./traffic/dns.ts";
import { endpointsAre, portsLeadTo } from "./traffic/endpoints.ts";
import { everyNodeAnswers, kubeProxyRunsIn, kubeProxyTakes } from "./traffic/kube-proxy.ts";
import { policyLetsIn } from "./traffic/policies.ts";
import { podsAreReached } from "./traffic/reach.ts";
import { serviceFollowsChanges, serviceIsAnswered } from "./traffic/service-changes.ts";

/** All ready-made checks, by the names that claims use. */
export const checks: Readonly<Record<string, ReadyMade>> = {
  "name-is-answered": nameIsAnswered,
  "port-is-answered": portIsAnswered,
  "port-is-not-answered": portIsNotAnswered,
  "source-address-is-kept": sourceAddressIsKept,
  "pods-are-reached": podsAreReached,
  "every-pod-answers": everyPodAnswers,
  "only-these-pods-answer": onlyThesePodsAnswer,
  "endpoints-follow-pods": endpointsFollowPods,
  "endpoints-are": endpointsAre,
  "ports-lead-to": portsLeadTo,
  "dns-records": dnsRecords,
  "environment-variables": environmentVariables,
  "file-in-pod": fileInPod,
  "object-is-stored-with": objectIsStoredWith,
  "api-accepts": apiAccepts,
  "api-refuses": apiRefuses,
  "api-operations": apiOperations,
  "service-asks-for-address": serviceAsksForAddress,
  "rules-on-every-node": rulesOnEveryNode,
  "address-is-in": addressIsIn,
  "policy-lets-in": policyLetsIn,
  "every-node-answers": everyNodeAnswers,
  "kube-proxy-runs-in": kubeProxyRunsIn,
  "kube-proxy-takes": kubeProxyTakes,
  "api-warns": apiWarns,
  "service-is-answered": serviceIsAnswered,
  "service-follows-changes": serviceFollowsChanges,
  "nodes-print": nodesPrint,
};

/**
 * Returns the ready-made check that a claim names, such as `{ "name-is-answered": { name: "web", by: ["server-1"] } }`.
 *
 * @param folder the article's, in which files that parameters name are
 * @throws UserError for a check that there is not, or parameters that do not fit it
 */
export function readyMadeCheck(
  claim: string,
  named: Readonly<Record<string, unknown>>,
  folder: string,
): Check<Lab, unknown> {
  const [name = "", parameters] = Object.entries(named)[0] ?? [];
  const check = Object.hasOwn(checks, name) ? checks[name] : undefined;
  if (check === undefined)
    throw new UserError(
      `claim ${claim}: there is no ready-made check ${name}`,
      `there are ${Object.keys(checks).join(", ")}`,
    );
  const wrong = (what: string) =>
    new UserError(
      `claim ${claim}: check ${name}: ${what}`,
      "correct the claim's check; docs/checks.md has its parameters",
    );
  const { objects } = z.looseObject({ objects: z.unknown() }).safeParse(parameters).data ?? {};
  const given =
    typeof objects === "string" ? { ...(parameters as object), objects: readYaml(folder, objects, wrong) } : parameters;
  try {
    return check.make(given);
  } catch (error) {
    if (!(error instanceof z.ZodError)) throw error;
    const [issue] = error.issues;
    const place = issue?.path.join(".") ?? "";
    throw wrong(`${place}${place === "" ? "" : ": "}${issue?.message}`);
  }
}

function readYaml(folder: string, file: string, wrong: (what: string) => UserError): unknown {
  try {
    return parse(readFileSync(join(folder, file), "utf8"));
  } catch (error) {
    throw wrong(`objects: ${file} cannot be read: ${(error as Error).message.split("\n")[0]}`);
  }
}
