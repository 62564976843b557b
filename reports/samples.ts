import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Article, Claim } from "../helpers/article/article.ts";
import { expectedResult, statementResult } from "../helpers/claim/expected.ts";
import type { ClaimResult, Phase } from "../helpers/claim/results.ts";
import type { Judgement } from "../helpers/claim/verdict.ts";
import type { World } from "../helpers/claim/world.ts";
import { projectRoot } from "../helpers/host/settings.ts";

/** The folder of an article for tests, in French and English. */
export const sampleFolder: string = join(projectRoot, "fixtures", "articles", "sample");

/** A world as a run finds it, for tests of what is made from a run's files. */
const sampleWorld: World = {
  cluster: "knc-0a1b2c",
  fresh: true,
  kind: "v0.33.0",
  kubernetes: "v1.37.0",
  proxyMode: "iptables",
  ipFamilies: ["ipv4"],
  cni: "kindnet",
  podSubnets: ["10.244.0.0/16"],
  serviceSubnets: ["10.96.0.0/16"],
  otherwise: [],
  dnsDomain: "cluster.local",
  dnsForwardsTo: "/etc/resolv.conf",
  nodePortRange: "30000-32767",
  publishedPorts: [],
  network: "kind",
  nodeLink: "eth0",
  taken: [],
  takenNodePorts: {},
  madeBy: "suite",
  features: {
    hostReachesNodes: true,
    networkQueue: false,
    networkPolicies: true,
    ipvs: false,
    nft: true,
    tcpdump: true,
    packages: false,
    uplink: false,
  },
  nodes: (["control-plane", "worker"] as const).map((role, index) => ({
    name: `knc-0a1b2c-${role}`,
    role,
    addresses: [`172.18.0.${index + 2}`],
    podCIDRs: [`10.244.${index}.0/24`],
    kubelet: "v1.37.0",
    runtime: "containerd://2.3.4",
    kernel: "6.18.44",
    os: "Debian GNU/Linux 13 (trixie)",
    proxyMode: "iptables",
    takesPods: role === "worker",
  })),
  engine: { name: "docker", version: "29.1.0", owner: "user", cgroup: "v2", bridge: "open" },
  images: { nginx: "docker.io/library/nginx:1.29" },
  provenance: { "node image": "kindest/node:v1.37.0: pulled by digest, sha256=0123\\4567" },
  adaptations: ["none of kind's defaults: all fit"],
};

/** Returns what a run writes about a claim that came out like that. */
export function sampleResult(claim: Claim, judgement: Judgement, article: Pick<Article, "languages">): ClaimResult {
  const { id } = claim;
  const expectation = claim.expect?.[0];
  if (expectation === undefined) throw new RangeError(`claim ${id} has no expectation`);
  return {
    ...statementResult(claim, article),
    ...judgement,
    ...expectedResult(expectation),
    milliseconds: 1234,
    standIns: [],
    evidence: [`evidence/${id}/01-look.txt`],
    controls: [],
  };
}

/** Writes what a run leaves in its output folder, claims aside. */
export function writeRun(out: string, selection = ""): void {
  const phases: Phase[] = [{ name: "claims", milliseconds: 27_230 }];
  write(out, "world.json", sampleWorld);
  write(out, "phases.json", phases);
  write(out, "run.json", { started: "2026-11-24T12:26:30.602Z", selection, claims: 151 });
}

/** Writes the result of a claim as a run does. */
export function writeResult(out: string, result: ClaimResult): void {
  mkdirSync(join(out, "claims"), { recursive: true });
  write(out, join("claims", `${result.id}.json`), result);
}

function write(out: string, file: string, value: unknown): void {
  writeFileSync(join(out, file), JSON.stringify(value));
}
