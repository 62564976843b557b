import { expect, test } from "vitest";
import type { World, WorldNode } from "../claim/world.ts";
import type { Claim, Condition } from "./article.ts";
import { expectationFor, meets } from "./expectation.ts";

const because = { en: "It was seen to be so on a cluster.", zh: "在叢集上看到如此。" };
const link = "https://kubernetes.io/";

function claimWith(...when: (Condition | undefined)[]): Claim {
  const expectations = when.map((condition, index) => ({
    verdict: index === 0 ? ("holds" as const) : ("refuted" as const),
    because,
    link,
    ...(condition === undefined ? {} : { when: condition }),
  }));
  return {
    id: "a-claim",
    ref: 1,
    section: "one",
    quote: "q",
    occurrence: 1,
    also: [],
    covers: [],
    en: "An assertion.",
    needs: [],
    expect: expectations,
  };
}

function world(
  kubernetes: string,
  workers: number,
  proxyMode: World["proxyMode"] = "iptables",
): Pick<World, "kubernetes" | "proxyMode" | "ipFamilies" | "cni" | "nodes" | "features"> {
  const node = (role: WorldNode["role"]) => ({ role }) as WorldNode;
  return {
    kubernetes,
    proxyMode,
    ipFamilies: ["ipv4"],
    cni: "kindnet",
    features: { networkPolicies: true } as World["features"],
    nodes: [node("control-plane"), ...Array.from({ length: workers }, () => node("worker"))],
  };
}

test.each<[Condition, ReturnType<typeof world>, boolean]>([
  [{ kubernetes: "<1.26" }, world("v1.25.16", 2), true],
  [{ kubernetes: "<1.26" }, world("v1.26.0", 2), false],
  [{ kubernetes: ">=1.37" }, world("v1.37.0", 2), true],
  [{ proxyMode: "nftables" }, world("v1.37.0", 2, "nftables"), true],
  [{ proxyMode: "nftables" }, world("v1.37.0", 2), false],
  [{ workers: "none" }, world("v1.37.0", 0), true],
  [{ workers: "several" }, world("v1.37.0", 1), false],
  [{ ipFamily: "ipv6" }, world("v1.37.0", 2), false],
  [{ ipFamily: "ipv4" }, world("v1.37.0", 2), true],
  [{ ipFamily: "dual" }, { ...world("v1.37.0", 2), ipFamilies: ["ipv6", "ipv4"] }, true],
  [{ ipFamily: "ipv4" }, { ...world("v1.37.0", 2), ipFamilies: ["ipv4", "ipv6"] }, false],
  [{ cni: "flannel" }, world("v1.37.0", 2), false],
  [{ cni: "flannel" }, { ...world("v1.37.0", 2), cni: "flannel" }, true],
  [{ networkPolicies: false }, world("v1.37.0", 2), false],
  [{ networkPolicies: true }, world("v1.37.0", 2), true],
  [{ kubernetes: ">=1.26", proxyMode: "ipvs" }, world("v1.37.0", 2), false],
])("%o is looked for in the world", (when, found, meets) => {
  expect(expectationFor(claimWith(when, undefined), found).verdict).toBe(meets ? "holds" : "refuted");
});

test("a world of which the catalogue says nothing is an error", () => {
  expect(() => expectationFor(claimWith({ proxyMode: "ipvs" }), world("v1.37.0", 2))).toThrow(
    RangeError("claim a-claim has no expectation for Kubernetes v1.37.0, iptables, ipv4, kindnet, workers: several"),
  );
});

test("what is not known of a cluster may be either way", () => {
  const when: Condition = {
    kubernetes: "<1.26",
    proxyMode: "ipvs",
    ipFamily: "ipv6",
    cni: "flannel",
    workers: "one",
    networkPolicies: true,
  };
  expect(meets({}, when)).toBe(true);
  expect(meets({ kubernetes: "v1.25.0", ipFamilies: ["ipv6"] }, when)).toBe(true);
  expect(meets({ cni: "kindnet" }, when)).toBe(false);
});
