/**
 * What the specs of an article import from the package. All that is exported here keeps to the version policy of CHANGELOG.md;
 * other modules are the project's own and may change. `npm run api` writes docs/api.md from it, with the groups that it has here.
 *
 * @module
 */

// Group: Claims

export { type Article, readArticle } from "./article/article.ts";
export type { Check } from "./claim/check.ts";
export type { ClaimFunction } from "./claim/claim.ts";
export { specsOf } from "./lab/spec.ts";

// Group: Judging

/** Vitest's own, of the copy by which the claims are run: another would not know them. An assertion that fails refutes the claim. */
export { expect } from "vitest";
export { todo } from "./claim/todo.ts";
export { Inconclusive, NeedsFeature, positiveControl } from "./claim/verdict.ts";
export { answered } from "./lab/ask.ts";

// Group: The lab

export type { Lab } from "./lab/lab.ts";

// What it has.

/** A node of the cluster, as found. */
export type { World, WorldNode } from "./claim/world.ts";
export type { ClusterApi } from "./lab/cluster-api.ts";
export type { Containers } from "./lab/containers.ts";
export type { Objects } from "./lab/objects.ts";
export type { Pods } from "./lab/pods.ts";
export type { Service, Services } from "./lab/services.ts";
export type { KubernetesObject } from "./probe/api.ts";
export type { Timeouts } from "./probe/timeouts.ts";

// Group: Peers and probes

export { whoAnswers } from "./lab/ask.ts";
export type { AddressedPeer, NodePeer, Outsider, PodPeer, PodPeerOptions } from "./lab/peers.ts";
export { type DnsAnswer, lookUp } from "./probe/dns.ts";
export { hostPort, type Meeting, meet, type Outcome, type Request, request } from "./probe/http.ts";
export { outputOf, type Peer } from "./probe/peer.ts";

// Group: Controls

export { mutate, refuse } from "./changes/admission.ts";
export { rules } from "./changes/iptables.ts";
export { patch } from "./changes/json-patch.ts";
export type { AlteredControl, Control, LiveControl } from "./claim/control.ts";
export { live } from "./lab/spec.ts";
