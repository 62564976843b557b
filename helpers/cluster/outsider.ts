import { type Engine, type EngineClient, engineOutput, removeContainers } from "../engine/engine.ts";

/** Label by which the containers of a run that are no nodes are found again. */
const runLabel = "kind-network-conformance.run";

/** Returns the label, with its value, of the containers of that run that are no nodes. */
export function outsiderLabel(runId: string): string {
  return `${runLabel}=${runId}`;
}

/** A client outside the cluster, on the cluster's own container network. */
export interface Outsider {
  readonly name: string;
  /** Its addresses on that network, IPv4 first. */
  readonly addresses: readonly string[];
}

/** Starts an outsider from the node image, which has curl and ip; it may change routes in its own namespace only. */
export async function startOutsider(engine: Engine, runId: string, image: string, network: string): Promise<Outsider> {
  const name = `knc-${runId}-outsider`;
  await engineOutput(engine, [
    "run",
    "--detach",
    "--name",
    name,
    "--network",
    network,
    "--label",
    outsiderLabel(runId),
    "--cap-add",
    "NET_ADMIN",
    "--entrypoint",
    "sleep",
    image,
    "infinity",
  ]);
  return outsiderOf(engine, name);
}

/** Returns the outsider of that name, which runs already. */
export async function outsiderOf(engine: EngineClient, name: string): Promise<Outsider> {
  const output = await engineOutput(engine, [
    "inspect",
    "--format",
    "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{.GlobalIPv6Address}}{{end}}",
    name,
  ]);
  return {
    name,
    addresses: output.split(" ").filter(Boolean),
  };
}

/** Removes the containers of a run that are no nodes, and the networks that were made for them. */
export async function removeOutsiders(engine: Engine, runId: string): Promise<void> {
  await removeContainers(
    engine,
    (await outsiders(engine, runId)).map(({ id }) => id),
  );
  await engineOutput(engine, ["network", "prune", "--force", "--filter", `label=${outsiderLabel(runId)}`]);
}

/** Returns the containers of a run that are no nodes. */
export async function outsiders(engine: Engine, runId: string): Promise<{ id: string; name: string }[]> {
  const output = await engineOutput(engine, [
    "ps",
    "--all",
    "--filter",
    `label=${outsiderLabel(runId)}`,
    "--format",
    "{{.ID}} {{.Names}}",
  ]);
  return output
    .split("\n")
    .filter(Boolean)
    .map((line) => {
      const [id = "", name = ""] = line.split(" ");
      return { id, name };
    });
}
