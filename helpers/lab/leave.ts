import { ownLabel } from "../claim/world.ts";
import { containerNodes, controlPlaneContainers } from "../cluster/nodes.ts";
import type { Engine } from "../engine/engine.ts";
import { lastLine } from "../host/command.ts";
import { UserError } from "../host/errors.ts";

/**
 * Deletes what runs made in a cluster that stays: their namespaces, and what followed an article in the namespace default. It waits for
 * nothing: that takes the cluster ten seconds.
 *
 * @throws UserError with kubectl's last words where it could not be done
 */
export async function leaveCluster(engine: Engine, cluster: string): Promise<void> {
  const [controlPlane = ""] = await controlPlaneContainers(engine, cluster);
  const kubectl = ["kubectl", "--kubeconfig=/etc/kubernetes/admin.conf"];
  const selected = [`--selector=${ownLabel}`, "--wait=false"];
  const ends = await Promise.all(
    [["namespaces"], ["deployments,services,pods", "--namespace=default"]].map((which) =>
      containerNodes(engine).run(controlPlane, [...kubectl, "delete", ...which, ...selected], { timeout: 30_000 }),
    ),
  );
  const failed = ends.find((end) => end.failed);
  if (failed !== undefined)
    throw new UserError(
      `the suite's namespaces are left in ${cluster}: ${lastLine(failed.stderr) || "no answer within 30 s"}`,
      `kubectl delete namespaces ${selected[0]}`,
    );
}
