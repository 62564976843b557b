import type { V1Pod, V1Service } from "@kubernetes/client-node";
import type { Environment } from "../claim/environment.ts";
import { Inconclusive } from "../claim/verdict.ts";
import type { World } from "../claim/world.ts";
import type { Context } from "../cluster/context.ts";
import { containerShells, type NodeAccess } from "../cluster/nodes.ts";
import { type Outsider, outsiderOf } from "../cluster/outsider.ts";
import { KubernetesApi } from "../probe/api.ts";
import { type PodShells, podShells } from "../probe/exec.ts";
import { type Timeouts, timeouts } from "../probe/timeouts.ts";
import type { Watch } from "../probe/watch.ts";
import { missingCapability } from "../world/capabilities.ts";
import { type Cast, castOf, keepCast, podWatch, readRun } from "./cast.ts";
import type { Experiments } from "./experiments.ts";
import { Lab } from "./lab.ts";
import { failureOfPolicy } from "./policy-failure.ts";

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
  /** Returns the watch of a namespace's pods. */
  readonly podsIn: (namespace: string) => Watch<V1Pod>;
  /** Checks are carried out more than once on it, so that each has to wait until what it made is gone. */
  readonly again: boolean;
  readonly experiments: Experiments;
}

/** What is claimed should not come under a change, so that it is waited for so long only. Milliseconds. */
const claimedUnderChange = 8_000;

/** What a run is about; there is no stage if the cast could not be made. */
export interface OpenRun {
  readonly run: Pick<Stage, "context" | "world">;
  readonly cast: Promise<Cast>;
  readonly stage: Promise<Stage>;
}

let opened: OpenRun | undefined;

/** Returns the run that this process is part of. @throws Error if it is part of none */
export function openRun(): OpenRun {
  if (opened === undefined) {
    const run = readRun();
    const cast = castOf(run.context, run.world);
    opened = { run, cast, stage: openStage(run, cast) };
    // If no check needs it nobody waits for it either, and that it could not be opened is no error of its own.
    opened.stage.catch(() => {});
  }
  return opened;
}

/** Waits until the cast is there, or cannot be; then each claim says why it is inconclusive. */
export async function castIsThere(): Promise<void> {
  await openRun().cast.catch(() => {});
}

/** Keeps the cast, if there is one, for the next specs on this cluster: it is as it was. */
export async function leaveCast(): Promise<void> {
  const { run, cast } = openRun();
  const made = await cast.catch(() => undefined);
  if (made !== undefined) keepCast(run.context, made);
}

/** Returns the cluster of the run that this process is part of, as what claims are checked on. @throws Error if it is part of none */
export function labEnvironment(): Environment<Lab> {
  const { run, stage } = openRun();
  return environmentOf(run, stage);
}

function environmentOf(run: Pick<Stage, "context" | "world">, stage: Promise<Stage>): Environment<Lab> {
  const { world, context } = run;
  const { out, timeoutFactor } = context;
  return {
    ...{ world, out, timeoutFactor },
    missing: (features) => missingCapability(features, world),
    open: async (evidence, signal) => new Lab(await stage, evidence, signal),
    again: () => {
      const anew = stage.then((shared): Stage => {
        const claimed = claimedUnderChange * timeoutFactor;
        return { ...shared, again: true, experiments: new Map(), timeouts: { ...shared.timeouts, claimed } };
      });
      anew.catch(() => {});
      return environmentOf(run, anew);
    },
    failureOfChange: failureOfPolicy,
  };
}

async function openStage({ context, world }: Pick<Stage, "context" | "world">, made: Promise<Cast>): Promise<Stage> {
  const cast = await made.catch((error: unknown) => {
    throw new Inconclusive(`the cast of pods could not be made: ${(error as Error).message}`);
  });
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
    podsIn: podWatches(api),
    again: false,
    experiments: new Map(),
  };
}

/** Returns what returns the watch of a namespace's pods: one for all who wait for them. */
function podWatches(api: KubernetesApi): Stage["podsIn"] {
  const watches = new Map<string, Watch<V1Pod>>();
  return (namespace) => {
    const watch = watches.get(namespace) ?? podWatch(api, namespace);
    watches.set(namespace, watch);
    return watch;
  };
}
