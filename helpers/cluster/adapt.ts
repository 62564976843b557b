import { existsSync, readFileSync } from "node:fs";
import semver from "semver";
import { stringify } from "yaml";
import type { Engine } from "../engine/engine.ts";

/** A kind configuration as this machine needs it, and what was changed from the given one, in words. */
export interface AdaptedConfig {
  readonly yaml: string;
  readonly adaptations: readonly string[];
}

/** Bit of CAP_SYS_RESOURCE in a capability set (capabilities(7)). */
const capSysResource = 24n;

/** No packet meets it, and kubelets have their own way to such figures. Versions of containerd without that plugin pass it over. */
const fewerStatistics = '[plugins."io.containerd.cri.v1.runtime"]\n  stats_collect_period = "60s"\n';

/**
 * Returns the kind configuration with the patches that this machine needs, since nodes would not start without them, and one
 * that spares every machine work.
 *
 * Sources: KEP-5573 (kubelet 1.35 refuses cgroup v1 unless `failCgroupV1` is false); containerd's CRI configuration
 * (`restrict_oom_score_adj` where the kernel forbids negative scores; `stats_collect_period`, since 2.3, containerd#12629).
 */
export function adaptConfig(
  config: Readonly<Record<string, unknown>>,
  kubernetes: string,
  engine: Pick<Engine, "cgroup">,
  mayLowerOomScore: boolean = canLowerOomScore(),
): AdaptedConfig {
  const kubeadm: string[] = [];
  const containerd = [fewerStatistics];
  const adaptations = [
    "stats_collect_period: 60s in containerd's configuration, which reads the counters of every pod each second otherwise, at a tenth of a run's processor time",
  ];
  if (engine.cgroup === "v1" && semver.gte(kubernetes, "1.35.0")) {
    kubeadm.push(stringify({ kind: "KubeletConfiguration", failCgroupV1: false }));
    adaptations.push(
      "failCgroupV1: false in the kubelet's configuration, since this machine has cgroup v1 and Kubernetes 1.35 and later refuse it",
    );
  }
  if (!mayLowerOomScore) {
    containerd.push('[plugins."io.containerd.grpc.v1.cri"]\n  restrict_oom_score_adj = true\n');
    adaptations.push(
      "restrict_oom_score_adj in containerd's configuration, since CAP_SYS_RESOURCE is missing on this machine",
    );
  }
  return {
    yaml: stringify({
      ...config,
      ...(kubeadm.length === 0 ? {} : { kubeadmConfigPatches: [...list(config["kubeadmConfigPatches"]), ...kubeadm] }),
      containerdConfigPatches: [...list(config["containerdConfigPatches"]), ...containerd],
    }),
    adaptations,
  };
}

function list(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}

/** Whether privileged containers of this machine may give processes a negative OOM score. */
function canLowerOomScore(): boolean {
  if (!existsSync("/proc/self/status")) return true;
  const bounding = /^CapBnd:\s*([0-9a-f]+)$/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1];
  return bounding === undefined || ((BigInt(`0x${bounding}`) >> capSysResource) & 1n) === 1n;
}
