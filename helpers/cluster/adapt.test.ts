import { expect, test } from "vitest";
import { parse } from "yaml";
import { adaptConfig } from "./adapt.ts";

const config = { kind: "Cluster", nodes: [{ role: "control-plane" }] };

const fewerStatistics = expect.stringContaining('stats_collect_period = "60s"') as unknown;

test("a machine that needs nothing is spared statistics, and gets the configuration as it is otherwise", () => {
  const { yaml, adaptations } = adaptConfig(config, "v1.37.0", { cgroup: "v2" }, true);
  expect(parse(yaml)).toEqual({ ...config, containerdConfigPatches: [fewerStatistics] });
  expect(adaptations).toEqual([expect.stringContaining("stats_collect_period")]);
});

test.each([
  ["v1.34.0", 0],
  ["v1.35.0", 1],
])("cgroup v1 under Kubernetes %s takes %i patch", (kubernetes, patches) => {
  const { yaml, adaptations } = adaptConfig(config, kubernetes, { cgroup: "v1" }, true);
  const { kubeadmConfigPatches = [] } = parse(yaml) as { kubeadmConfigPatches?: string[] };
  expect(kubeadmConfigPatches.map((patch) => parse(patch) as unknown)).toEqual(
    Array.from({ length: patches }, () => ({ kind: "KubeletConfiguration", failCgroupV1: false })),
  );
  expect(adaptations).toHaveLength(1 + patches);
});

test("patches that the configuration has stay, and those of the machine come after", () => {
  const { yaml, adaptations } = adaptConfig(
    { ...config, containerdConfigPatches: ["own"] },
    "v1.37.0",
    { cgroup: "v2" },
    false,
  );
  const { containerdConfigPatches } = parse(yaml) as { containerdConfigPatches: string[] };
  expect(containerdConfigPatches).toEqual([
    "own",
    fewerStatistics,
    expect.stringContaining("restrict_oom_score_adj = true"),
  ]);
  expect(adaptations).toHaveLength(2);
});
