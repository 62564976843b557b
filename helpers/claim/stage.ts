import type { V1Pod, V1Service } from "@kubernetes/client-node";
import { inject } from "vitest";
import type { Context } from "../cluster/context.ts";
import { containerShells, type NodeAccess } from "../cluster/nodes.ts";
import { type Outsider, outsiderOf } from "../cluster/outsider.ts";
import type { EvidenceItem } from "../evidence/evidence.ts";
import { KubernetesApi } from "../probe/api.ts";
import { type PodShells, podShells } from "../probe/exec.ts";
import { type Timeouts, timeouts } from "../probe/timeouts.ts";
import type { World } from "../world/world.ts";
import { type Cast, readRun } from "./cast.ts";
import { Inconclusive } from "./verdict.ts";

/** What all checks of a run share: the cluster and the fixed cast of pods on it. */
export interface Stage {
  readonly context: Context;
  readonly world: World;
  readonly api: KubernetesApi;
  readonly outsider: Outsider;
  /** Access to pods. */
  readonly podShells: PodShells;
  /** Access to the containers of the engine: nodes and the outsider. */
  readonly containers: NodeAccess;
  readonly namespace: string;
  readonly otherNamespace: string;
  readonly timeouts: Timeouts;
  readonly pods: ReadonlyMap<string, V1Pod>;
  readonly services: ReadonlyMap<string, V1Service>;
  /** Checks are carried out more than once on it, so that each has to wait until what it made is gone. */
  readonly again: boolean;
  /** Experiments that several checks look at; see {@link Lab.together}. */
  readonly experiments: Map<
    string,
    Promise<{ observation: unknown; evidence: readonly EvidenceItem[]; standIns: readonly string[] }>
  >;
}

declare module "vitest" {
  interface ProvidedContext {
    cast: Cast | { readonly error: string };
  }
}

/** The run that the claims are part of; there is no stage where the cast could not be made. */
export interface OpenRun {
  readonly run: Pick<Stage, "context" | "world">;
  readonly stage: Promise<Stage>;
}

let opened: OpenRun | undefined;

/** Returns the run that this process is part of. @throws Error where it is part of none */
export function openRun(): OpenRun {
  if (opened === undefined) {
    const run = readRun();
    opened = { run, stage: openStage(run) };
    // Where no check needs it nobody waits for it either, and that it could not be opened is no error of its own.
    opened.stage.catch(() => {});
  }
  return opened;
}

async function openStage({ context, world }: OpenRun["run"]): Promise<Stage> {
  const cast = inject("cast");
  if ("error" in cast) throw new Inconclusive(`the cast of pods could not be made: ${cast.error}`);
  const { namespace, otherNamespace } = cast;
  const api = new KubernetesApi(context.kubeconfig);
  return {
    ...{ context, world, namespace, otherNamespace },
    api,
    podShells: podShells(api.config),
    outsider: await outsiderOf(context.engine, context.outsider),
    containers: containerShells(context.engine),
    timeouts: timeouts(context.timeoutFactor),
    pods: new Map(cast.pods.map((pod) => [pod.metadata?.name ?? "", pod])),
    services: new Map(cast.services.map((service) => [service.metadata?.name ?? "", service])),
    again: false,
    experiments: new Map(),
  };
}
