import { z } from "zod";
import { ownLabel } from "../claim/world.ts";

/** Objects of any kind, as far as it takes to tell whose they are. */
export const Objects = z.object({
  items: z.array(
    z.object({
      kind: z.string(),
      metadata: z.object({
        name: z.string(),
        namespace: z.string().default(""),
        uid: z.string(),
        labels: z.record(z.string(), z.string()).default({}),
        ownerReferences: z.array(z.object({ uid: z.string() })).default([]),
      }),
      spec: z.object({ ports: z.array(z.object({ nodePort: z.int().optional() })).default([]) }).default({ ports: [] }),
    }),
  ),
});
type Objects = z.infer<typeof Objects>;

/** Names that the article's lab gives in the namespace default. */
const labNames = new Set(["Deployment/web-app", "Service/web-clusterip", "Service/web-nodeport", "Pod/temp"]);

/** What a namespace has that keeps its pods from starting or from being asked. */
const restrictions: ReadonlySet<string> = new Set(["NetworkPolicy", "ResourceQuota", "LimitRange"]);

/** Returns what is in the way of the article's lab, of the objects in the namespace default: its names, pods with its label, and what restricts pods there. */
export function inTheWay({ items }: Objects): string[] {
  return items
    .filter((item) => !isOwn(item, items))
    .filter(
      ({ kind, metadata: { name, labels } }) =>
        labNames.has(`${kind}/${name}`) || (kind === "Pod" && labels["app"] === "web") || restrictions.has(kind),
    )
    .map(({ kind, metadata }) => `${kind} ${metadata.name}`);
}

/** The suite's own has its label, or belongs to something that is the suite's own. */
function isOwn({ metadata: { labels, ownerReferences } }: Objects["items"][number], all: Objects["items"]): boolean {
  return (
    ownLabel in labels ||
    all.some((owner) => ownerReferences.some(({ uid }) => uid === owner.metadata.uid) && isOwn(owner, all))
  );
}

/** Returns the node ports of Services that are not the suite's, each with its Service. */
export function takenNodePorts(services: Objects, ownNamespaces: Objects): Record<string, string> {
  const own = new Set(ownNamespaces.items.map(({ metadata }) => metadata.name));
  return Object.fromEntries(
    services.items
      .filter(({ metadata }) => !(ownLabel in metadata.labels) && !own.has(metadata.namespace))
      .flatMap(({ metadata: { namespace, name }, spec }) =>
        spec.ports.flatMap(({ nodePort }) => (nodePort === undefined ? [] : [[nodePort, `${namespace}/${name}`]])),
      ),
  );
}
