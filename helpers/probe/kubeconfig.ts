import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { KubeConfig } from "@kubernetes/client-node";
import { parse, stringify } from "yaml";
import { UserError } from "../host/errors.ts";

/** What of a kubeconfig client-node reads otherwise than kubectl, or not at all. */
interface Written {
  readonly clusters?: readonly { cluster?: { server?: string; "insecure-skip-tls-verify"?: boolean } }[];
  readonly users?: readonly { user?: { token?: string; tokenFile?: string; exec?: { command?: string } } }[];
}

/**
 * Returns a kubeconfig as kubectl reads it.
 *
 * @param called what the file is called where it cannot be used
 * @throws UserError where it is none, or its current context names no cluster and user
 */
export function readKubeconfig(file: string, called: string = file): KubeConfig {
  const config = new KubeConfig();
  const folder = dirname(file);
  try {
    const written = parse(readFileSync(file, "utf8")) as Written | null;
    if (typeof written !== "object" || written === null) throw new Error("it is empty");
    // Such as that of `kubectl proxy`; client-node wants to be told that there is no certificate to look at.
    for (const { cluster } of written.clusters ?? [])
      if (cluster?.server?.startsWith("http:") === true) cluster["insecure-skip-tls-verify"] = true;
    for (const { user } of written.users ?? []) {
      if (user?.tokenFile !== undefined && user.token === undefined)
        user.token = readFileSync(resolve(folder, user.tokenFile), "utf8").trim();
      if (user?.exec?.command?.includes("/") === true) user.exec.command = resolve(folder, user.exec.command);
    }
    config.loadFromString(stringify(written));
    config.makePathsAbsolute(folder);
    if (config.getCurrentCluster() === null || config.getCurrentUser() === null)
      throw new Error("its current context names no cluster and user that it has");
  } catch (error) {
    throw new UserError(
      `${called} is no kubeconfig that can be used: ${(error as Error).message.split("\n")[0]}`,
      "try it with kubectl --kubeconfig",
    );
  }
  return config;
}
