import type { World } from "./world.ts";

type Probe = (world: World) => string | undefined;

/** What a claim can need of its world: each tells why the world lacks it, or nothing where it has it. */
const capabilities: Readonly<Record<string, Probe>> = {
  docker: ({ engine }) =>
    engine.name === "docker" ? undefined : `the statement is about Docker, and the nodes run on ${engine.name}`,
  "several-workers": ({ nodes }) =>
    nodes.filter(({ role }) => role === "worker").length >= 2
      ? undefined
      : "two nodes that take pods are needed, and this cluster has one",
};

/** Returns why the world lacks the first of the needed capabilities that it lacks. @throws RangeError for an unknown name */
export function missingCapability(needs: readonly string[], world: World): string | undefined {
  for (const name of needs) {
    const probe = capabilities[name];
    if (probe === undefined) throw new RangeError(`no capability ${name}`);
    const missing = probe(world);
    if (missing !== undefined) return missing;
  }
  return undefined;
}
