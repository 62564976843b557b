import { ownLabel } from "../claim/world.ts";
import { containerNodes, controlPlaneContainers, kubectlOnNode } from "../cluster/nodes.ts";
import type { EngineClient } from "../engine/engine.ts";
import { lastLine } from "../host/command.ts";
import { UserError } from "../host/errors.ts";
import { eventually } from "../probe/until.ts";

/**
 * Deletes what runs made in a cluster that stays: their namespaces, and what followed an article in the namespace default. It does not
 * wait until that is gone, which takes the cluster ten seconds.
 *
 * @param milliseconds for which it is tried again where an API server refuses or is away
 * @throws UserError with kubectl's last words where it could not be done
 */
export async function leaveCluster(engine: EngineClient, cluster: string, milliseconds: number): Promise<void> {
  const [controlPlane = ""] = await controlPlaneContainers(engine, cluster);
  const selected = [`--selector=${ownLabel}`, "--wait=false"];
  // A Deployment stays until its pods are gone: they have no label of the suite's, and by it the next run knows whose they are.
  const inDefault = ["deployments,services,pods", "--namespace=default", "--cascade=foreground"];
  const ends = await eventually(
    milliseconds,
    async () =>
      Promise.all(
        [["namespaces"], inDefault].map((which) =>
          containerNodes(engine).run(controlPlane, [...kubectlOnNode, "delete", ...which, ...selected], {
            timeout: 30_000,
          }),
        ),
      ),
    (found) => found.every(({ failed }) => !failed),
  );
  const failed = ends.find((end) => end.failed);
  if (failed === undefined) return;
  const words = failed.timedOut ? "no answer within 30 s" : lastLine(failed.stderr);
  throw new UserError(
    `what the suite made is left in ${cluster}: ${words}`,
    `kubectl delete namespaces ${selected[0]}; kubectl delete ${inDefault.slice(0, 2).join(" ")} ${selected[0]}`,
  );
}
