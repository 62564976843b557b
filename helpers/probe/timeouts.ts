/** Milliseconds that a run waits for what is named here; a factor stretches them all on slow machines. */
export interface Timeouts {
  /** A namespace's pods are scheduled, started and ready. */
  readonly podsReady: number;
  /** A change to a Service or its pods shows in what kube-proxy and CoreDNS do. */
  readonly propagation: number;
  /** What a claim says of a change has come about, or is taken not to come. */
  readonly claimed: number;
  /** One request to something that must answer. */
  readonly answer: number;
  /** One request to something that must not answer: it lasts longer than the slowest answer seen. */
  readonly silence: number;
  /** One of many requests to something that answers sooner or later. */
  readonly attempt: number;
  /** The kubelet's request by which a pod is found ready; a pod is taken for unready when several have failed. */
  readonly readiness: number;
  /** An object is gone after it was deleted; a pod has 30 s of grace unless it says otherwise. */
  readonly deletion: number;
  /** Something that must never happen is watched for so long. */
  readonly window: number;
}

/** Returns the time-outs, stretched by the factor. */
export function timeouts(factor: number): Timeouts {
  const stretch = (milliseconds: number) => Math.round(milliseconds * factor);
  return {
    podsReady: stretch(90_000),
    propagation: stretch(20_000),
    claimed: stretch(30_000),
    answer: stretch(5_000),
    silence: stretch(4_000),
    attempt: stretch(1_000),
    readiness: stretch(3_000),
    deletion: stretch(45_000),
    window: stretch(2_000),
  };
}
