import { z } from "zod";
import type { Check } from "../../claim/check.ts";
import type { Lab } from "../../lab/lab.ts";
import type { NodePeer } from "../../lab/peers.ts";

/** A check that claims can name, with parameters. */
export interface ReadyMade {
  /** The sentence that it checks, with the parameters' names in it. */
  readonly says: string;
  /** A change under which it gives the opposite verdict, in words. */
  readonly turnedBy: string;
  readonly parameters: z.ZodObject;
  /** Parameters as a claim could give them. */
  readonly example: unknown;
  /** Returns the check for such parameters. @throws ZodError if they do not fit */
  make(parameters: unknown): Check<Lab, unknown>;
}

/** Returns a ready-made check; what it makes of its parameters is typed by their schema. */
export function readyMade<Parameters extends z.ZodObject, Observation>({
  make,
  ...about
}: {
  readonly says: string;
  readonly turnedBy: string;
  readonly parameters: Parameters;
  readonly example: z.input<NoInfer<Parameters>>;
  readonly make: (given: z.output<NoInfer<Parameters>>) => Check<Lab, Observation>;
}): ReadyMade {
  return { ...about, make: (given) => make(about.parameters.parse(given)) as Check<Lab, unknown> };
}

/** A pod that asks. */
export const Client = z.string().describe("a pod of the cast or of `objects`, or `outside`: the external client");

/** The number of a port. */
export const Port = z.int().min(1).max(65_535);

/** The port of a Service that is asked. */
export const ServicePort = Port.default(80).describe("of the Service");

/** The name of a Service in the namespace of the cast. */
export const ServiceName = z.string().describe("a Service of the cast or of `objects`");

/** A node by its part in the cast. */
export const NodeName = z.enum(["worker-1", "worker-2", "control-plane"]);

/** Returns the node of that name. */
export function nodeNamed(lab: Lab, node: z.infer<typeof NodeName>): NodePeer {
  if (node === "control-plane") return lab.controlPlane;
  return lab.worker(node === "worker-1" ? 0 : 1);
}
