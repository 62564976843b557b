/** Environment variable that has the specs prove their checks by their controls instead of judging claims. */
export const controlsVariable = "KIND_NETWORK_CONFORMANCE_CONTROLS";

/** A change to the world after which a check has to give the opposite verdict. */
export interface LiveControl<Lab> {
  /** What is changed, in words. */
  readonly name: string;
  /** Makes the change; what it created is deleted and what it gave to `lab.afterwards` is done when it is to end. */
  readonly change: (lab: Lab) => Promise<void>;
  /** Other checks feel it too, so that no other control is tried meanwhile. */
  readonly alone: boolean;
  /** Controls of one lane use the same names, ports or pods, and are tried one after another. */
  readonly lane: string | undefined;
}

/**
 * An observation made otherwise, for statements about text or arithmetic and where the world cannot be changed: it proves
 * the judge, not the observing.
 */
export interface AlteredControl<Observation> {
  readonly name: string;
  /** Returns what would have been observed; it is given a copy that it may change. */
  readonly alter: (observation: NoInfer<Observation>) => NoInfer<Observation>;
}

/** What proves that a check can give the opposite verdict. */
export type Control<Lab, Observation> = LiveControl<Lab> | AlteredControl<Observation>;

/**
 * Returns a control that changes the world. Claims that are given the same one are judged under one change.
 *
 * @param name what is changed, as a sentence that could follow "what if"
 */
export function live<Lab>(
  name: string,
  change: (lab: Lab) => Promise<void>,
  { alone = false, lane }: { alone?: boolean; lane?: string } = {},
): LiveControl<Lab> {
  return { name, change, alone, lane };
}

/** Returns whether a control changes the world. */
export function isLive<Lab, Observation>(control: Control<Lab, Observation>): control is LiveControl<Lab> {
  return "change" in control;
}
