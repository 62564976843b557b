import { z } from "zod";
import type { Lab } from "../article/article.ts";
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

/** What a namespace has that keeps its pods from starting or from being asked. */
const restrictions: ReadonlySet<string> = new Set(["NetworkPolicy", "ResourceQuota", "LimitRange"]);

/** Returns what is in the way of an article's lab, of the objects in the namespace default: its names, pods with its labels, and what restricts pods there; nothing if it has no lab. */
export function inTheWay({ items }: Objects, lab: Lab | undefined): string[] {
  if (lab === undefined) return [];
  const wanted = Object.entries(lab.labels);
  const hasLabels = (labels: Readonly<Record<string, string>>) =>
    wanted.length > 0 && wanted.every(([name, value]) => labels[name] === value);
  return items
    .filter((item) => !isOwn(item, items))
    .filter(
      ({ kind, metadata: { name, labels } }) =>
        lab.objects.includes(`${kind}/${name}`) || (kind === "Pod" && hasLabels(labels)) || restrictions.has(kind),
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
