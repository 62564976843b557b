import { join } from "node:path";
import { execa } from "execa";
import { type Engine, inEngineNetwork } from "../engine/engine.ts";
import { type CommandResult, lastLine } from "../host/command.ts";
import { UserError } from "../host/errors.ts";
import { moduleEnding } from "../host/settings.ts";
import { containerNodes, controlPlaneContainers, kubectlOnNode, nodeContainers } from "./nodes.ts";

/** A kind cluster that a user's kubeconfig names. */
export interface GivenCluster {
  readonly name: string;
  readonly nodes: readonly string[];
}

/**
 * Returns the kind cluster that the current context of a kubeconfig names, where its nodes are on the engine and the context
 * leads to them: a name proves nothing, and what a run deletes it would delete elsewhere.
 *
 * @throws UserError where that is not so
 */
export async function givenCluster(engine: Engine, kubeconfig: string): Promise<GivenCluster> {
  const setting = `KNC_KUBECONFIG=${kubeconfig}`;
  // Half a second to load, and only here.
  const { readKubeconfig } = await import("../probe/kubeconfig.ts");
  const config = readKubeconfig(kubeconfig, setting);
  const context = config.getContextObject(config.getCurrentContext());
  // kind gives both that name; a context may have been renamed.
  const named = [context?.name, context?.cluster].flatMap((entry) => /^kind-(.+)$/.exec(entry ?? "")?.[1] ?? []);
  for (const name of new Set(named)) {
    const nodes = await nodeContainers(engine, name);
    if (nodes.length === 0) continue;
    const [there, here] = await Promise.all([uidBy(engine, kubeconfig, setting), uidOn(engine, name)]);
    if (there !== here)
      throw new UserError(
        `${setting}: its current context ${context?.name} leads to another cluster than kind's cluster ${name} on this engine`,
        `write a kubeconfig with kind get kubeconfig --name ${name}`,
      );
    return { name, nodes };
  }
  throw new UserError(
    `${setting}: its current context is no kind cluster of this engine`,
    "name the kubeconfig of a running kind cluster",
  );
}

async function uidBy(engine: Engine, kubeconfig: string, setting: string): Promise<string> {
  const { failed, stdout, stderr } = await identify(engine, kubeconfig);
  if (failed)
    throw new UserError(
      `${setting}: its API server gave no answer that tells which cluster it is of: ${lastLine(stderr) || "none in time"}`,
      "try it with kubectl --kubeconfig",
    );
  return stdout;
}

/**
 * Waits for an answer of a new cluster's API server, which kind has published on loopback.
 *
 * @throws UserError where none comes
 */
export async function requireApiServer(engine: Engine, kubeconfig: string): Promise<void> {
  const { failed, stderr } = await identify(engine, kubeconfig);
  if (failed)
    throw new UserError(
      `the new cluster's API server does not answer on this machine's loopback, where kind has it published: ${lastLine(stderr) || "no answer in time"}`,
      "run on the engine's machine, or with an engine that publishes ports on this one",
    );
}

async function identify(engine: Engine, kubeconfig: string): Promise<CommandResult> {
  const program = join(import.meta.dirname, `identity${moduleEnding}`);
  const [command, ...words] = inEngineNetwork(engine, [process.execPath, program, kubeconfig]);
  return execa(command, words, { reject: false, stdin: "ignore", timeout: 60_000 });
}

async function uidOn(engine: Engine, name: string): Promise<string> {
  const [controlPlane = ""] = await controlPlaneContainers(engine, name);
  const command = [...kubectlOnNode, "get", "namespace", "kube-system", "--output=jsonpath={.metadata.uid}"];
  const result = await containerNodes(engine).run(controlPlane, command, { timeout: 60_000 });
  if (result.failed)
    throw new UserError(
      `kind's cluster ${name} cannot be asked on its node ${controlPlane}: ${lastLine(result.stderr)}`,
      "start its containers",
    );
  return result.stdout;
}
